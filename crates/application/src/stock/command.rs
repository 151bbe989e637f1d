//! What a client may ask for, and the answers.

use std::sync::Arc;

use domain::stock::{
    Actor, Currency, PositiveQuantity, Price, ProductId, ProductName, Quantity, Reason, Reference,
    StockError, StockId, Symbol,
};

use crate::ports::{EncodeError, RepositoryError};

/// Who asks, and under which names the request is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Who.
    pub actor: Actor,
    /// Goes from the request to the partner and through all logs.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// A new stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateStock {
    /// The client's own id; otherwise one is made.
    pub stock_id: Option<StockId>,
    /// Unique over all stocks.
    pub product_id: ProductId,
    /// What partners trade it under; otherwise the product id.
    pub symbol: Option<Symbol>,
    /// Its name for people; otherwise the product id.
    pub product_name: Option<ProductName>,
    /// Units on hand.
    pub quantity: Quantity,
    /// Price of one unit.
    pub price: Price,
    /// The price's currency.
    pub currency: Currency,
    /// Below so many available units the stock is low.
    pub low_stock_threshold: Quantity,
}

/// A new quantity on hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetQuantity {
    /// Which stock.
    pub stock_id: StockId,
    /// Units on hand.
    pub quantity: Quantity,
    /// Why.
    pub reason: Reason,
    /// The document behind it.
    pub reference: Option<Reference>,
}

/// A new price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPrice {
    /// Which stock.
    pub stock_id: StockId,
    /// Price of one unit.
    pub price: Price,
    /// Why.
    pub reason: Reason,
}

/// A hold on units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Which stock.
    pub stock_id: StockId,
    /// How many units.
    pub quantity: PositiveQuantity,
    /// Why.
    pub reason: Reason,
}

/// A change that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// See [`CreateStock`].
    Create(CreateStock),
    /// See [`SetQuantity`].
    SetQuantity(SetQuantity),
    /// See [`SetPrice`].
    SetPrice(SetPrice),
    /// See [`Reserve`].
    Reserve(Reserve),
}

impl Command {
    /// The stock that the command names; a new one may not have a name yet.
    #[must_use]
    pub fn stock_id(&self) -> Option<&StockId> {
        match self {
            Self::Create(create) => create.stock_id.as_ref(),
            Self::SetQuantity(set) => Some(&set.stock_id),
            Self::SetPrice(set) => Some(&set.stock_id),
            Self::Reserve(reserve) => Some(&reserve.stock_id),
        }
    }
}

/// A command and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub command: Command,
    /// Who.
    pub context: RequestContext,
}

/// A rule refused the command; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The stock's own rules.
    #[error(transparent)]
    Rule(#[from] StockError),
    /// No such stock.
    #[error("there is no stock {0}")]
    UnknownStock(StockId),
    /// The product has a stock already.
    #[error("there is a stock of product {0} already")]
    DuplicateProduct(ProductId),
    /// The chosen id is taken.
    #[error("there is a stock {0} already")]
    DuplicateStock(StockId),
}

/// Why a command has no event.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError {
    /// A rule refused it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Too many commands wait; it was not looked at.
    #[error("too many commands are waiting")]
    Overloaded,
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
