//! `GET /stocks/{id}`

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{
    contract::v1::StockView,
    http::{
        Problem, StockApi,
        caller::{Caller, MayRead},
        conditional,
        member::Moment,
        openapi::{CommonProblems, IfNoneMatchHeader, StockIdPath, UnknownStock},
        query::{Parameters, query},
        stocks::stock_id,
    },
};

query! {
    /// Which state of the stock.
    struct StockParameters {
        /// The state at this time, instead of now.
        as_of: Moment = "asOf",
    }
}

/// A stock, as it is or as it was.
#[utoipa::path(
    get,
    path = "/api/v1/virtual-stock/stocks/{stockId}",
    operation_id = "getStock",
    tag = "stocks",
    params(StockIdPath, StockParameters, IfNoneMatchHeader),
    responses(
        CommonProblems,
        UnknownStock,
        (status = 200, description = "The stock.", body = StockView, headers(
            ("ETag" = String, description = "The stock's version."),
        )),
        (status = 304, description = "The stock is as the client knows it.", headers(
            ("ETag" = String, description = "The stock's version."),
        )),
    ),
)]
pub(in crate::http) async fn get(
    State(api): State<StockApi>,
    Path(id): Path<String>,
    _caller: Caller<MayRead>,
    Parameters(parameters): Parameters<StockParameters>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let stock_id = stock_id(&id)?;
    let found = match parameters.as_of {
        None => api.queries.stock(&stock_id).await?,
        Some(Moment(at)) => api.queries.stock_as_of(&stock_id, at).await?,
    };
    let stock = found.ok_or_else(|| Problem::unknown_stock(&id))?;
    let mut response = if conditional::has_already(&headers, &stock)? {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(StockView::from(&stock)).into_response()
    };
    // It may be kept, but has to be asked for again.
    let no_cache = HeaderValue::from_static("private, no-cache");
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, no_cache);
    if let Some(etag) = conditional::etag_header(&stock) {
        response.headers_mut().insert(header::ETAG, etag);
    }
    Ok(response)
}
