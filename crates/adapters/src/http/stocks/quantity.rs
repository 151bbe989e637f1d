//! `PUT /stocks/{id}/quantity`

use std::sync::Arc;

use application::stock::StockChange;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::{Quantity, Reason, Reference};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        body::body,
        caller::MayWrite,
        change::Change,
        openapi::{
            ChangeProblems, CommonProblems, ConditionProblems, IdempotencyKeyHeader, IfMatchHeader,
            StockIdPath, UnconditionalProblems, UnknownStock,
        },
        stocks::{change, require_condition, stock_id},
    },
};

body! {
    /// A new quantity on hand.
    struct SetQuantityBody {
        /// Units on hand.
        new_quantity: required Quantity = "newQuantity",
        /// Why.
        reason: required Reason = "reason",
        /// Only if so many units are on hand now; for clients that cannot send If-Match.
        expected_quantity: optional Quantity = "expectedQuantity",
        /// The document behind it.
        reference_uri: optional Reference = "referenceUri",
    }
}

impl SetQuantityBody {
    pub(in crate::http) fn change(self) -> StockChange {
        StockChange::SetQuantity {
            quantity: self.new_quantity,
            expected: self.expected_quantity,
            reason: self.reason,
            reference: self.reference_uri,
        }
    }
}

/// Sets the quantity on hand.
#[utoipa::path(
    put,
    path = "/api/v1/virtual-stock/stocks/{stockId}/quantity",
    operation_id = "setQuantity",
    tag = "stocks",
    params(StockIdPath, IdempotencyKeyHeader, IfMatchHeader),
    request_body = SetQuantityBody,
    responses(
        CommonProblems,
        ChangeProblems,
        ConditionProblems,
        UnconditionalProblems,
        UnknownStock,
        (status = 200, description = "The stock after the change.", body = StockView, headers(
            ("ETag" = String, description = "The stock's version."),
        )),
    ),
)]
pub(in crate::http) async fn set_quantity(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayWrite, SetQuantityBody>,
) -> Result<Response, Problem> {
    let expects = request.body.expected_quantity.is_some() || request.if_match.is_some();
    require_condition(&api.defaults, expects)?;
    let command = change(stock_id(&id)?, request.if_match, request.body.change());
    request.submission.execute(&api, command).await
}
