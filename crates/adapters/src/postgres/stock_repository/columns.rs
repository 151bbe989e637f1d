//! A batch of changes, column by column, and the statement that writes them.

mod changes;
mod details;
mod reservations;
mod stocks;

use std::collections::{BTreeMap, HashMap};

use application::ports::Decided;
use domain::stock::{Operation, Quantity, Reservation, Stock};
use sqlx::{Postgres, postgres::PgArguments, query::QueryAs};

use crate::postgres::statement::statement;

use super::{answers::Answers, places::Places};
use changes::Changes;
use details::Details;
use reservations::Reservations;
use stocks::Stocks;

/// How many rows of each kind are to be written.
const GIVEN: &str = "given AS MATERIALIZED (SELECT $1::bigint[] AS rows)";
/// The same, and from then on the statement waits for nobody long.
const HURRIED: &str = "given AS MATERIALIZED (
    SELECT $1::bigint[] AS rows, set_config('lock_timeout', '50ms', true)
)";
/// Whether all stocks are still as they were read; locks them.
const UNCHANGED: &str = include_str!("write_batch/unchanged.sql");
/// The same where there is none to compare.
const NONE_TO_COMPARE: &str = "unchanged AS MATERIALIZED (SELECT true AS so)";
/// Answers of requests that clients have named.
const ANSWERS: &str = include_str!("write_batch/answers.sql");
/// New stocks.
const CREATED: &str = include_str!("write_batch/created.sql");
/// Stocks as they are now.
const UPDATED: &str = include_str!("write_batch/updated.sql");
/// New holds.
const HELD: &str = include_str!("write_batch/held.sql");
/// Holds that have ended, or have another time.
const ENDED: &str = include_str!("write_batch/ended.sql");
/// What changes seldom.
const DESCRIBED: &str = include_str!("write_batch/described.sql");
/// Movements and events.
const CHANGES: &str = include_str!("write_batch/changes.sql");
/// Whether it was done, which is checked.
const OUTCOME: &str = include_str!("write_batch/outcome.sql");

type Query<'q, O> = QueryAs<'q, Postgres, O, PgArguments>;

#[derive(Default)]
pub(super) struct Columns<'a> {
    hurried: bool,
    answers: Answers<'a>,
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
    pub(super) fn of(decided: &'a Decided, places: &'a Places) -> Self {
        let mut columns = Self::default();
        // Of several changes of a stock or a hold, the row gets the last one; what it replaces is what the first one
        // found. What is unique comes first in their keys: in one order everywhere, so that two batches cannot wait for each other.
        let mut stocks: BTreeMap<_, (bool, i64, &Stock)> = BTreeMap::new();
        let mut reservations: BTreeMap<_, (bool, &Reservation)> = BTreeMap::new();
        let mut without_row = HashMap::new();
        let mut touch = |reservation: &'a Reservation, new: bool| {
            let line = reservation.order.as_ref();
            let line = line.map(|line| (&line.order, line.line));
            reservations
                .entry((&reservation.holder, line, &reservation.id))
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
                .entry((&stock.product_id, &stock.id))
                .and_modify(|(_, _, newest)| *newest = stock)
                .or_insert((operation == Operation::Created, version - 1, stock));
            if let Some(reservation) = recorded.event.change.reservation() {
                touch(reservation, operation == Operation::Reserved);
            }
            match operation {
                Operation::Created => {
                    without_row.insert(&stock.id, stock);
                }
                Operation::DetailsUpdated | Operation::Discontinued => {
                    // What was before, the statement takes from the stock's row; one that is created here has none yet.
                    if let Some(created) = without_row.remove(&stock.id) {
                        columns.described.push(created);
                    }
                    columns.described.push(stock);
                }
                _ => {}
            }
            columns.changes.push(recorded);
        }
        for (created, loaded_version, stock) in stocks.into_values() {
            let into = if created {
                &mut columns.created
            } else {
                &mut columns.updated
            };
            into.push(stock, loaded_version, places.of(stock));
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

    /// The same for a statement by itself: with the answers, whose keys were not claimed before. It waits for nobody long, for
    /// stocks are locked already while it may have to wait for keys.
    pub(super) fn to_compare(decided: &'a Decided, places: &'a Places) -> Self {
        Self {
            hurried: true,
            answers: Answers::of(&decided.answered),
            ..Self::of(decided, places)
        }
    }

    /// Whether there is nothing to write.
    pub(super) fn is_empty(&self) -> bool {
        self.changes.len() + self.ended.len() + self.answers.len() == 0
    }

    /// The parts whose rows are counted, how many rows each has, and its name.
    fn counted(&self) -> [(&'static str, usize, &'static str); 5] {
        [
            (ANSWERS, self.answers.len(), "answers"),
            (CREATED, self.created.len(), "created"),
            (UPDATED, self.updated.len(), "updated"),
            (HELD, self.held.len(), "held"),
            (ENDED, self.ended.len(), "ended"),
        ]
    }

    /// The statement: one part for each kind of rows that there are. It answers whether the stocks are as they were read, for else
    /// it does nothing; and it fails if it wrote another number of rows of some kind than it was given.
    pub(super) fn statement(&self) -> String {
        let counted = self.counted();
        let counts = counted.map(|(_, rows, name)| {
            if rows > 0 {
                format!("(SELECT count(*) FROM {name})")
            } else {
                "0::bigint".to_owned()
            }
        });
        let others = [
            (DESCRIBED, self.described.len()),
            (CHANGES, self.changes.len()),
        ];
        let unchanged = if self.updated.len() > 0 {
            UNCHANGED
        } else {
            NONE_TO_COMPARE
        };
        let given = if self.hurried { HURRIED } else { GIVEN };
        let parts = counted.map(|(part, rows, _)| (part, rows)).into_iter();
        let parts = parts.chain(others).filter(|(_, rows)| *rows > 0);
        statement(
            [given, unchanged]
                .into_iter()
                .chain(parts.map(|(part, _)| part)),
            &OUTCOME.replace("WRITTEN", &counts.join(", ")).replace(
                "UPDATED",
                if self.updated.len() > 0 {
                    "updated"
                } else {
                    "(SELECT '', '' WHERE false) AS updated (stock_id, place)"
                },
            ),
        )
    }

    /// Binds what there is, in the order of the statement's parts.
    pub(super) fn bind<O>(mut self, mut query: Query<'a, O>) -> Query<'a, O> {
        let given = self.counted();
        query = query.bind(given.map(|(_, rows, _)| i64::try_from(rows).unwrap_or(i64::MAX)));
        if self.updated.len() > 0 {
            query = self.updated.bind_unchanged(query);
        }
        if self.answers.len() > 0 {
            query = self.answers.bind(query);
        }
        if self.created.len() > 0 {
            query = self.created.bind_created(query);
        }
        if self.updated.len() > 0 {
            query = self.updated.bind_updated(query);
        }
        if self.held.len() > 0 {
            query = self.held.bind_held(query);
        }
        if self.ended.len() > 0 {
            query = self.ended.bind_ended(query);
        }
        if self.described.len() > 0 {
            query = self.described.bind(query);
        }
        if self.changes.len() > 0 {
            query = self.changes.bind(query);
        }
        query
    }
}
