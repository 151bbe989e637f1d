//! A row of the outbox.

use std::borrow::Cow;

use application::ports::OutboxRow;
use sqlx::{Error, error::UnexpectedNullError, types::Json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::contract::Envelope;

/// Columns of the outbox.
#[derive(sqlx::FromRow)]
pub(super) struct StoredRow {
    id: i64,
    event_id: Uuid,
    stock_id: String,
    version: i64,
    operation: String,
    topics: Vec<String>,
    correlation_id: Option<String>,
    traceparent: Option<String>,
    payload: Vec<u8>,
    occurred_at: OffsetDateTime,
    /// All headers, of rows that were written before they were made of the other columns.
    headers: Option<Json<Vec<(String, String)>>>,
}

/// A row without headers has it.
fn there(column: Option<&str>) -> Result<&str, Error> {
    column.ok_or_else(|| Error::Decode(UnexpectedNullError.into()))
}

impl StoredRow {
    fn headers(&mut self) -> Result<Vec<(Cow<'static, str>, String)>, Error> {
        if let Some(Json(headers)) = self.headers.take() {
            let headers = headers.into_iter();
            return Ok(headers.map(|(name, value)| (name.into(), value)).collect());
        }
        let envelope = Envelope {
            event_id: self.event_id,
            stock_id: &self.stock_id,
            version: self.version.unsigned_abs(),
            operation: &self.operation,
            occurred_at: self.occurred_at,
            correlation_id: there(self.correlation_id.as_deref())?,
            traceparent: there(self.traceparent.as_deref())?,
        };
        envelope
            .headers()
            .map_err(|error| Error::Decode(error.into()))
    }
}

impl TryFrom<StoredRow> for OutboxRow {
    type Error = Error;

    fn try_from(mut row: StoredRow) -> Result<Self, Error> {
        let headers = row.headers()?;
        Ok(Self {
            id: row.id,
            stock_id: row.stock_id,
            topics: row.topics,
            headers,
            payload: row.payload,
        })
    }
}
