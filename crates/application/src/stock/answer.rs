//! What a command made.

use domain::stock::{PositiveQuantity, Reservation, Stock, StockId, StockUpdatedEvent};

use crate::stock::{CommandError, Rejection};

/// A line of an order, and what became of it.
#[derive(Debug, Clone)]
pub struct LineOutcome {
    /// Which stock.
    pub stock_id: StockId,
    /// How many units.
    pub quantity: PositiveQuantity,
    /// The event of the hold, or why there is none.
    pub held: Result<Box<StockUpdatedEvent>, Rejection>,
}

/// What a command made.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A stock.
    Created(Box<Stock>),
    /// Another state of a stock.
    Changed(Box<Stock>),
    /// Another quantity of a stock.
    Adjusted(Box<StockUpdatedEvent>),
    /// One hold.
    ReservedOne(Box<StockUpdatedEvent>),
    /// Holds, and lines that could not be held.
    Reserved(Vec<LineOutcome>),
    /// The end of a hold, or another time for it.
    Reservation(Box<Reservation>),
    /// The end of so many due holds.
    Expired(usize),
    /// What each of several commands made, in their order.
    Batch(Vec<Result<Answer, CommandError>>),
}

impl Answer {
    /// Whether it has no line that was refused.
    pub(super) fn is_whole(&self) -> bool {
        match self {
            Self::Reserved(lines) => lines.iter().all(|line| line.held.is_ok()),
            _ => true,
        }
    }
}
