//! `GET /stocks`

use std::str::FromStr;

use application::ports::StockQuery;
use axum::{
    Json,
    extract::{Query, State},
};
use domain::{
    InvalidValue,
    stock::{ProductId, Status, StockId, Symbol},
};
use serde::Serialize;

use crate::{
    contract::v1::StockView,
    http::{Problem, StockApi, stocks::bad_query},
};

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 500;

/// A page of stocks.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StockPage {
    items: Vec<StockView>,
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(api): State<StockApi>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<Json<StockPage>, Problem> {
    let page = api.repository.list(&read(parameters)?).await?;
    let last = page.stocks.last().filter(|_| page.more);
    Ok(Json(StockPage {
        next_cursor: last.map(|stock| stock.id.to_string()),
        items: page.stocks.iter().map(Into::into).collect(),
    }))
}

fn read(parameters: Vec<(String, String)>) -> Result<StockQuery, Problem> {
    let mut query = StockQuery {
        limit: DEFAULT_LIMIT,
        ..StockQuery::default()
    };
    for (name, value) in parameters {
        match name.as_str() {
            "productId" => query.product_id = Some(named::<ProductId>(&name, &value)?),
            "symbol" => query.symbol = Some(named::<Symbol>(&name, &value)?),
            "status" => query.status = Some(status(&value)?),
            "limit" => query.limit = limit(&value)?,
            "cursor" => query.after = Some(behind(&value)?),
            _ => {
                return Err(bad_query(
                    &name,
                    "unknown-parameter",
                    "is not known here".to_owned(),
                ));
            }
        }
    }
    Ok(query)
}

/// A name that a stock can have.
fn named<T: FromStr<Err = InvalidValue>>(parameter: &str, text: &str) -> Result<String, Problem> {
    let parsed: Result<T, InvalidValue> = text.parse();
    match parsed {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(bad_query(parameter, error.code(), error.to_string())),
    }
}

fn status(text: &str) -> Result<Status, Problem> {
    let known = Status::ALL
        .into_iter()
        .find(|status| status.as_str() == text);
    known.ok_or_else(|| {
        let names = Status::ALL.map(Status::as_str).join(", ");
        bad_query(
            "status",
            "unknown-status",
            format!("must be one of {names}"),
        )
    })
}

fn limit(text: &str) -> Result<u16, Problem> {
    let limit = text
        .parse()
        .ok()
        .filter(|limit| (1..=MAX_LIMIT).contains(limit));
    limit.ok_or_else(|| {
        bad_query(
            "limit",
            "out-of-range",
            format!("must be between 1 and {MAX_LIMIT}"),
        )
    })
}

/// The stock that a cursor points behind. To clients it is opaque, so that it may become something else.
fn behind(cursor: &str) -> Result<StockId, Problem> {
    cursor.parse().map_err(|_| {
        bad_query(
            "cursor",
            "bad-cursor",
            "must be the nextCursor of an earlier answer".to_owned(),
        )
    })
}
