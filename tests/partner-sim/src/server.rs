//! Accepts connections, so that one can be reset in the middle of a call.

use std::{os::fd::AsFd, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Wait after a connection could not be accepted.
const BACKOFF: Duration = Duration::from_millis(50);

/// Resets the connection that a call came on.
#[derive(Clone)]
pub(crate) struct Reset(CancellationToken);

impl Reset {
    pub(crate) fn now(&self) {
        self.0.cancel();
    }
}

/// Serves until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    routes: Router,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, acceptor.clone(), routes.clone()));
                    while connections.try_join_next().is_some() {}
                }
                Err(_) => tokio::time::sleep(BACKOFF).await,
            }
        }
    };
    stop.run_until_cancelled(accepting).await;
}

async fn connection(stream: TcpStream, acceptor: Option<TlsAcceptor>, routes: Router) {
    let Ok(handle) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    stream.set_nodelay(true).ok();
    let reset = CancellationToken::new();
    let ended = match acceptor {
        None => calls(stream, routes, &reset).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => calls(stream, routes, &reset).await,
            Err(_) => false,
        },
    };
    if ended {
        // Not an end but a reset: what was sent is thrown away.
        let socket = SockRef::from(&handle);
        socket.set_linger(Some(Duration::ZERO)).ok();
    }
}

/// Answers the calls of a connection; true: it is to be reset.
async fn calls(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Router,
    reset: &CancellationToken,
) -> bool {
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Reset(reset.clone()));
        routes
            .clone()
            .oneshot(request.map(axum::body::Body::new) as Request)
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        biased;
        () = reset.cancelled() => true,
        _ = serving => false,
    }
}
