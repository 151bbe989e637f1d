//! The consumption log.

use application::ports::{LoggedAttempt, Origin};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::hex::hex;

/// Where a record was read.
#[derive(Serialize, ToSchema)]
pub(in crate::http::acl) struct OriginView {
    topic: String,
    partition: i32,
    offset: i64,
}

impl From<&Origin> for OriginView {
    fn from(origin: &Origin) -> Self {
        Self {
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: origin.offset,
        }
    }
}

/// A row of the consumption log: one attempt, or one event that needed none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::acl) struct DeliveryView {
    /// Its position.
    id: i64,
    /// The subscription.
    partner: String,
    /// The event; null if it could not be read, or if an operator wanted the present state told.
    event_id: Option<Uuid>,
    /// The request that caused it.
    correlation_id: Option<String>,
    /// Where the record was read.
    origin: Option<OriginView>,
    /// The stock.
    stock_id: Option<String>,
    /// The product.
    product_id: Option<String>,
    /// What was done to the stock.
    operation: Option<String>,
    /// The version that the event tells of.
    version: Option<u64>,
    /// Number of the attempt, from 1; 0 if the partner was not called.
    attempt: u32,
    /// What came of it.
    status: String,
    /// The partner's name of the stock.
    external_id: Option<String>,
    /// The status code of the partner's answer.
    response_code: Option<u16>,
    /// Time of the call in milliseconds.
    duration_ms: Option<f64>,
    /// What went wrong.
    error: Option<String>,
    /// SHA-256 of the record's value, in hexadecimal digits.
    message_hash: Option<String>,
    /// When the stock changed.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    /// When the attempt began.
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    /// When the row was written.
    #[serde(with = "time::serde::rfc3339")]
    finished_at: OffsetDateTime,
}

impl From<&LoggedAttempt> for DeliveryView {
    fn from(row: &LoggedAttempt) -> Self {
        let row = row.clone();
        Self {
            id: row.id,
            partner: row.partner,
            event_id: row.event_id,
            correlation_id: row.correlation_id,
            origin: row.origin.as_ref().map(Into::into),
            stock_id: row.stock_id,
            product_id: row.product_id,
            operation: row.operation,
            version: row.version,
            attempt: row.attempt,
            status: row.status,
            external_id: row.external_id,
            response_code: row.response_code,
            duration_ms: row.duration.map(|duration| duration.as_secs_f64() * 1000.0),
            error: row.error,
            message_hash: row.message_hash.as_deref().map(hex),
            occurred_at: row.occurred_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}
