//! Why a command was refused, or has no answer.

use std::sync::Arc;

use domain::stock::{
    ClientOrderId, ProductId, Quantity, ReservationId, Stock, StockError, StockId,
};
use time::OffsetDateTime;

use crate::{
    ports::{EncodeError, RepositoryError},
    stock::LineOutcome,
};

/// A rule refused the command; nothing was changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Rejection {
    /// The stock's own rules.
    #[error(transparent)]
    Rule(StockError),
    /// More units asked for than are available.
    #[error("{requested} units of {stock_id} were requested and {available} are available")]
    Insufficient {
        /// Which stock.
        stock_id: StockId,
        /// What could be reserved now.
        available: Quantity,
        /// What the command asked for.
        requested: Quantity,
        /// When the next hold of the stock runs out, if there is one.
        soonest_expiry: Option<OffsetDateTime>,
    },
    /// No such stock.
    #[error("there is no stock {0}")]
    UnknownStock(StockId),
    /// No such reservation.
    #[error("there is no reservation {0}")]
    UnknownReservation(ReservationId),
    /// The product has a stock already.
    #[error("there is a stock of product {0} already")]
    DuplicateProduct(ProductId),
    /// The chosen id is taken.
    #[error("there is a stock {0} already")]
    DuplicateStock(StockId),
    /// The client has an order of this name already.
    #[error("there are reservations of order {0} already")]
    DuplicateOrder(ClientOrderId),
    /// The stock is not as the client expects it.
    #[error("the stock is at version {} with {} units", .0.version, .0.quantity)]
    NotAsExpected(Box<Stock>),
    /// Some lines of an order cannot be held.
    #[error("some lines cannot be held")]
    Lines(Vec<LineOutcome>),
    /// Another request had the same idempotency key.
    #[error("the idempotency key was used for another request")]
    KeyReused,
}

/// Why a command has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// A rule refused it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too many commands wait; it was not looked at.
    #[error("too many commands are waiting")]
    Overloaded,
    /// A request of the same key is still being carried out.
    #[error("a request of the same idempotency key is under way")]
    KeyInUse(#[source] Arc<RepositoryError>),
    /// The store could not be asked; nothing was changed.
    #[error("the stock store is not available")]
    Unavailable(#[source] Arc<RepositoryError>),
    /// The connection was lost around the commit: it may or may not have been carried out.
    #[error("the outcome of the command is unknown")]
    OutcomeUnknown(#[source] Arc<RepositoryError>),
    /// The event of the change could not be written; nothing was changed.
    #[error("the event of the change could not be written")]
    Unencodable(#[source] Arc<EncodeError>),
    /// The store holds something that it should not; nothing was changed.
    #[error("the stock store is inconsistent")]
    Inconsistent(#[source] Arc<RepositoryError>),
    /// The executor has ended.
    #[error("the service is shutting down")]
    ShuttingDown,
}

impl From<EncodeError> for CommandError {
    fn from(error: EncodeError) -> Self {
        Self::Unencodable(Arc::new(error))
    }
}

impl From<RepositoryError> for CommandError {
    fn from(error: RepositoryError) -> Self {
        let error = Arc::new(error);
        match *error {
            RepositoryError::Conflict
            | RepositoryError::Contention(_)
            | RepositoryError::Unavailable(_) => Self::Unavailable(error),
            RepositoryError::KeyInUse(_) => Self::KeyInUse(error),
            RepositoryError::OutcomeUnknown(_) => Self::OutcomeUnknown(error),
            RepositoryError::Corrupt { .. } | RepositoryError::Inconsistent(_) => {
                Self::Inconsistent(error)
            }
        }
    }
}
