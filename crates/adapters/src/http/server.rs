//! A listener and what is around all routes.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::{catch_panic::CatchPanicLayer, timeout::TimeoutLayer};

use crate::http::request;

/// A listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Longest time for a request.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
}

/// A listener could not be opened, or broke.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The listener broke.
    #[error("the listener failed")]
    Io(#[source] std::io::Error),
}

/// Whether the management listener of the settings says that the service is ready.
///
/// # Errors
/// The client's error if there is no answer.
pub async fn is_ready(management: &HttpSettings) -> Result<bool, reqwest::Error> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .build()?;
    let url = format!("http://{}/actuator/health/readiness", management.listen);
    Ok(client.get(url).send().await?.status().is_success())
}

/// Serves `routes` until `stop`, then lets open requests end.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(
    settings: &HttpSettings,
    routes: Router,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let address = settings.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Bind { address, source })?;
    tracing::info!(address = %address, "listening");
    let routes = routes
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            settings.request_timeout,
        ))
        .layer(DefaultBodyLimit::max(settings.max_body))
        .layer(middleware::from_fn(request::track));
    axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .map_err(ServeError::Io)
}
