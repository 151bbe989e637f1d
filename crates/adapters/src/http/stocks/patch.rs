//! `PATCH /stocks/{id}`

use std::sync::Arc;

use application::stock::StockChange;
use axum::{
    extract::{Path, State},
    response::Response,
};
use domain::stock::{NewDetails, ProductName, Quantity, Symbol};

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
    /// New names and threshold, as a merge patch (RFC 7396). None of them can be removed, so none may be null.
    struct PatchBody {
        /// What partners trade it under.
        symbol: given Symbol = "symbol",
        /// Its name for people.
        product_name: given ProductName = "productName",
        /// Below so many available units the stock is low.
        low_stock_threshold: given Quantity = "lowStockThreshold",
    }
}

impl PatchBody {
    pub(in crate::http) fn change(self) -> StockChange {
        StockChange::Describe(NewDetails {
            symbol: self.symbol,
            product_name: self.product_name,
            low_stock_threshold: self.low_stock_threshold,
        })
    }
}

/// Sets names and threshold.
#[utoipa::path(
    patch,
    path = "/api/v1/virtual-stock/stocks/{stockId}",
    operation_id = "patchStock",
    tag = "stocks",
    params(StockIdPath, IdempotencyKeyHeader, IfMatchHeader),
    request_body(content((PatchBody = "application/merge-patch+json"), (PatchBody = "application/json"))),
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
pub(in crate::http) async fn patch(
    State(api): State<Arc<StockApi>>,
    Path(id): Path<String>,
    request: Change<MayWrite, PatchBody>,
) -> Result<Response, Problem> {
    require_condition(&api.defaults, request.if_match.is_some())?;
    let command = change(stock_id(&id)?, request.if_match, request.body.change());
    request.submission.execute(&api, command).await
}
