//! Records and pictures as they are stored.

use application::ports::{DeadLetter, InboundRecord, Origin, Retry};
use domain::delivery::Picture;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use time::OffsetDateTime;

use crate::hex::hex;

/// A header: text for people, hexadecimal digits where the value is no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Value {
    Text(String),
    Hex(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::postgres) struct Header {
    name: String,
    #[serde(flatten)]
    value: Value,
}

impl From<&(String, Vec<u8>)> for Header {
    fn from((name, value): &(String, Vec<u8>)) -> Self {
        let value = match std::str::from_utf8(value) {
            // PostgreSQL's JSON has no NUL.
            Ok(text) if !text.contains('\0') => Value::Text(text.to_owned()),
            _ => Value::Hex(hex(value)),
        };
        Self {
            name: name.replace('\0', ""),
            value,
        }
    }
}

impl From<Header> for (String, Vec<u8>) {
    fn from(header: Header) -> Self {
        let bytes = match header.value {
            Value::Text(text) => text.into_bytes(),
            Value::Hex(digits) => digits
                .as_bytes()
                .chunks(2)
                .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
                .collect(),
        };
        (header.name, bytes)
    }
}

/// The headers of a record, as `jsonb`.
pub(in crate::postgres) fn headers(record: &InboundRecord) -> Json<Vec<Header>> {
    Json(record.headers.iter().map(Header::from).collect())
}

/// A record, as every table keeps it.
#[derive(Clone, sqlx::FromRow)]
pub(in crate::postgres) struct RecordRow {
    topic: String,
    partition: i32,
    offset: i64,
    key: Option<Vec<u8>>,
    headers: Json<Vec<Header>>,
    payload: Vec<u8>,
}

impl From<RecordRow> for InboundRecord {
    fn from(row: RecordRow) -> Self {
        Self {
            origin: Origin {
                topic: row.topic,
                partition: row.partition,
                offset: row.offset,
            },
            key: row.key,
            headers: row.headers.0.into_iter().map(Into::into).collect(),
            payload: row.payload,
        }
    }
}

/// A count that a table keeps signed.
pub(in crate::postgres) fn unsigned(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}

/// A row of `waiting_events`.
#[derive(sqlx::FromRow)]
pub(super) struct WaitingRow {
    pub(super) stock_id: String,
    version: i64,
    #[sqlx(flatten)]
    pub(super) record: RecordRow,
    pub(super) attempts: i32,
    pub(super) counted: i32,
    pub(super) next_at: OffsetDateTime,
    pub(super) due: bool,
}

impl WaitingRow {
    pub(super) fn version(&self) -> u64 {
        u64::try_from(self.version).unwrap_or(0)
    }
}

/// A stock that is due, with the event that waits for it, if there is one.
#[derive(sqlx::FromRow)]
pub(super) struct DueRow {
    stock_id: String,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    key: Option<Vec<u8>>,
    headers: Option<Json<Vec<Header>>>,
    payload: Option<Vec<u8>>,
    attempts: Option<i32>,
}

impl From<DueRow> for Retry {
    fn from(row: DueRow) -> Self {
        let record = || {
            let row = RecordRow {
                topic: row.topic?,
                partition: row.partition?,
                offset: row.offset?,
                key: row.key,
                headers: row.headers?,
                payload: row.payload?,
            };
            Some(row.into())
        };
        Self {
            stock_id: row.stock_id,
            record: record(),
            attempts: row.attempts.map_or(0, unsigned),
        }
    }
}

/// A row of `dead_letters`.
#[derive(sqlx::FromRow)]
pub(super) struct DeadLetterRow {
    pub(super) id: i64,
    #[sqlx(flatten)]
    record: RecordRow,
    reason: String,
    attempts: i32,
}

impl From<DeadLetterRow> for DeadLetter {
    fn from(row: DeadLetterRow) -> Self {
        Self {
            id: row.id,
            record: row.record.into(),
            reason: row.reason,
            attempts: unsigned(row.attempts),
        }
    }
}

/// A [`Picture`] as `jsonb`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::postgres) struct StoredPicture {
    version: u64,
    product_id: String,
    symbol: String,
    product_name: String,
    quantity: u64,
    reserved: u64,
    available: u64,
    unit_price: String,
    currency: String,
    status: String,
}

impl From<&Picture> for StoredPicture {
    fn from(picture: &Picture) -> Self {
        let picture = picture.clone();
        Self {
            version: picture.version,
            product_id: picture.product_id,
            symbol: picture.symbol,
            product_name: picture.product_name,
            quantity: picture.quantity,
            reserved: picture.reserved,
            available: picture.available,
            unit_price: picture.unit_price.to_string(),
            currency: picture.currency,
            status: picture.status,
        }
    }
}

impl TryFrom<StoredPicture> for Picture {
    type Error = rust_decimal::Error;

    fn try_from(stored: StoredPicture) -> Result<Self, Self::Error> {
        Ok(Self {
            version: stored.version,
            product_id: stored.product_id,
            symbol: stored.symbol,
            product_name: stored.product_name,
            quantity: stored.quantity,
            reserved: stored.reserved,
            available: stored.available,
            unit_price: Decimal::from_str_exact(&stored.unit_price)?,
            currency: stored.currency,
            status: stored.status,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_being_stored_byte_by_byte() {
        for bytes in [&b"text"[..], b"", b"\xff\x00\x01", b"nul\0"] {
            let header = ("name".to_owned(), bytes.to_vec());
            let stored = serde_json::to_string(&Header::from(&header)).unwrap();
            let read: Header = serde_json::from_str(&stored).unwrap();

            assert_eq!(<(String, Vec<u8>)>::from(read), header, "{stored}");
        }
    }
}
