//! Ports in memory, for fast tests, and the contract suites that they and the real adapters both pass.

pub mod contract;
mod outbox;
mod partner_states;
mod stocks;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::stock::{StockUpdatedEvent, Stream};
use uuid::Uuid;

pub use outbox::{FakeBroker, FakeOutbox};
pub use partner_states::FakePartnerStates;
pub use stocks::FakeStocks;

use crate::{
    ports::{AnswerFormat, EncodeError, EventEncoder, IdSource, OutboxMessage, StoredAnswer},
    stock::{Answer, Rejection, RequestContext},
};

/// Answers that are the debug text of what was decided.
pub struct FakeAnswers;

impl AnswerFormat for FakeAnswers {
    fn format(
        &self,
        answer: Result<&Answer, &Rejection>,
        _context: &RequestContext,
    ) -> StoredAnswer {
        StoredAnswer {
            status: if answer.is_ok() { 200 } else { 409 },
            headers: Vec::new(),
            body: format!("{answer:?}").into_bytes(),
        }
    }
}

/// Ids that count.
#[derive(Default)]
pub struct FakeIds(AtomicU64);

impl IdSource for FakeIds {
    fn next(&self) -> Uuid {
        Uuid::from_u128(self.0.fetch_add(1, Ordering::Relaxed).into())
    }
}

/// An encoder whose payload is the operation's name.
pub struct FakeEncoder;

impl EventEncoder for FakeEncoder {
    fn encode(
        &self,
        event: &StockUpdatedEvent,
        streams: &[Stream],
        context: &RequestContext,
    ) -> Result<OutboxMessage, EncodeError> {
        Ok(OutboxMessage {
            event_id: event.id,
            stock_id: event.stock.id.to_string(),
            version: event.stock.version.get(),
            operation: event.operation().as_str(),
            topics: streams.iter().map(|stream| format!("{stream:?}")).collect(),
            correlation_id: Arc::clone(&context.correlation_id),
            traceparent: Arc::clone(&context.traceparent),
            payload: event.operation().as_str().into(),
            occurred_at: event.occurred_at,
        })
    }
}
