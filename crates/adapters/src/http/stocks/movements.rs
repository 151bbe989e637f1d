//! `GET /stocks/{id}/movements`

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::Uri,
    response::Response,
};

use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    member::{Cursor, Limit},
    openapi::{CommonProblems, StockIdPath, UnknownStock},
    paging,
    query::{Parameters, query},
    stocks::stock_id,
    views::{MovementView, Page},
};

query! {
    /// Which part of the ledger.
    struct MovementsParameters {
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// The stock's ledger, the newest line first: one line per version.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stocks/{stockId}/movements",
    operation_id = "listMovements",
    tag = "stocks",
    params(StockIdPath, MovementsParameters),
    responses(
        CommonProblems,
        UnknownStock,
        (status = 200, description = "A page of the ledger.", body = Page<MovementView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn movements(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    uri: Uri,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<MovementsParameters>,
) -> Result<Response, Problem> {
    let stock_id = stock_id(&id)?;
    let before = parameters.cursor.as_ref().map(|cursor| {
        let [version] = paging::decode(cursor)?;
        version.parse().map_err(|_| paging::bad_cursor())
    });
    let limit = parameters.limit.unwrap_or_default().0;
    let found = api
        .queries
        .movements(&stock_id, before.transpose()?, limit)
        .await?;
    let found = found.ok_or_else(|| Problem::unknown_stock(&id))?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|line| paging::encode(&[&line.version.to_string()]));
    let lines = found.items.into_iter();
    let items = lines.map(|line| MovementView::of(&id, line)).collect();
    Ok(paging::page::<MovementView>(&uri, items, next))
}
