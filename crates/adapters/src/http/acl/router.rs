//! All routes of acl's public listener, with what guards them.

use std::sync::Arc;

use axum::{Router, middleware::from_fn_with_state};
use tokio::sync::Semaphore;

use super::{AclApi, openapi::described};
use crate::http::{
    Health, HttpSettings,
    auth::Authenticator,
    bounds,
    guard::{Gate, RateLimit, admit},
    management::public_health_router,
    router::docs,
};

/// What guards the routes.
pub struct AclGuards {
    /// Finds out who asks.
    pub authenticator: Authenticator,
    /// Counts their requests.
    pub rate: RateLimit,
    /// Requests under way at once; beyond that the answer is 503.
    pub in_flight: usize,
}

/// All routes of the operators' API, its description and its health.
pub fn acl_router(api: AclApi, guards: AclGuards, http: &HttpSettings, health: Health) -> Router {
    let (routes, public, description) = described();
    let gate = Gate {
        authenticator: guards.authenticator,
        rate: guards.rate,
        places: Some(Arc::new(Semaphore::new(guards.in_flight))),
    };
    routes
        .layer((from_fn_with_state(Arc::new(gate), admit), bounds(http)))
        .merge(public.layer(bounds(http)))
        .with_state(api)
        .merge(docs(description))
        .merge(public_health_router(health).layer(bounds(http)))
}
