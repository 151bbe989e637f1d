//! `GET /stocks/{stockId}/propagation`

use application::ports::Clock;
use axum::{
    extract::{Path, State},
    http::Uri,
    response::Response,
};
use domain::stock::StockId;

use super::{AclApi, views::PropagationView};
use crate::{
    clock::SystemClock,
    http::{
        Problem,
        caller::{Caller, MayReadDeliveries},
        openapi::{CommonProblems, StockIdPath, UnknownStock},
        paging,
        views::Page,
    },
};

/// How far a stock has got to each partner.
#[utoipa::path(
    get,
    path = "/api/v1/acl/stocks/{stockId}/propagation",
    operation_id = "getPropagation",
    tag = "deliveries",
    params(StockIdPath),
    responses(
        CommonProblems,
        UnknownStock,
        (status = 200, description = "One item for each partner.", body = Page<PropagationView>),
    ),
)]
pub(in crate::http) async fn get_propagation(
    State(api): State<AclApi>,
    uri: Uri,
    _caller: Caller<MayReadDeliveries>,
    Path(stock_id): Path<String>,
) -> Result<Response, Problem> {
    let known = stock_id.parse::<StockId>();
    known.map_err(|_| Problem::unknown_stock(&stock_id))?;
    let found = api.operations.propagation(&api.names(), &stock_id).await?;
    let found = found.ok_or_else(|| Problem::unknown_stock(&stock_id))?;
    let now = SystemClock.now();
    let items: Vec<PropagationView> = api
        .partners
        .iter()
        .zip(&found)
        .map(|(facts, propagation)| PropagationView::of(facts, propagation, now))
        .collect();
    Ok(paging::page(&uri, items, None))
}
