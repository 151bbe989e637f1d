//! `GET /low-stock`

use std::sync::Arc;

use application::ports::StockQuery;
use axum::{extract::State, http::Uri, response::Response};
use domain::stock::Status;

use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    member::{Cursor, Limit, Sort},
    openapi::CommonProblems,
    query::{Parameters, query},
    stocks::list,
    views::StockPage,
};

query! {
    /// Which part of the list.
    struct LowStockParameters {
        /// The order; with a hyphen in front the other way round.
        sort: Sort = "sort",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// Stocks that are on sale and below their threshold, the empty ones included.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/low-stock",
    operation_id = "listLowStock",
    tag = "stocks",
    params(LowStockParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of stocks.", body = StockPage, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn low_stock(
    State(api): State<Arc<StockApi>>,
    uri: Uri,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<LowStockParameters>,
) -> Result<Response, Problem> {
    let sort = parameters.sort.unwrap_or_default();
    let query = StockQuery {
        statuses: vec![Status::LowStock, Status::OutOfStock],
        sort: sort.by,
        descending: sort.descending,
        limit: parameters.limit.unwrap_or_default().0,
        ..StockQuery::default()
    };
    list::page(&api, &uri, query, parameters.cursor.as_ref()).await
}
