//! What the headers of an event's record say.

use std::borrow::Cow;

use application::ports::OutboxMessage;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use crate::contract::header;

/// An event as its headers tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// The stock.
    pub stock_id: &'a str,
    /// The stock's version.
    pub version: u64,
    /// The operation's name.
    pub operation: &'a str,
    /// When the change was decided.
    pub occurred_at: OffsetDateTime,
    /// Goes from the request to the partner and through all logs.
    pub correlation_id: &'a str,
    /// W3C trace context.
    pub traceparent: &'a str,
}

impl<'a> From<&'a OutboxMessage> for Envelope<'a> {
    fn from(message: &'a OutboxMessage) -> Self {
        Self {
            event_id: message.event_id,
            stock_id: &message.stock_id,
            version: message.version,
            operation: message.operation,
            occurred_at: message.occurred_at,
            correlation_id: &message.correlation_id,
            traceparent: &message.traceparent,
        }
    }
}

impl Envelope<'_> {
    /// The headers, in the order in which records have them. They also tell of events that an earlier release wrote and that are
    /// published later, or again.
    ///
    /// # Errors
    /// If the time cannot be written as in RFC 3339: its year has more than four digits.
    pub fn headers(&self) -> Result<Vec<(Cow<'static, str>, String)>, time::error::Format> {
        let headers = [
            (header::SPEC_VERSION, "1.0".to_owned()),
            (header::ID, self.event_id.to_string()),
            (header::SOURCE, "/virtual-stock".to_owned()),
            (header::TYPE, header::event_type(self.operation)),
            (header::SUBJECT, self.stock_id.to_owned()),
            (header::TIME, self.occurred_at.format(&Rfc3339)?),
            (header::STOCK_VERSION, self.version.to_string()),
            (header::CORRELATION_ID, self.correlation_id.to_owned()),
            (header::CONTENT_TYPE, "application/json".to_owned()),
            (header::TRACEPARENT, self.traceparent.to_owned()),
        ];
        let headers = headers.map(|(name, value)| (Cow::Borrowed(name), value));
        Ok(headers.into())
    }
}
