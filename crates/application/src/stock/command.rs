//! What a client may ask for.

use std::{sync::Arc, time::Duration};

use domain::stock::{
    Actor, ClientOrderId, Currency, NewDetails, PositiveQuantity, Price, ProductId, ProductName,
    Quantity, Reason, Reference, ReservationId, StockId, Symbol, Version,
};

use crate::ports::{Fingerprint, IdempotencyKey};

/// Who asks, and under which names the request is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestContext {
    /// Who.
    pub actor: Actor,
    /// Names this request alone.
    pub request_id: Arc<str>,
    /// Goes from the request to the partner and through all logs.
    pub correlation_id: Arc<str>,
    /// W3C trace context.
    pub traceparent: Arc<str>,
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

/// The versions at which a change may be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionMatch {
    /// Any, if the stock exists.
    Any,
    /// One of these.
    OneOf(Vec<Version>),
}

impl VersionMatch {
    /// Whether the version is one of them.
    #[must_use]
    pub fn contains(&self, version: Version) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// A change of one stock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeStock {
    /// Which stock.
    pub stock_id: StockId,
    /// Only at these versions.
    pub if_match: Option<VersionMatch>,
    /// What.
    pub change: StockChange,
}

/// What may be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StockChange {
    /// Sets the quantity on hand.
    SetQuantity {
        /// Units on hand.
        quantity: Quantity,
        /// Only if so many are on hand now.
        expected: Option<Quantity>,
        /// Why.
        reason: Reason,
        /// The document behind it.
        reference: Option<Reference>,
    },
    /// Adds to the quantity on hand, or takes from it.
    Adjust {
        /// Units; below zero they are taken.
        delta: i64,
        /// Why.
        reason: Reason,
        /// The document behind it.
        reference: Option<Reference>,
    },
    /// Sets the price.
    SetPrice {
        /// Price of one unit.
        price: Price,
        /// Why.
        reason: Reason,
    },
    /// Sets names and threshold.
    Describe(NewDetails),
    /// Takes the stock out of sale.
    Discontinue {
        /// Why.
        reason: Reason,
    },
}

/// Whether lines that cannot be held keep the others from being held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReserveMode {
    /// All lines or none.
    All,
    /// Every line that can be held as a whole.
    Partial,
}

/// Holds on units, of one client's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reserve {
    /// Which stocks, and how many units; lines on the same stock are summed.
    pub lines: Vec<(StockId, PositiveQuantity)>,
    /// What to do where one of them cannot be held.
    pub mode: ReserveMode,
    /// How long.
    pub ttl: Duration,
    /// The client's name of the order.
    pub order: Option<ClientOrderId>,
    /// Why.
    pub reason: Option<Reason>,
}

/// How a client ends a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndReservation {
    /// Takes the units, or so many of them.
    Confirm {
        /// How many, if not all.
        units: Option<PositiveQuantity>,
    },
    /// Gives the units back.
    Release {
        /// Why.
        reason: Reason,
    },
}

/// A change that a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A new stock.
    Create(CreateStock),
    /// A change of one stock.
    Change(ChangeStock),
    /// A hold on one stock.
    ReserveOne(Reserve),
    /// Holds on several stocks.
    Reserve(Reserve),
    /// The end of a hold.
    End {
        /// Which hold.
        reservation_id: ReservationId,
        /// How.
        end: EndReservation,
    },
    /// Another time for a hold.
    Extend {
        /// Which hold.
        reservation_id: ReservationId,
        /// How long from now.
        ttl: Duration,
    },
    /// The end of a stock's due holds.
    ExpireDue(StockId),
    /// Several commands, each decided by itself, kept together.
    Batch(Vec<Command>),
}

/// The client's name of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// Its name.
    pub key: IdempotencyKey,
    /// What it is.
    pub fingerprint: Fingerprint,
}

/// A command and who asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What.
    pub command: Command,
    /// Who.
    pub context: RequestContext,
    /// Answered once only, if the client named it.
    pub keyed: Option<Keyed>,
}
