//! A client that costs little: one connection, one request at a time, bodies that are bytes already.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    /// Goes through all logs, up to the partner.
    pub(crate) correlation_id: Option<String>,
}

impl Call {
    /// A request with a JSON body.
    pub(crate) fn json(method: Method, path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: format!("/api/v1/virtual-stock{path}"),
            body: body.into(),
            correlation_id: None,
        }
    }

    /// A request without a body.
    pub(crate) fn get(path: &str) -> Self {
        Self::json(Method::GET, path, "")
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    host: String,
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        // How it ends is seen by the request that was under way.
        driver.spawn(async move { drop(connection.await) });
        Ok(Self {
            sender,
            host: address.to_string(),
            _driver: driver,
        })
    }

    /// Sends a request and reads the answer; returns its status and body.
    pub(crate) async fn send(&mut self, call: Call) -> anyhow::Result<(u16, Bytes)> {
        let mut request = Request::builder()
            .method(call.method)
            .uri(call.path)
            .header(header::HOST, &self.host);
        if !call.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(id) = call.correlation_id {
            request = request.header("x-correlation-id", id);
        }
        let request = request.body(Full::new(call.body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await;
        Ok((status, body.context("the answer broke off")?.to_bytes()))
    }
}
