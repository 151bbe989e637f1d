//! From the stock service's event to the message in its outbox.

use std::sync::Arc;

use application::{
    ports::{EncodeError, EventEncoder, OutboxMessage},
    stock::RequestContext,
};
use domain::stock::{StockUpdatedEvent, Stream};

use crate::contract::v1::StockUpdated;

/// The largest value of an event in bytes. The bounds of the domain's values keep it far below; the outbox has the same
/// limit as a constraint.
pub const MAX_PAYLOAD: usize = 65_536;

/// What most events take, in bytes.
const USUAL_PAYLOAD: usize = 960;

/// The names of the streams on the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicNames {
    /// Of [`Stream::HighPriority`].
    pub high_priority: String,
    /// Of [`Stream::Normal`].
    pub normal: String,
    /// Of [`Stream::Critical`].
    pub critical: String,
    /// Of [`Stream::Audit`].
    pub audit: String,
}

impl TopicNames {
    /// The stream's name on the broker.
    #[must_use]
    pub fn of(&self, stream: Stream) -> &str {
        match stream {
            Stream::HighPriority => &self.high_priority,
            Stream::Normal => &self.normal,
            Stream::Critical => &self.critical,
            Stream::Audit => &self.audit,
        }
    }
}

/// Writes events in contract version 1.
pub struct WireEncoder {
    /// Where the streams go.
    pub topics: TopicNames,
}

impl EventEncoder for WireEncoder {
    fn encode(
        &self,
        event: &StockUpdatedEvent,
        streams: &[Stream],
        context: &RequestContext,
    ) -> Result<OutboxMessage, EncodeError> {
        let unencodable = |error: serde_json::Error| EncodeError::Unencodable(error.into());
        let mut payload = Vec::with_capacity(USUAL_PAYLOAD);
        serde_json::to_writer(&mut payload, &StockUpdated::from(event)).map_err(unencodable)?;
        if payload.len() > MAX_PAYLOAD {
            return Err(EncodeError::TooLarge {
                bytes: payload.len(),
                max: MAX_PAYLOAD,
            });
        }
        let stock = &event.stock;
        Ok(OutboxMessage {
            event_id: event.id,
            stock_id: stock.id.as_str().to_owned(),
            version: stock.version.get(),
            operation: event.operation().as_str(),
            topics: streams
                .iter()
                .map(|stream| self.topics.of(*stream).to_owned())
                .collect(),
            correlation_id: Arc::clone(&context.correlation_id),
            traceparent: Arc::clone(&context.traceparent),
            payload,
            occurred_at: event.occurred_at,
        })
    }
}
