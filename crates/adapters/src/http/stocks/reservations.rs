//! `GET /stocks/{id}/reservations`

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::Uri,
    response::Response,
};
use domain::stock::ReservationState;

use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    member::{Cursor, Limit},
    openapi::{CommonProblems, StockIdPath, UnknownStock},
    query::{Parameters, query},
    reservations::list,
    stocks::stock_id,
    views::{HoldView, Page},
};

query! {
    /// Which reservations of the stock.
    struct StockReservationsParameters {
        /// Only those in this state.
        state: ReservationState = "state",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// The stock's reservations, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stocks/{stockId}/reservations",
    operation_id = "listStockReservations",
    tag = "reservations",
    params(StockIdPath, StockReservationsParameters),
    responses(
        CommonProblems,
        UnknownStock,
        (status = 200, description = "A page of reservations.", body = Page<HoldView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn reservations(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    uri: Uri,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<StockReservationsParameters>,
) -> Result<Response, Problem> {
    let stock_id = stock_id(&id)?;
    if api.queries.stock(&stock_id).await?.is_none() {
        return Err(Problem::unknown_stock(&id));
    }
    let query = application::ports::ReservationQuery {
        stock_id: Some(stock_id),
        state: parameters.state,
        limit: parameters.limit.unwrap_or_default().0,
        ..application::ports::ReservationQuery::default()
    };
    list::page(&api, &uri, query, parameters.cursor.as_ref()).await
}
