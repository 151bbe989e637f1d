//! A listener and what is around all routes.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request, middleware};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceBuilder};
use tower_http::catch_panic::CatchPanicLayer;

use crate::http::request;

/// Wait after a connection could not be accepted, for want of descriptors for example.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Between the last connection and the end of those on which no request is under way: the last one's request is on its way.
const LINGER: Duration = Duration::from_millis(250);
/// Most bytes of a request before its body: more than the service takes, so that it can say so itself.
const MAX_HEAD: usize = 65_536;

/// A listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Address and port.
    pub listen: SocketAddr,
    /// Longest time for a request.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Longest time for a request's headers, and between two requests of a connection.
    #[serde(with = "humantime_serde")]
    pub header_timeout: Duration,
    /// Longest time between two pieces of a body.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Longest time in which nothing of an answer can be sent, because the client does not read.
    #[serde(with = "humantime_serde")]
    pub write_timeout: Duration,
    /// Largest body in bytes.
    pub max_body: usize,
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct ServeError {
    /// The address: taken, or not ours.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// Whether the management listener of the settings says that the service is ready.
///
/// # Errors
/// The client's error if there is no answer.
pub async fn is_ready(management: &HttpSettings) -> Result<bool, reqwest::Error> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(3))
        .no_proxy()
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
        .map_err(|source| ServeError { address, source })?;
    tracing::info!(code = "LISTENING", address = %address, "listening");
    // The outermost first.
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn(request::track))
        .layer(CatchPanicLayer::new());
    let routes = routes.layer(around);
    // hyper takes a hundred headers; a higher limit costs two arrays for each request (ADR 12).
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEAD);
    let open = GracefulShutdown::new();
    let mut tasks = JoinSet::new();
    let take = |tasks: &mut JoinSet<()>, stream: TcpStream, peer| {
        // Answers are written whole: waiting for more would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(error = %error, "a connection keeps Nagle's algorithm");
        }
        let routes = routes.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(ConnectInfo(peer));
            routes.clone().call(request)
        });
        // A client that does not read must not be waited for.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(settings.write_timeout));
        let connection = http.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = open.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection ended early");
            }
        });
    };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            // What has ended is forgotten.
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => take(&mut tasks, stream, peer),
            Err(error) => {
                tracing::warn!(code = "CONNECTION_NOT_ACCEPTED", error = %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
    match waiting(listener) {
        Ok(waiting) => {
            for (stream, peer) in waiting {
                take(&mut tasks, stream, peer);
            }
        }
        Err(error) => {
            tracing::warn!(code = "CONNECTION_NOT_ACCEPTED", error = %error, "connections were not accepted at the end");
        }
    }
    tokio::time::sleep(LINGER).await;
    open.shutdown().await;
    Ok(())
}

/// Closes the listener; returns connections that wait: whoever has connected may have sent a request.
fn waiting(listener: TcpListener) -> io::Result<Vec<(TcpStream, SocketAddr)>> {
    let listener = listener.into_std()?;
    let mut waiting = Vec::new();
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                stream.set_nonblocking(true)?;
                waiting.push((TcpStream::from_std(stream)?, peer));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(waiting),
            Err(error) => return Err(error),
        }
    }
}
