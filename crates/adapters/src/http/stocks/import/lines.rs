//! Lines of an upload as JSON objects, one at a time.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use csv_async::{AsyncReaderBuilder, ByteRecord, Terminator};
use futures::{Stream, StreamExt, stream};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};

/// Longest line in bytes.
const LONGEST: usize = 16_384;
/// Members whose values are whole numbers.
const NUMBERS: [&str; 8] = [
    "quantity",
    "newQuantity",
    "expectedQuantity",
    "quantityToReserve",
    "lowStockThreshold",
    "delta",
    "ttlSeconds",
    "line",
];

/// A line.
pub(super) struct Line {
    /// Its number, from 1.
    pub(super) number: u64,
    /// Its JSON, or why it has none.
    pub(super) json: Result<Vec<u8>, String>,
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
        let lines = FramedRead::new(upload, LinesCodec::new_with_max_length(LONGEST));
        let numbered = lines.enumerate().filter_map(|(index, line)| async move {
            let number = u64::try_from(index).unwrap_or(u64::MAX).saturating_add(1);
            match line {
                Ok(line) if line.trim().is_empty() => None,
                Ok(line) => Some(Ok(Line {
                    number,
                    json: Ok(line.into_bytes()),
                })),
                Err(LinesCodecError::MaxLineLengthExceeded) => Some(Ok(Line {
                    number,
                    json: Err(format!("it is longer than {LONGEST} bytes")),
                })),
                Err(LinesCodecError::Io(error)) => Some(Err(error.to_string())),
            }
        });
        Self(Box::pin(numbered))
    }

    /// CSV (RFC 4180) with a header of members' names; an empty value is none.
    pub(super) fn csv(upload: Upload) -> Self {
        let reader = AsyncReaderBuilder::new()
            .flexible(true)
            .terminator(Terminator::CRLF)
            .create_reader(Limited::new(upload));
        let lines = stream::unfold(
            (reader, 0_u64, false),
            |(mut reader, number, ended)| async move {
                if ended {
                    return None;
                }
                let header = match reader.byte_headers().await {
                    Ok(header) => header.clone(),
                    Err(error) => return Some((Err(error.to_string()), (reader, number, true))),
                };
                let mut record = ByteRecord::new();
                let number = number.saturating_add(1);
                match reader.read_byte_record(&mut record).await {
                    Ok(false) => None,
                    Ok(true) => {
                        reader.get_mut().begin_record();
                        let json = object(&header, &record);
                        Some((Ok(Line { number, json }), (reader, number, false)))
                    }
                    Err(error) => Some((Err(error.to_string()), (reader, number, true))),
                }
            },
        );
        Self(Box::pin(lines))
    }
}

/// The object that a record stands for.
fn object(header: &ByteRecord, record: &ByteRecord) -> Result<Vec<u8>, String> {
    if record.len() != header.len() {
        let (has, wants) = (record.len(), header.len());
        return Err(format!("it has {has} values and the header {wants}"));
    }
    let mut object = Map::new();
    for (name, value) in header.iter().zip(record) {
        let text = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes);
            text.map(str::to_owned)
                .map_err(|_| "it is not UTF-8".to_owned())
        };
        let (name, value) = (text(name)?, text(value)?);
        if value.is_empty() {
            continue;
        }
        let number = NUMBERS
            .contains(&name.as_str())
            .then(|| value.parse::<i64>().ok())
            .flatten();
        object.insert(name, number.map_or_else(|| Value::from(value), Value::from));
    }
    serde_json::to_vec(&object).map_err(|error| error.to_string())
}

/// Bytes of one record at most: a quotation mark that is never closed must not fill the memory.
const LONGEST_RECORD: usize = 1_048_576;

/// An upload whose records are bounded.
struct Limited {
    upload: Upload,
    since_record: usize,
}

impl Limited {
    fn new(upload: Upload) -> Self {
        Self {
            upload,
            since_record: 0,
        }
    }

    fn begin_record(&mut self) {
        self.since_record = 0;
    }
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.since_record > LONGEST_RECORD {
            let why = format!("a record is longer than {LONGEST_RECORD} bytes");
            return Poll::Ready(Err(std::io::Error::other(why)));
        }
        let before = buffer.filled().len();
        let read = self.upload.as_mut().poll_read(context, buffer);
        self.since_record += buffer.filled().len() - before;
        read
    }
}
