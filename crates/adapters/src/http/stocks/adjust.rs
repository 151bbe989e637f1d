//! `POST /stocks/{id}/adjustments`

use std::sync::Arc;

use application::stock::StockChange;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::{Reason, Reference};

use crate::http::{
    Problem, StockApi,
    body::body,
    caller::MayWrite,
    change::Change,
    member::Delta,
    openapi::{
        ChangeProblems, CommonProblems, ConditionProblems, IdempotencyKeyHeader, IfMatchHeader,
        StockIdPath, UnknownStock,
    },
    stocks::{change, stock_id},
    views::MovementView,
};

body! {
    /// Units to add, or to take.
    struct AdjustBody {
        /// Units to add to what is on hand; below zero they are taken, of what is available only.
        delta: required Delta = "delta",
        /// Why.
        reason: required Reason = "reason",
        /// The document behind it.
        reference_uri: optional Reference = "referenceUri",
    }
}

impl AdjustBody {
    pub(in crate::http) fn change(self) -> StockChange {
        StockChange::Adjust {
            delta: self.delta.0,
            reason: self.reason,
            reference: self.reference_uri,
        }
    }
}

/// Adds units to what is on hand, or takes some.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/stocks/{stockId}/adjustments",
    operation_id = "adjustQuantity",
    tag = "stocks",
    params(StockIdPath, IdempotencyKeyHeader, IfMatchHeader),
    request_body = AdjustBody,
    responses(
        CommonProblems,
        ChangeProblems,
        ConditionProblems,
        UnknownStock,
        (status = 201, description = "The new line of the stock's ledger.", body = MovementView),
    ),
)]
pub(in crate::http) async fn adjust(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayWrite, AdjustBody>,
) -> Result<Response, Problem> {
    let command = change(stock_id(&id)?, request.if_match, request.body.change());
    request.submission.execute(&api, command).await
}
