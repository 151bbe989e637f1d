//! A batch of changes, column by column, as `write_batch.sql` takes it.

use std::collections::BTreeMap;

use application::ports::Recorded;
use domain::stock::{Operation, Quantity, Reason, Reference, Stock};
use rust_decimal::Decimal;
use sqlx::{Postgres, postgres::PgArguments, query::QueryAs};
use time::OffsetDateTime;
use uuid::Uuid;

/// Stocks as the batch leaves them.
#[derive(Default)]
struct Stocks<'a> {
    id: Vec<&'a str>,
    product_id: Vec<&'a str>,
    symbol: Vec<&'a str>,
    product_name: Vec<&'a str>,
    loaded_version: Vec<i64>,
    quantity: Vec<i64>,
    reserved: Vec<i64>,
    unit_price: Vec<Decimal>,
    currency: Vec<&'a str>,
    low_stock_threshold: Vec<i64>,
    discontinued: Vec<bool>,
    version: Vec<i64>,
    created_at: Vec<OffsetDateTime>,
    updated_at: Vec<OffsetDateTime>,
}

/// The changes themselves, in the order in which they were decided.
#[derive(Default)]
struct Changes<'a> {
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
    reservation_units: Vec<Option<i64>>,
    actor: Vec<&'a str>,
    occurred_at: Vec<OffsetDateTime>,
    event_id: Vec<Uuid>,
    topics: Vec<String>,
    headers: Vec<String>,
    payload: Vec<&'a [u8]>,
}

pub(super) struct Columns<'a> {
    created: Stocks<'a>,
    updated: Stocks<'a>,
    changes: Changes<'a>,
}

/// Quantities are at most 10¹⁵ and versions count changes: both fit.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn units(quantity: Quantity) -> i64 {
    signed(quantity.get())
}

impl<'a> Columns<'a> {
    pub(super) fn of(recorded: &[&'a Recorded]) -> Self {
        let mut columns = Self {
            created: Stocks::default(),
            updated: Stocks::default(),
            changes: Changes::default(),
        };
        // Of several changes of a stock, the row gets the last one; what it replaces is what the first one found.
        let mut stocks: BTreeMap<&str, (bool, i64, &Stock)> = BTreeMap::new();
        for recorded in recorded {
            let stock = &recorded.event.stock;
            let version = signed(stock.version.get());
            let created = recorded.event.operation() == Operation::Created;
            stocks
                .entry(stock.id.as_str())
                .and_modify(|(_, _, newest)| *newest = stock)
                .or_insert((created, version - 1, stock));
            columns.changes.push(recorded);
        }
        for (created, loaded_version, stock) in stocks.into_values() {
            let into = if created {
                &mut columns.created
            } else {
                &mut columns.updated
            };
            into.push(stock, loaded_version);
        }
        columns
    }

    /// How many stocks are to be created, and updated.
    pub(super) fn expected(&self) -> (i64, i64) {
        let count = |ids: &[&str]| i64::try_from(ids.len()).unwrap_or(i64::MAX);
        (count(&self.created.id), count(&self.updated.id))
    }

    /// Binds everything, in the order of the statement's parameters.
    pub(super) fn bind<O>(
        self,
        query: QueryAs<'a, Postgres, O, PgArguments>,
    ) -> QueryAs<'a, Postgres, O, PgArguments> {
        let Self {
            created,
            updated,
            changes,
        } = self;
        query
            .bind(created.id)
            .bind(created.product_id)
            .bind(created.symbol)
            .bind(created.product_name)
            .bind(created.quantity)
            .bind(created.reserved)
            .bind(created.unit_price)
            .bind(created.currency)
            .bind(created.low_stock_threshold)
            .bind(created.discontinued)
            .bind(created.version)
            .bind(created.created_at)
            .bind(created.updated_at)
            .bind(updated.id)
            .bind(updated.loaded_version)
            .bind(updated.quantity)
            .bind(updated.reserved)
            .bind(updated.unit_price)
            .bind(updated.discontinued)
            .bind(updated.version)
            .bind(updated.updated_at)
            .bind(changes.stock_id)
            .bind(changes.version)
            .bind(changes.operation)
            .bind(changes.quantity_before)
            .bind(changes.quantity_after)
            .bind(changes.reserved_before)
            .bind(changes.reserved_after)
            .bind(changes.price_before)
            .bind(changes.price_after)
            .bind(changes.reason)
            .bind(changes.reference)
            .bind(changes.reservation_id)
            .bind(changes.reservation_units)
            .bind(changes.actor)
            .bind(changes.occurred_at)
            .bind(changes.event_id)
            .bind(changes.topics)
            .bind(changes.headers)
            .bind(changes.payload)
    }
}

impl<'a> Stocks<'a> {
    fn push(&mut self, stock: &'a Stock, loaded_version: i64) {
        self.id.push(stock.id.as_str());
        self.product_id.push(stock.product_id.as_str());
        self.symbol.push(stock.symbol.as_str());
        self.product_name.push(stock.product_name.as_str());
        self.loaded_version.push(loaded_version);
        self.quantity.push(units(stock.quantity));
        self.reserved.push(units(stock.reserved));
        self.unit_price.push(stock.unit_price.amount());
        self.currency.push(stock.currency.as_str());
        self.low_stock_threshold
            .push(units(stock.low_stock_threshold));
        self.discontinued.push(stock.discontinued);
        self.version.push(signed(stock.version.get()));
        self.created_at.push(stock.created_at);
        self.updated_at.push(stock.updated_at);
    }
}

impl<'a> Changes<'a> {
    fn push(&mut self, Recorded { event, message }: &'a Recorded) {
        let (stock, change, previous) = (&event.stock, &event.change, event.previous);
        let reservation = change.reservation();
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
            .push(reservation.map(|r| r.id().as_str()));
        self.reservation_units
            .push(reservation.map(|r| units(r.quantity().get())));
        self.actor.push(event.actor.as_str());
        self.occurred_at.push(event.occurred_at);
        self.event_id.push(event.id);
        // Names of topics have no spaces; an array of arrays would not survive `unnest`.
        self.topics.push(message.topics.join(" "));
        self.headers
            .push(serde_json::json!(message.headers).to_string());
        self.payload.push(&message.payload);
    }
}
