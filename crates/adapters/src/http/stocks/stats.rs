//! `GET /stats`

use std::sync::Arc;

use axum::{Json, extract::State};

use crate::http::{
    Problem, StockApi,
    caller::{Caller, MayRead},
    openapi::CommonProblems,
    views::StatsView,
};

/// All stocks in figures, of one moment.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stats",
    operation_id = "getStats",
    tag = "stocks",
    responses(
        CommonProblems,
        (status = 200, description = "The figures.", body = StatsView),
    ),
)]
pub(in crate::http) async fn stats(
    State(api): State<Arc<StockApi>>,
    _caller: Caller<MayRead>,
) -> Result<Json<StatsView>, Problem> {
    Ok(Json(api.queries.stats().await?.into()))
}
