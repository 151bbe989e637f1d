//! Where stocks are kept.

use async_trait::async_trait;
use domain::stock::{ProductId, Status, Stock, StockId, StockUpdatedEvent};

use crate::{
    ports::{Cause, OutboxMessage},
    stock::CommandError,
};

/// What a batch of commands needs to see, sorted and each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Stocks to load and lock.
    pub stock_ids: Vec<StockId>,
    /// Product ids that new stocks want.
    pub product_ids: Vec<ProductId>,
}

/// What was there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The touched stocks that exist.
    pub stocks: Vec<Stock>,
    /// The wanted product ids that are taken.
    pub taken_products: Vec<ProductId>,
}

/// A change that was decided, and the message that tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The event; it carries the stock after the change.
    pub event: StockUpdatedEvent,
    /// The event as it goes to the broker.
    pub message: OutboxMessage,
}

/// One command's result.
pub type Decision = Result<Recorded, CommandError>;

/// Decides all commands of a batch, in order, on what was loaded.
pub type Decide = Box<dyn FnOnce(Loaded) -> Vec<Decision> + Send>;

/// Why a batch was not committed, or may not have been.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// A row of the batch broke a uniqueness rule that another transaction's row had met first; nothing was kept.
    #[error("a unique value was taken by another transaction")]
    Conflict,
    /// The batch got in the way of another transaction; nothing was kept.
    #[error("the transaction collided with another one")]
    Contention(#[source] Cause),
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

/// Which stocks to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockQuery {
    /// Only the stock of this product.
    pub product_id: Option<String>,
    /// Only stocks of this symbol.
    pub symbol: Option<String>,
    /// Only stocks that stand here.
    pub status: Option<Status>,
    /// Only stocks behind this one, in the order of their ids.
    pub after: Option<StockId>,
    /// At most so many, at least 1.
    pub limit: u16,
}

/// Some stocks, in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The stocks.
    pub stocks: Vec<Stock>,
    /// There are more behind the last one.
    pub more: bool,
}

/// Stocks, their ledger and their outbox, as one.
#[async_trait]
pub trait StockRepository: Send + Sync {
    /// One transaction: locks and loads what the batch touches, lets `decide` decide, and keeps every change that it
    /// returns as `Ok`: the stock, its reservation, one movement and one outbox message each. MUST keep all or nothing,
    /// MUST keep two changes of one stock in the order given, and MUST lock stocks in the order of their ids.
    ///
    /// Returns what `decide` returned.
    async fn commit(
        &self,
        touched: Touched,
        decide: Decide,
    ) -> Result<Vec<Decision>, RepositoryError>;

    /// The stock, or `None`.
    async fn find(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError>;

    /// The stocks of the query.
    async fn list(&self, query: &StockQuery) -> Result<Page, RepositoryError>;
}
