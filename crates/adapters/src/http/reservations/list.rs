//! `GET /reservations`

use std::sync::Arc;

use application::ports::ReservationQuery;
use axum::{extract::State, http::Uri, response::Response};
use domain::stock::{Actor, ClientOrderId, ReservationId, ReservationState, StockId};

use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    member::{Cursor, Limit},
    openapi::CommonProblems,
    paging,
    query::{Parameters, query},
    views::{HoldView, Page},
};

query! {
    /// Which reservations.
    struct ReservationsParameters {
        /// Only those of this stock.
        stock_id: StockId = "stockId",
        /// Only those in this state.
        state: ReservationState = "state",
        /// Only those of this order.
        client_order_id: ClientOrderId = "clientOrderId",
        /// Only those of this client.
        holder: Actor = "holder",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// Reservations, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/reservations",
    operation_id = "listReservations",
    tag = "reservations",
    params(ReservationsParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of reservations.", body = Page<HoldView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn list(
    State(api): State<Arc<StockApi>>,
    uri: Uri,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<ReservationsParameters>,
) -> Result<Response, Problem> {
    let query = ReservationQuery {
        stock_id: parameters.stock_id,
        state: parameters.state,
        holder: parameters.holder,
        client_order_id: parameters.client_order_id,
        after: None,
        limit: parameters.limit.unwrap_or_default().0,
    };
    page(&api, &uri, query, parameters.cursor.as_ref()).await
}

/// The page of a query behind a cursor.
pub(in crate::http) async fn page(
    api: &StockApi,
    uri: &Uri,
    mut query: ReservationQuery,
    cursor: Option<&Cursor>,
) -> Result<Response, Problem> {
    let after = cursor.map(|cursor| -> Result<ReservationId, Problem> {
        let [id] = paging::decode(cursor)?;
        id.parse().map_err(|_| paging::bad_cursor())
    });
    query.after = after.transpose()?;
    let found = api.queries.reservations(&query).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|held| paging::encode(&[held.id.as_str()]));
    let items: Vec<HoldView> = found.items.iter().map(Into::into).collect();
    Ok(paging::page(uri, items, next))
}
