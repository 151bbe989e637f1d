//! A batch of changes, column by column, as `write_batch.sql` takes it.

mod changes;
mod details;
mod reservations;
mod stocks;

use std::collections::BTreeMap;

use application::ports::Decided;
use domain::stock::{Operation, Quantity, Reservation, Stock};
use sqlx::{Postgres, postgres::PgArguments, query::QueryAs};

use changes::Changes;
use details::Details;
use reservations::Reservations;
use stocks::Stocks;

type Query<'q, O> = QueryAs<'q, Postgres, O, PgArguments>;

#[derive(Default)]
pub(super) struct Columns<'a> {
    created: Stocks<'a>,
    updated: Stocks<'a>,
    held: Reservations<'a>,
    ended: Reservations<'a>,
    described: Details<'a>,
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
    pub(super) fn of(decided: &'a Decided) -> Self {
        let mut columns = Self::default();
        // Of several changes of a stock or a hold, the row gets the last one; what it replaces is what the first one
        // found.
        let mut stocks: BTreeMap<&str, (bool, i64, &Stock)> = BTreeMap::new();
        let mut reservations: BTreeMap<&str, (bool, &Reservation)> = BTreeMap::new();
        let mut touch = |reservation: &'a Reservation, new: bool| {
            reservations
                .entry(reservation.id.as_str())
                .and_modify(|(_, newest)| *newest = reservation)
                .or_insert((new, reservation));
        };
        // A hold's time can only be changed before it ends.
        for reservation in &decided.extended {
            touch(reservation, false);
        }
        for recorded in &decided.changes {
            let (stock, operation) = (&recorded.event.stock, recorded.event.operation());
            let version = signed(stock.version.get());
            stocks
                .entry(stock.id.as_str())
                .and_modify(|(_, _, newest)| *newest = stock)
                .or_insert((operation == Operation::Created, version - 1, stock));
            if let Some(reservation) = recorded.event.change.reservation() {
                touch(reservation, operation == Operation::Reserved);
            }
            let describes = matches!(
                operation,
                Operation::Created | Operation::DetailsUpdated | Operation::Discontinued
            );
            if describes {
                columns.described.push(stock);
            }
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
        for (new, reservation) in reservations.into_values() {
            let into = if new {
                &mut columns.held
            } else {
                &mut columns.ended
            };
            into.push(reservation);
        }
        columns
    }

    /// How many stocks are to be created and updated, and how many holds made and changed.
    pub(super) fn expected(&self) -> (i64, i64, i64, i64) {
        let count = |rows: usize| i64::try_from(rows).unwrap_or(i64::MAX);
        (
            count(self.created.len()),
            count(self.updated.len()),
            count(self.held.len()),
            count(self.ended.len()),
        )
    }

    /// Binds everything, in the order of the statement's parameters.
    pub(super) fn bind<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        let query = self.created.bind_created(query);
        let query = self.updated.bind_updated(query);
        let query = self.held.bind_held(query);
        let query = self.ended.bind_ended(query);
        let query = self.described.bind(query);
        self.changes.bind(query)
    }
}
