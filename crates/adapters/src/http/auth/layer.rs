//! Finds out who asks before anything else is looked at.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};

use super::{Authenticator, Principal};
use crate::http::Problem;

/// Who asks, or why that is not known. Routes that need to know refuse for that reason.
#[derive(Clone)]
pub(in crate::http) struct Identity(pub(in crate::http) Result<Principal, Problem>);

/// The middleware.
pub(in crate::http) async fn authenticate(
    State(authenticator): State<Authenticator>,
    mut request: Request,
    next: Next,
) -> Response {
    let identity = Identity(authenticator.identify(request.headers()).await);
    request.extensions_mut().insert(identity);
    next.run(request).await
}
