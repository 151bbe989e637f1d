//! The changes themselves, in the order in which they were decided.

use application::ports::Recorded;
use domain::stock::{Reason, Reference};
use rust_decimal::Decimal;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Query, signed, units};

#[derive(Default)]
pub(super) struct Changes<'a> {
    stock_id: Vec<&'a str>,
    version: Vec<i64>,
    operation: Vec<&'static str>,
    quantity_before: Vec<i64>,
    quantity_after: Vec<i64>,
    reserved_before: Vec<i64>,
    reserved_after: Vec<i64>,
    price_before: Vec<Option<Decimal>>,
    price_after: Vec<Decimal>,
    reason: Vec<Option<&'a str>>,
    reference: Vec<Option<&'a str>>,
    reservation_id: Vec<Option<&'a str>>,
    actor: Vec<&'a str>,
    occurred_at: Vec<OffsetDateTime>,
    event_id: Vec<Uuid>,
    topics: Vec<String>,
    correlation_id: Vec<&'a str>,
    traceparent: Vec<&'a str>,
    payload: Vec<&'a [u8]>,
}

impl<'a> Changes<'a> {
    pub(super) fn len(&self) -> usize {
        self.stock_id.len()
    }

    pub(super) fn push(&mut self, Recorded { event, message, .. }: &'a Recorded) {
        let (stock, change, previous) = (&event.stock, &event.change, event.previous);
        self.stock_id.push(stock.id.as_str());
        self.version.push(signed(stock.version.get()));
        self.operation.push(message.operation);
        self.quantity_before
            .push(previous.map_or(0, |p| units(p.quantity)));
        self.quantity_after.push(units(stock.quantity));
        self.reserved_before
            .push(previous.map_or(0, |p| units(p.reserved)));
        self.reserved_after.push(units(stock.reserved));
        self.price_before
            .push(previous.map(|p| p.unit_price.amount()));
        self.price_after.push(stock.unit_price.amount());
        self.reason.push(change.reason().map(Reason::as_str));
        self.reference
            .push(change.reference().map(Reference::as_str));
        self.reservation_id
            .push(change.reservation().map(|held| held.id.as_str()));
        self.actor.push(event.actor.as_str());
        self.occurred_at.push(event.occurred_at);
        self.event_id.push(event.id);
        // Names of topics have no spaces; an array of arrays would not survive `unnest`.
        self.topics.push(message.topics.join(" "));
        self.correlation_id.push(&message.correlation_id);
        self.traceparent.push(&message.traceparent);
        self.payload.push(&message.payload);
    }

    pub(super) fn bind<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.stock_id)
            .bind(self.version)
            .bind(self.operation)
            .bind(self.occurred_at)
            .bind(self.quantity_before)
            .bind(self.quantity_after)
            .bind(self.reserved_before)
            .bind(self.reserved_after)
            .bind(self.price_before)
            .bind(self.price_after)
            .bind(self.reason)
            .bind(self.reference)
            .bind(self.reservation_id)
            .bind(self.actor)
            .bind(self.event_id)
            .bind(self.topics)
            .bind(self.correlation_id)
            .bind(self.traceparent)
            .bind(self.payload)
    }
}
