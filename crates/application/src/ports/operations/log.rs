//! The consumption log.

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::ports::Origin;

/// A row of the consumption log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedAttempt {
    /// Its position.
    pub id: i64,
    /// The subscription.
    pub partner: String,
    /// The event; none if it could not be read, or if an operator wanted the present state told.
    pub event_id: Option<Uuid>,
    /// The request that caused it.
    pub correlation_id: Option<String>,
    /// Where the record was read.
    pub origin: Option<Origin>,
    /// The stock.
    pub stock_id: Option<String>,
    /// The product.
    pub product_id: Option<String>,
    /// What was done to the stock.
    pub operation: Option<String>,
    /// The version that the event tells of.
    pub version: Option<u64>,
    /// Number of the attempt, from 1; 0 if the partner was not called.
    pub attempt: u32,
    /// What came of it.
    pub status: String,
    /// The partner's name of the stock.
    pub external_id: Option<String>,
    /// The answer's status code.
    pub response_code: Option<u16>,
    /// Time of the call.
    pub duration: Option<Duration>,
    /// What went wrong.
    pub error: Option<String>,
    /// SHA-256 of the record's value.
    pub message_hash: Option<Vec<u8>>,
    /// When the stock changed.
    pub occurred_at: Option<OffsetDateTime>,
    /// When the attempt began.
    pub started_at: Option<OffsetDateTime>,
    /// When the row was written.
    pub finished_at: OffsetDateTime,
}

/// Which rows of the consumption log, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of this subscription.
    pub partner: Option<String>,
    /// Of this stock.
    pub stock_id: Option<String>,
    /// Of this request.
    pub correlation_id: Option<String>,
    /// Of this event.
    pub event_id: Option<Uuid>,
    /// With this status.
    pub status: Option<String>,
    /// Written at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Written before this time.
    pub until: Option<OffsetDateTime>,
    /// Before this position.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u16,
}
