//! `GET /deliveries`

use application::ports::DeliveryQuery;
use axum::{extract::State, http::Uri, response::Response};
use domain::stock::StockId;
use uuid::Uuid;

use super::{
    AclApi,
    member::{AttemptName, PartnerName, Words},
    views::DeliveryView,
};
use crate::http::{
    Problem,
    caller::{Caller, MayReadDeliveries},
    member::{Cursor, Limit, Moment},
    openapi::CommonProblems,
    paging,
    query::{Parameters, query},
    views::Page,
};

query! {
    /// Which rows of the consumption log.
    struct DeliveriesParameters {
        /// Only those of this partner.
        partner: PartnerName = "partner",
        /// Only those of this stock.
        stock_id: StockId = "stockId",
        /// Only those of the request with this name.
        correlation_id: Words = "correlationId",
        /// Only those of this event.
        event_id: Uuid = "eventId",
        /// Only those of which this came.
        status: AttemptName = "status",
        /// Only those written then or later.
        from: Moment = "from",
        /// Only those written before.
        until: Moment = "until",
        /// The most items of a page; 50 if it is not given.
        limit: Limit = "limit",
        /// Where to go on.
        cursor: Cursor = "cursor",
    }
}

/// The consumption log: every attempt, and every event that needed none, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/acl/deliveries",
    operation_id = "listDeliveries",
    tag = "deliveries",
    params(DeliveriesParameters),
    responses(
        CommonProblems,
        (status = 200, description = "A page of the log.", body = Page<DeliveryView>, headers(
            ("Link" = String, description = "The next page, if there is one."),
        )),
    ),
)]
pub(in crate::http) async fn list_deliveries(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
    Parameters(parameters): Parameters<DeliveriesParameters>,
) -> Result<Response, Problem> {
    let query = DeliveryQuery {
        partner: parameters.partner.map(|partner| partner.0),
        stock_id: parameters.stock_id.map(|id| id.to_string()),
        correlation_id: parameters.correlation_id.map(|id| id.0),
        event_id: parameters.event_id,
        status: parameters.status.map(|status| status.0.to_owned()),
        from: parameters.from.map(|from| from.0),
        until: parameters.until.map(|until| until.0),
        before: super::dead_letters::place(parameters.cursor.as_ref())?,
        limit: parameters.limit.unwrap_or_default().0,
    };
    let found = api.operations.deliveries(&query).await?;
    let last = found.items.last().filter(|_| found.more);
    let next = last.map(|row| paging::encode(&[&row.id.to_string()]));
    let items: Vec<DeliveryView> = found.items.iter().map(Into::into).collect();
    Ok(paging::page(&uri, items, next))
}
