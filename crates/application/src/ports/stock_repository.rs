//! Where stocks are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::stock::{
    Actor, ClientOrderId, ProductId, Reservation, ReservationId, Stock, StockId, StockUpdatedEvent,
};
use time::OffsetDateTime;

use crate::{
    ports::{Answered, Cause, IdempotencyKey, OutboxMessage},
    stock::{CommandError, Executed},
};

/// What a batch of commands needs to see; lists are sorted and name each thing once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Requests that may have been answered already.
    pub keys: Vec<IdempotencyKey>,
    /// Stocks to load.
    pub stock_ids: Vec<StockId>,
    /// Reservations to load; their stocks are loaded as well.
    pub reservation_ids: Vec<ReservationId>,
    /// Product ids that new stocks want.
    pub product_ids: Vec<ProductId>,
    /// Names of orders that new reservations want, by client.
    pub orders: Vec<(Actor, ClientOrderId)>,
    /// Units that new reservations want, by stock.
    pub wanted: BTreeMap<StockId, u64>,
    /// Stocks whose due holds shall end.
    pub expiring: Vec<StockId>,
}

/// What was read; or what the store remembers without reading. Then requests count as unanswered and names as free, and the store keeps
/// what is decided only if that, and every stock that changes, proves to be so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The store's time, after all stocks were read. All instances share it. Without reading it is what the store told to a
    /// batch that began less than a second ago, moved on.
    pub now: OffsetDateTime,
    /// Those of the requests that were answered before.
    pub answered: Vec<Answered>,
    /// The touched stocks that exist.
    pub stocks: Vec<Stock>,
    /// The wanted product ids that are taken.
    pub taken_products: Vec<ProductId>,
    /// The wanted names of orders that are taken.
    pub taken_orders: Vec<(Actor, ClientOrderId)>,
    /// The touched reservations that exist. Besides, of every stock that has fewer units available than are wanted: as
    /// many due holds as can make up for it, and the hold whose time runs out next. Besides, of every stock of
    /// [`Touched::expiring`], due holds, the oldest first and not more than a batch can take.
    pub reservations: Vec<Reservation>,
}

/// A change that was decided, and the message that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event; it carries the stock after the change.
    pub event: StockUpdatedEvent,
    /// The event as it goes to the broker.
    pub message: OutboxMessage,
    /// The request of the batch that asked for it.
    pub request: usize,
}

/// One command's result.
pub type Decision = Result<Executed, CommandError>;

/// What a batch decided.
#[derive(Debug, Clone, Default)]
pub struct Decided {
    /// One per command.
    pub decisions: Vec<Decision>,
    /// Changes of stocks, in the order in which they were decided.
    pub changes: Vec<Recorded>,
    /// Holds whose time was changed, and nothing else.
    pub extended: Vec<Reservation>,
    /// Something was decided that no change shows: a refusal, a repeated answer, a command that had nothing to do. It has to rest on what
    /// was read.
    pub only_read: bool,
    /// Answers to keep; a key of [`Touched::keys`] without one is given free again.
    pub answered: Vec<Answered>,
}

/// Decides all commands of a batch, in order, on what was loaded. It may be asked again, with what is there then; only its
/// last answer counts.
pub type Decide = Box<dyn Fn(Loaded) -> Decided + Send + Sync>;

/// Why a batch was not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A row of the batch broke a uniqueness rule that another transaction's row had met first; nothing was kept.
    #[error("a unique value was taken by another transaction")]
    Conflict,
    /// The batch got in the way of another transaction; nothing was kept.
    #[error("the transaction collided with another one")]
    Contention(#[source] Cause),
    /// A request of the same key is still being carried out elsewhere; nothing was kept.
    #[error("a request of the same idempotency key is under way")]
    KeyInUse(#[source] Cause),
    /// The store could not be asked; nothing was kept.
    #[error("the store is not available")]
    Unavailable(#[source] Cause),
    /// The connection was lost around the commit.
    #[error("the outcome of the commit is unknown")]
    OutcomeUnknown(#[source] Cause),
    /// A stored value is not one of the domain's.
    #[error("{table}.{column} of {id} is corrupt")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row.
        id: String,
        /// What is wrong with it.
        #[source]
        source: Cause,
    },
    /// The store holds, or took, something else than it was given.
    #[error("the store did not do what it was told")]
    Inconsistent(#[source] Cause),
}

/// Stocks, their reservations, their ledger and their outbox, as one.
#[async_trait]
pub trait StockRepository: Send + Sync {
    /// One transaction: loads what the batch touches, lets `decide` decide, and keeps what it returns: the
    /// stocks, their reservations, one movement and one outbox message per change, and the answers. MUST keep all or
    /// nothing, MUST keep it only if every stock that changes is still as `decide` saw it, and MUST keep two changes of one
    /// stock in the order given. MUST NOT keep or return a decision that is `only_read` unless all that it was given was read.
    ///
    /// Returns what `decide` returned.
    async fn commit(&self, touched: Touched, decide: Decide) -> Result<Decided, RepositoryError>;

    /// Up to `limit` stocks with due holds by the store's time, those that are due for longest first.
    async fn with_due_holds(&self, limit: u16) -> Result<Vec<StockId>, RepositoryError>;
}
