//! Holds as the batch leaves them.

use domain::stock::Reservation;
use time::OffsetDateTime;

use super::{Query, units};

#[derive(Default)]
pub(super) struct Reservations<'a> {
    id: Vec<&'a str>,
    stock_id: Vec<&'a str>,
    quantity: Vec<i64>,
    state: Vec<&'static str>,
    confirmed: Vec<i64>,
    expires_at: Vec<OffsetDateTime>,
    holder: Vec<&'a str>,
    client_order_id: Vec<Option<&'a str>>,
    line: Vec<Option<i16>>,
    created_at: Vec<OffsetDateTime>,
    updated_at: Vec<OffsetDateTime>,
}

impl<'a> Reservations<'a> {
    pub(super) fn len(&self) -> usize {
        self.id.len()
    }

    pub(super) fn push(&mut self, held: &'a Reservation) {
        let order = held.order.as_ref();
        self.id.push(held.id.as_str());
        self.stock_id.push(held.stock_id.as_str());
        self.quantity.push(units(held.quantity.get()));
        self.state.push(held.state.as_str());
        self.confirmed.push(units(held.confirmed));
        self.expires_at.push(held.expires_at);
        self.holder.push(held.holder.as_str());
        self.client_order_id
            .push(order.map(|line| line.order.as_str()));
        // Orders have at most a hundred lines.
        self.line
            .push(order.map(|line| i16::try_from(line.line).unwrap_or(i16::MAX)));
        self.created_at.push(held.created_at);
        self.updated_at.push(held.updated_at);
    }

    pub(super) fn bind_held<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.id)
            .bind(self.stock_id)
            .bind(self.quantity)
            .bind(self.state)
            .bind(self.confirmed)
            .bind(self.expires_at)
            .bind(self.holder)
            .bind(self.client_order_id)
            .bind(self.line)
            .bind(self.created_at)
            .bind(self.updated_at)
    }

    pub(super) fn bind_ended<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.id)
            .bind(self.state)
            .bind(self.confirmed)
            .bind(self.expires_at)
            .bind(self.updated_at)
    }
}
