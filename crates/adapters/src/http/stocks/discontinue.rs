//! `POST /stocks/{id}/discontinue`

use std::sync::Arc;

use application::stock::StockChange;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::Reason;

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        body::body,
        caller::MayWrite,
        change::Change,
        openapi::{
            ChangeProblems, CommonProblems, ConditionProblems, IdempotencyKeyHeader, IfMatchHeader,
            StockIdPath, UnknownStock,
        },
        stocks::{change, stock_id},
    },
};

body! {
    /// Why something ends.
    struct ReasonBody {
        /// Why.
        reason: required Reason = "reason",
    }
}

/// Takes the stock out of sale. What is held can still be confirmed or released.
#[utoipa::path(
    post,
    path = "/api/v1/virtual-stock/stocks/{stockId}/discontinue",
    operation_id = "discontinueStock",
    tag = "stocks",
    params(StockIdPath, IdempotencyKeyHeader, IfMatchHeader),
    request_body = ReasonBody,
    responses(
        CommonProblems,
        ChangeProblems,
        ConditionProblems,
        UnknownStock,
        (status = 200, description = "The stock after the change.", body = StockView, headers(
            ("ETag" = String, description = "The stock's version."),
        )),
    ),
)]
pub(in crate::http) async fn discontinue(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayWrite, ReasonBody>,
) -> Result<Response, Problem> {
    let discontinue = StockChange::Discontinue {
        reason: request.body.reason,
    };
    let command = change(stock_id(&id)?, request.if_match, discontinue);
    request.submission.execute(&api, command).await
}
