//! Routes of stocks: one handler per file.

mod create;
mod get;
mod list;
mod price;
mod quantity;
mod reserve;

use std::sync::Arc;

use application::{ports::StockRepository, stock::StockCommands};
use axum::{
    Router,
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    routing::{get, post, put},
};
use domain::stock::{Currency, Stock, StockId};

use crate::http::{FieldError, Problem};

/// What the handlers work with.
#[derive(Clone)]
pub struct StockApi {
    /// Changes stocks.
    pub commands: StockCommands,
    /// Finds stocks.
    pub repository: Arc<dyn StockRepository>,
    /// Currency of a stock whose creator names none.
    pub default_currency: Currency,
}

/// All routes of stocks.
pub fn stock_router(api: StockApi) -> Router {
    let stocks = Router::new()
        .route("/stocks", post(create::create).get(list::list))
        .route("/stocks/{stock_id}", get(get::get))
        .route("/stocks/{stock_id}/quantity", put(quantity::set_quantity))
        .route("/stocks/{stock_id}/price", put(price::set_price))
        .route("/stocks/{stock_id}/reserve", post(reserve::reserve))
        .with_state(api);
    Router::new().nest("/api/v1/virtual-stock", stocks)
}

/// A body that says it is JSON.
struct JsonBody(Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request.headers().get(header::CONTENT_TYPE);
        let media_type = content_type
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split(';').next())
            .map(str::trim);
        if !media_type.is_some_and(|name| name.eq_ignore_ascii_case("application/json")) {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "Unsupported media type",
                "Content-Type must be application/json.",
            ));
        }
        match Bytes::from_request(request, state).await {
            Ok(body) => Ok(Self(body)),
            Err(rejection) => Err(Problem::of_status(rejection.status())),
        }
    }
}

/// The stock that a path names; a name that no stock can have is as unknown as any other.
fn stock_id(text: &str) -> Result<StockId, Problem> {
    text.parse().map_err(|_| Problem::unknown_stock(text))
}

/// A value of the query that cannot be used.
fn bad_query(name: &str, code: &str, message: String) -> Problem {
    Problem::bad_request(
        if code == "bad-cursor" {
            "bad-cursor"
        } else {
            "bad-query"
        },
        FieldError {
            pointer: format!("?{name}"),
            code: code.to_owned(),
            message,
        },
    )
}

/// The stock's version as a strong entity tag.
fn etag(stock: &Stock) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", stock.version)) {
        headers.insert(header::ETAG, tag);
    }
    headers
}
