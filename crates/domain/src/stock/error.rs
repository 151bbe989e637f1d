//! Why the stock refused a command.

use crate::stock::{Quantity, ReservationState};

/// A rule of the stock that a command would have broken; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StockError {
    /// More units asked for than are available.
    #[error("{requested} units were requested and {available} are available")]
    InsufficientStock {
        /// What could be reserved now.
        available: Quantity,
        /// What the command asked for.
        requested: Quantity,
    },
    /// The new quantity would not cover what is reserved.
    #[error("{reserved} units are reserved, so the quantity cannot be {requested}")]
    BelowReserved {
        /// Units held by reservations.
        reserved: Quantity,
        /// The quantity that was asked for.
        requested: Quantity,
    },
    /// The stock was taken out of sale.
    #[error("the stock is discontinued")]
    Discontinued,
    /// The reservation has ended already.
    #[error("the reservation is {} already", state.as_str())]
    ReservationEnded {
        /// How it ended.
        state: ReservationState,
    },
    /// More units were to be taken than are held.
    #[error("{requested} units cannot be confirmed of {held}")]
    ConfirmsMore {
        /// Units of the hold.
        held: Quantity,
        /// What the command asked for.
        requested: Quantity,
    },
    /// More units than a stock can have.
    #[error("a stock has at most {} units", Quantity::MAX)]
    TooManyUnits,
    /// The reservation belongs to another stock.
    #[error("the reservation does not belong to this stock")]
    ForeignReservation,
}

/// A stored stock that breaks an invariant: the row is corrupt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reserved} units are reserved of {quantity}")]
pub struct InvariantViolation {
    /// Units held.
    pub reserved: Quantity,
    /// Units on hand.
    pub quantity: Quantity,
}
