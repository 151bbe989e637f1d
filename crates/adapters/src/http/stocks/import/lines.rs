//! Lines of an upload as JSON objects, one at a time.

mod csv;
mod ndjson;

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tokio::io::AsyncRead;

/// Longest line in bytes.
const LONGEST: usize = 16_384;

/// A line.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its JSON, or why it has none.
    pub(super) json: Result<Vec<u8>, String>,
}

fn too_long() -> String {
    format!("it is longer than {LONGEST} bytes")
}

/// Where an upload comes from.
pub(super) type Upload = Pin<Box<dyn AsyncRead + Send>>;

/// The lines of an upload; an error ends it.
pub(super) struct Lines(Pin<Box<dyn Stream<Item = Result<Line, String>> + Send>>);

impl Lines {
    pub(super) async fn next(&mut self) -> Option<Result<Line, String>> {
        self.0.next().await
    }

    /// One JSON object per line; empty lines count, and are nothing else.
    pub(super) fn ndjson(upload: Upload) -> Self {
        Self(Box::pin(ndjson::lines(upload)))
    }

    /// CSV (RFC 4180) with a header of members' names; an empty value is none.
    pub(super) fn csv(upload: Upload) -> Self {
        Self(Box::pin(csv::lines(upload)))
    }
}
