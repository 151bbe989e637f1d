//! A client that costs little, for it works on the machine that is measured: one connection, one request at a time, bytes that are
//! written as they are.

use std::{io::Write, net::SocketAddr};

use anyhow::{Context, ensure};
use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Most headers of an answer.
const HEADERS: usize = 32;
/// Bytes that are read at once: an answer, usually.
const PIECE: usize = 4096;

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Bytes,
    /// Goes through all logs, up to the partner.
    pub(crate) correlation_id: Option<String>,
}

impl Call {
    fn new(method: &'static str, path: &str, body: impl Into<Bytes>) -> Self {
        Self {
            method,
            path: format!("/api/v1/virtual-stock{path}"),
            body: body.into(),
            correlation_id: None,
        }
    }

    /// A request without a body.
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path, "")
    }

    /// A request with a JSON body.
    pub(crate) fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path, body)
    }

    /// A request with a JSON body.
    pub(crate) fn put(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("PUT", path, body)
    }

    /// As it is sent (RFC 9112).
    fn write(&self, host: &str, request: &mut Vec<u8>) -> std::io::Result<()> {
        let (method, path, length) = (self.method, &self.path, self.body.len());
        write!(request, "{method} {path} HTTP/1.1\r\nhost: {host}\r\n")?;
        if let Some(id) = &self.correlation_id {
            write!(request, "x-correlation-id: {id}\r\n")?;
        }
        if length > 0 {
            write!(
                request,
                "content-type: application/json\r\ncontent-length: {length}\r\n"
            )?;
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(&self.body);
        Ok(())
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    host: String,
    request: Vec<u8>,
    read: BytesMut,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            host: address.to_string(),
            request: Vec::new(),
            read: BytesMut::new(),
        })
    }

    /// Sends a request and reads the answer; returns its status and body.
    pub(crate) async fn send(&mut self, call: Call) -> anyhow::Result<(u16, Bytes)> {
        self.request.clear();
        call.write(&self.host, &mut self.request)?;
        self.stream.write_all(&self.request).await?;
        loop {
            if let Some(answer) = take(&mut self.read)? {
                return Ok(answer);
            }
            self.read.reserve(PIECE);
            let read = self.stream.read_buf(&mut self.read).await?;
            ensure!(read > 0, "the answer broke off");
        }
    }
}

/// Takes an answer out of what was read; none if it is not whole yet.
fn take(read: &mut BytesMut) -> anyhow::Result<Option<(u16, Bytes)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(read)? else {
        return Ok(None);
    };
    let status = answer.code.context("an answer without a status")?;
    let length = answer
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .context("an answer without a length")?;
    let length: usize = std::str::from_utf8(length.value)?.parse()?;
    if read.len() < head + length {
        return Ok(None);
    }
    Ok(Some((
        status,
        read.split_to(head + length).freeze().slice(head..),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_with_its_length() {
        let mut call = Call::post("/stocks", "{}");
        call.correlation_id = Some("c-1".to_owned());
        let mut request = Vec::new();

        call.write("h:1", &mut request).unwrap();

        assert_eq!(
            String::from_utf8(request).unwrap(),
            "POST /api/v1/virtual-stock/stocks HTTP/1.1\r\nhost: h:1\r\nx-correlation-id: c-1\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
    }

    #[test]
    fn an_answer_is_taken_when_it_is_whole_and_no_byte_of_the_next_one() {
        let whole = "HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1";
        for cut in 0..whole.len() - "HTTP/1.1".len() {
            let mut read = BytesMut::from(&whole[..cut]);
            assert_eq!(take(&mut read).unwrap(), None, "{cut} bytes");
        }
        let mut read = BytesMut::from(whole);

        assert_eq!(take(&mut read).unwrap(), Some((409, Bytes::from("body"))));
        assert_eq!(read, "HTTP/1.1");
    }

    #[test]
    fn an_answer_without_a_length_is_no_answer() {
        let mut read = BytesMut::from("HTTP/1.1 200 OK\r\n\r\n");

        assert!(take(&mut read).is_err());
    }
}
