//! `POST /reservations`

use std::sync::Arc;

use application::stock::{Command, Reserve, ReserveMode};
use axum::{extract::State, response::Response};
use domain::stock::{ClientOrderId, PositiveQuantity, Reason, StockId};
use serde_json::value::RawValue;
use utoipa::openapi::{
    RefOr,
    schema::{ArrayBuilder, Schema},
};

use crate::http::{
    Problem, StockApi,
    api::StockDefaults,
    body::{Body, BodyError, body, parse},
    caller::MayReserve,
    change::Change,
    member::{Member, Seconds, Wrong, list},
    openapi::{ChangeProblems, CommonProblems, IdempotencyKeyHeader},
    views::OrderView,
};

/// The most lines of an order.
const MOST_LINES: usize = 100;

body! {
    /// A line of an order.
    struct LineBody {
        /// Which stock.
        stock_id: required StockId = "stockId",
        /// Units to hold.
        quantity: required PositiveQuantity = "quantity",
    }
}

/// The lines of an order.
#[derive(Debug)]
pub(in crate::http) struct Lines(Vec<(StockId, PositiveQuantity)>);

impl Member for Lines {
    fn schema() -> RefOr<Schema> {
        ArrayBuilder::new()
            .items(LineBody::object())
            .min_items(Some(1))
            .max_items(Some(MOST_LINES))
            .into()
    }

    fn from_text(_: &str) -> Result<Self, Vec<Wrong>> {
        Err(Wrong::all("wrong-type", "must be an array"))
    }

    fn from_json(raw: &RawValue) -> Result<Self, Vec<Wrong>> {
        let line = |raw: &RawValue| match parse::<LineBody>(raw.get().as_bytes()) {
            Ok(line) => Ok((line.stock_id, line.quantity)),
            Err(BodyError::Invalid(wrong)) => Err(wrong),
            Err(BodyError::Malformed(_)) => Err(Wrong::all("wrong-type", "must be an object")),
        };
        list(raw, MOST_LINES, line).map(Self)
    }
}

body! {
    /// Holds on several stocks.
    struct OrderBody {
        /// What to hold; lines on the same stock are summed.
        lines: required Lines = "lines",
        /// `all`: all lines or none; `partial`: every line that can be held as a whole. Otherwise `all`.
        mode: optional ReserveMode = "mode",
        /// How long to hold them; otherwise as long as the service is configured to.
        ttl_seconds: optional Seconds = "ttlSeconds",
        /// The client's name of the order, unique per client.
        client_order_id: optional ClientOrderId = "clientOrderId",
        /// Why.
        reason: optional Reason = "reason",
    }
}

impl OrderBody {
    pub(in crate::http) fn command(self, defaults: &StockDefaults) -> Result<Command, Problem> {
        Ok(Command::Reserve(Reserve {
            lines: self.lines.0,
            mode: self.mode.unwrap_or(ReserveMode::All),
            ttl: defaults.ttl(self.ttl_seconds)?,
            order: self.client_order_id,
            reason: self.reason,
        }))
    }
}

/// Holds units of several stocks for a time: all of them or none, unless `mode` is `partial`.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/reservations",
    operation_id = "createReservations",
    tag = "reservations",
    params(IdempotencyKeyHeader),
    request_body = OrderBody,
    responses(
        CommonProblems,
        ChangeProblems,
        (status = 201, description = "The units are held.", body = OrderView),
    ),
)]
pub(in crate::http) async fn create(
    State(api): State<Arc<StockApi>>,
    request: Change<MayReserve, OrderBody>,
) -> Result<Response, Problem> {
    let command = request.body.command(&api.defaults)?;
    request.submission.execute(&api, command).await
}
