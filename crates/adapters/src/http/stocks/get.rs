//! `GET /stocks/{id}`

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        stocks::{etag, stock_id},
    },
};

pub(super) async fn get(
    State(api): State<StockApi>,
    Path(id): Path<String>,
) -> Result<(HeaderMap, Json<StockView>), Problem> {
    let found = api.repository.find(&stock_id(&id)?).await?;
    let stock = found.ok_or_else(|| Problem::unknown_stock(&id))?;
    Ok((etag(&stock), Json((&stock).into())))
}
