//! All routes of the public listener, with what guards them.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, StatusCode, header},
    middleware::{self, Next, from_fn_with_state},
    response::Response,
};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};

use crate::http::{
    Health, HttpSettings, StockApi,
    auth::Authenticator,
    guard::{Gate, RateLimit, admit},
    management::public_health_router,
    openapi::{described, swagger_ui},
};

/// What the pages of the description may load: nothing of another host.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How far requests may go.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests under way at once; beyond that the answer is 503.
    pub in_flight: usize,
    /// Clients that follow the stream of events at once.
    pub streams: usize,
    /// Imports under way at once.
    pub imports: usize,
    /// Largest body of a batch in bytes.
    pub batch_body: usize,
}

/// What guards the routes.
pub struct Guards {
    /// Finds out who asks.
    pub authenticator: Authenticator,
    /// Counts their requests.
    pub rate: RateLimit,
    /// How far requests may go.
    pub limits: LimitSettings,
}

/// What lets a request take so long, with a body of at most such a size, the outermost first. Layers that are added to routes
/// together cost a request one indirection and not one each.
type Bounds = (TimeoutLayer, DefaultBodyLimit, RequestBodyTimeoutLayer);

/// The time of a request, and the usual size of its body.
pub(super) fn bounds(http: &HttpSettings) -> Bounds {
    let too_late = StatusCode::SERVICE_UNAVAILABLE;
    (
        TimeoutLayer::with_status_code(too_late, http.request_timeout),
        DefaultBodyLimit::max(http.max_body),
        RequestBodyTimeoutLayer::new(http.body_timeout),
    )
}

/// All routes of the REST API, its description and its health.
pub fn stock_router(api: StockApi, guards: Guards, http: &HttpSettings, health: Health) -> Router {
    let routes = described();
    let batches = HttpSettings {
        max_body: guards.limits.batch_body,
        ..http.clone()
    };
    let gate = Gate {
        authenticator: guards.authenticator,
        rate: guards.rate,
        places: Some(Arc::new(Semaphore::new(guards.limits.in_flight))),
    };
    // Who follows the stream or imports for long does not keep others out.
    let endless_gate = Gate {
        places: None,
        ..gate.clone()
    };
    let bodies = RequestBodyTimeoutLayer::new(http.body_timeout);
    let gate = from_fn_with_state(Arc::new(gate), admit);
    let endless_gate = from_fn_with_state(Arc::new(endless_gate), admit);
    routes
        .timed
        .layer((gate.clone(), bounds(http)))
        .merge(routes.large.layer((gate, bounds(&batches))))
        .merge(routes.endless.layer((endless_gate, bodies)))
        .merge(routes.public.layer(bounds(http)))
        .with_state(Arc::new(api))
        .merge(docs(routes.description))
        .merge(public_health_router(health).layer(bounds(http)))
}

/// A page to look around in an API.
pub(super) fn docs(description: utoipa::openapi::OpenApi) -> Router {
    swagger_ui(description).layer(middleware::from_fn(docs_policy))
}

async fn docs_policy(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let policy = HeaderValue::from_static(DOCS_POLICY);
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
