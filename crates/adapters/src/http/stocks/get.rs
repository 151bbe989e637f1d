//! `GET /stocks/{id}`

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        answer::{self, response},
        caller::{Caller, MayRead},
        conditional::{Known, etag_header},
        member::Moment,
        openapi::{CommonProblems, IfNoneMatchHeader, StockIdPath, UnknownStock},
        query::{Parameters, query},
        stocks::stock_id,
    },
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// It may be kept, but has to be asked for again.
const NO_CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

query! {
    /// Which state of the stock.
    struct StockParameters {
        /// The state at this time, instead of now.
        as_of: Moment = "asOf",
    }
}

/// A stock, as it is or as it was.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stocks/{stockId}",
    operation_id = "getStock",
    tag = "stocks",
    params(StockIdPath, StockParameters, IfNoneMatchHeader),
    responses(
        CommonProblems,
        UnknownStock,
        (status = 200, description = "The stock.", body = StockView, headers(
            ("ETag" = String, description = "The stock's version."),
        )),
        (status = 304, description = "The stock is as the client knows it.", headers(
            ("ETag" = String, description = "The stock's version."),
        )),
    ),
)]
pub(in crate::http) async fn get(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<StockParameters>,
    known: Known,
) -> Result<Response, Problem> {
    let stock_id = stock_id(&id)?;
    let found = match parameters.as_of {
        None => api.queries.stock(&stock_id).await?,
        Some(Moment(at)) => api.queries.stock_as_of(&stock_id, at).await?,
    };
    let stock = found.ok_or_else(|| Problem::unknown_stock(&id))?;
    let mut response = if known.has(&stock)? {
        response(StatusCode::NOT_MODIFIED, Vec::new())
    } else {
        let mut found = response(StatusCode::OK, answer::json(&StockView::from(&stock)));
        found.headers_mut().insert(header::CONTENT_TYPE, JSON);
        found
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, NO_CACHE);
    if let Some(etag) = etag_header(&stock) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}
