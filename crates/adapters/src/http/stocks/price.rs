//! `PUT /stocks/{id}/price`

use std::sync::Arc;

use application::stock::StockChange;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::{Price, Reason};

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
    /// A new price.
    struct SetPriceBody {
        /// Price of one unit: a string, or a number with at most four decimals.
        new_price: required Price = "newPrice",
        /// Why.
        reason: required Reason = "reason",
    }
}

impl SetPriceBody {
    pub(in crate::http) fn change(self) -> StockChange {
        StockChange::SetPrice {
            price: self.new_price,
            reason: self.reason,
        }
    }
}

/// Sets the price of one unit.
#[utoipa::path(
    put,
    path = "/api/v1/virtual-stock/stocks/{stockId}/price",
    operation_id = "setPrice",
    tag = "stocks",
    params(StockIdPath, IdempotencyKeyHeader, IfMatchHeader),
    request_body = SetPriceBody,
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
pub(in crate::http) async fn set_price(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayWrite, SetPriceBody>,
) -> Result<Response, Problem> {
    require_condition(&api.defaults, request.if_match.is_some())?;
    let command = change(stock_id(&id)?, request.if_match, request.body.change());
    request.submission.execute(&api, command).await
}
