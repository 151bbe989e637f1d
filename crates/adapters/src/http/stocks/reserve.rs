//! `POST /stocks/{id}/reserve`

use std::sync::Arc;

use application::stock::{Command, Reserve, ReserveMode};
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::{ClientOrderId, PositiveQuantity, Reason, StockId};

use crate::http::{
    Problem, StockApi,
    api::StockDefaults,
    body::body,
    caller::MayReserve,
    change::Change,
    member::Seconds,
    openapi::{ChangeProblems, CommonProblems, IdempotencyKeyHeader, StockIdPath, UnknownStock},
    stocks::stock_id,
    views::ReservedView,
};

body! {
    /// A hold on one stock.
    struct ReserveBody {
        /// Units to hold.
        quantity_to_reserve: required PositiveQuantity = "quantityToReserve",
        /// Why.
        reason: required Reason = "reason",
        /// How long to hold them; otherwise as long as the service is configured to.
        ttl_seconds: optional Seconds = "ttlSeconds",
        /// The client's name of the order, unique per client.
        client_order_id: optional ClientOrderId = "clientOrderId",
    }
}

impl ReserveBody {
    pub(in crate::http) fn command(
        self,
        stock_id: StockId,
        defaults: &StockDefaults,
    ) -> Result<Command, Problem> {
        Ok(Command::ReserveOne(Reserve {
            lines: vec![(stock_id, self.quantity_to_reserve)],
            mode: ReserveMode::All,
            ttl: defaults.ttl(self.ttl_seconds)?,
            order: self.client_order_id,
            reason: Some(self.reason),
        }))
    }
}

/// Holds units of one stock for a time.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/stocks/{stockId}/reserve",
    operation_id = "reserve",
    tag = "reservations",
    params(StockIdPath, IdempotencyKeyHeader),
    request_body = ReserveBody,
    responses(
        CommonProblems,
        ChangeProblems,
        UnknownStock,
        (status = 200, description = "The units are held.", body = ReservedView, headers(
            ("Location" = String, description = "Where the reservation is."),
        )),
    ),
)]
pub(in crate::http) async fn reserve(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayReserve, ReserveBody>,
) -> Result<Response, Problem> {
    let command = request.body.command(stock_id(&id)?, &api.defaults)?;
    request.submission.execute(&api, command).await
}
