//! Which row of the table a stock was.

use std::collections::HashMap;

use domain::stock::{Stock, StockId};
use time::OffsetDateTime;

/// A version of a stock's row. A transaction writes one at a place; where numbers of transactions repeat, after a failover, the time
/// differs. Writing the row needs no look into an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Its `ctid`.
    pub(super) row: String,
    /// Its `xmin`, 32 bits.
    pub(super) writer: i32,
    /// When the stock changed last.
    pub(super) updated_at: OffsetDateTime,
}

impl Place {
    /// Of a transaction by the number that the server shows.
    pub(super) fn new(row: String, writer: i64, updated_at: OffsetDateTime) -> Self {
        // Numbers of transactions in rows have 32 bits and no sign; PostgreSQL compares them to integers bit by bit. 0 is none.
        let writer = u32::try_from(writer).unwrap_or_default().cast_signed();
        Self {
            row,
            writer,
            updated_at,
        }
    }
}

/// The rows of stocks.
#[derive(Default)]
pub(super) struct Places(HashMap<StockId, Place>);

impl Places {
    pub(super) fn insert(&mut self, id: StockId, place: Place) {
        self.0.insert(id, place);
    }

    /// The row of the stock, if it was read.
    pub(super) fn of(&self, stock: &Stock) -> Option<&Place> {
        self.0.get(&stock.id)
    }
}
