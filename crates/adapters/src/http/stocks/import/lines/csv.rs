//! CSV with a header of members' names.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use csv_async::{AsyncReader, AsyncReaderBuilder, ByteRecord};
use futures::{Stream, stream};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, ReadBuf};

use super::{LONGEST, Line, Upload, too_long};

/// Bytes of one record at most, what is read ahead included: a quotation mark that is never closed must not fill the
/// memory.
const LONGEST_RECORD: usize = 8 * LONGEST;
/// Members whose values are whole numbers.
const NUMBERS: [&str; 8] = [
    "quantity",
    "newQuantity",
    "expectedQuantity",
    "expectedVersion",
    "quantityToReserve",
    "lowStockThreshold",
    "delta",
    "ttlSeconds",
];

pub(super) fn lines(upload: Upload) -> impl Stream<Item = Result<Line, String>> {
    let reader = AsyncReaderBuilder::new()
        .flexible(true)
        .create_reader(Limited::new(upload));
    stream::unfold(
        (reader, 0_u64, false),
        |(mut reader, number, ended)| async move {
            if ended {
                return None;
            }
            let number = number.saturating_add(1);
            let line = next(&mut reader, number).await.transpose()?;
            let ended = line.is_err();
            Some((line, (reader, number, ended)))
        },
    )
}

async fn next(reader: &mut AsyncReader<Limited>, number: u64) -> Result<Option<Line>, String> {
    let header = reader
        .byte_headers()
        .await
        .map_err(|error| error.to_string())?;
    let header = header.clone();
    for (index, name) in header.iter().enumerate() {
        if header.iter().skip(index + 1).any(|other| other == name) {
            let name = String::from_utf8_lossy(name);
            return Err(format!("the header names {name} twice"));
        }
    }
    let mut record = ByteRecord::new();
    let read = reader.read_byte_record(&mut record).await;
    if !read.map_err(|error| error.to_string())? {
        return Ok(None);
    }
    reader.get_mut().begin_record();
    let json = if record.as_slice().len() > LONGEST {
        Err(too_long())
    } else {
        object(&header, &record)
    };
    Ok(Some(Line { number, json }))
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
