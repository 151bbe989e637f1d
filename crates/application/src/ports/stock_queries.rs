//! What can be asked about stocks.

use async_trait::async_trait;
use domain::stock::{
    Actor, ClientOrderId, Price, Quantity, Reservation, ReservationId, ReservationState, Status,
    Stock, StockId, StockUpdatedEvent,
};
use time::OffsetDateTime;

use crate::ports::RepositoryError;

/// The order of a list of stocks; equal ones are in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StockSort {
    /// By id.
    #[default]
    StockId,
    /// By product id.
    ProductId,
    /// By symbol.
    Symbol,
    /// By the time of the last change.
    UpdatedAt,
}

/// A place in a list of stocks: behind this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockPlace {
    /// What the list is sorted by, as text; microseconds since 1970 for a time.
    pub value: String,
    /// The stock.
    pub stock_id: StockId,
}

impl StockPlace {
    /// The place of a stock in a list of this order.
    #[must_use]
    pub fn of(stock: &Stock, sort: StockSort) -> Self {
        let value = match sort {
            StockSort::StockId => stock.id.to_string(),
            StockSort::ProductId => stock.product_id.to_string(),
            StockSort::Symbol => stock.symbol.to_string(),
            StockSort::UpdatedAt => micros(stock.updated_at).to_string(),
        };
        Self {
            value,
            stock_id: stock.id.clone(),
        }
    }
}

/// Microseconds since 1970: what stores keep of a time.
#[must_use]
pub fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1000)).unwrap_or(i64::MAX)
}

/// Which stocks to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockQuery {
    /// Only the stock of this product.
    pub product_id: Option<String>,
    /// Only stocks of this symbol.
    pub symbol: Option<String>,
    /// Only stocks that stand at one of these; none: at any.
    pub statuses: Vec<Status>,
    /// Only stocks that changed at this time or later.
    pub updated_since: Option<OffsetDateTime>,
    /// The order.
    pub sort: StockSort,
    /// The other way round.
    pub descending: bool,
    /// Only stocks behind this place.
    pub after: Option<StockPlace>,
    /// At most so many, at least 1.
    pub limit: u16,
}

/// Which reservations to list, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReservationQuery {
    /// Only those of this stock.
    pub stock_id: Option<StockId>,
    /// Only those in this state.
    pub state: Option<ReservationState>,
    /// Only those of this client.
    pub holder: Option<Actor>,
    /// Only those of this order.
    pub client_order_id: Option<ClientOrderId>,
    /// Only those behind this one.
    pub after: Option<ReservationId>,
    /// At most so many, at least 1.
    pub limit: u16,
}

/// One line of a stock's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movement {
    /// The version that the change made.
    pub version: u64,
    /// What was done.
    pub operation: String,
    /// Units on hand before.
    pub quantity_before: Quantity,
    /// Units on hand after.
    pub quantity_after: Quantity,
    /// Units held before.
    pub reserved_before: Quantity,
    /// Units held after.
    pub reserved_after: Quantity,
    /// Price of one unit before; none for a new stock.
    pub price_before: Option<Price>,
    /// Price of one unit after.
    pub price_after: Price,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// The document behind it.
    pub reference: Option<String>,
    /// The hold that was made or ended.
    pub reservation_id: Option<String>,
    /// Who asked for it.
    pub actor: String,
    /// When it was decided.
    pub occurred_at: OffsetDateTime,
}

impl From<&StockUpdatedEvent> for Movement {
    fn from(event: &StockUpdatedEvent) -> Self {
        let (stock, change, previous) = (&event.stock, &event.change, event.previous);
        Self {
            version: stock.version.get(),
            operation: event.operation().as_str().to_owned(),
            quantity_before: previous.map_or(Quantity::ZERO, |p| p.quantity),
            quantity_after: stock.quantity,
            reserved_before: previous.map_or(Quantity::ZERO, |p| p.reserved),
            reserved_after: stock.reserved,
            price_before: previous.map(|p| p.unit_price),
            price_after: stock.unit_price,
            reason: change.reason().map(ToString::to_string),
            reference: change.reference().map(ToString::to_string),
            reservation_id: change.reservation().map(|held| held.id.to_string()),
            actor: event.actor.to_string(),
            occurred_at: event.occurred_at,
        }
    }
}

/// Some of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order of the list.
    pub items: Vec<T>,
    /// There are more behind the last one.
    pub more: bool,
}

impl<T> Page<T> {
    /// The first `limit` of what was found, where one more was asked for.
    #[must_use]
    pub fn of(mut items: Vec<T>, limit: u16) -> Self {
        let limit = usize::from(limit);
        let more = items.len() > limit;
        items.truncate(limit);
        Self { items, more }
    }
}

/// All stocks in figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StockStats {
    /// Number of stocks by status; a status without any may be missing.
    pub by_status: Vec<(Status, u64)>,
    /// Units held.
    pub units_reserved: u64,
    /// Quantity times price by currency, as a decimal of any length, in the order of the currencies' codes.
    pub total_value: Vec<(String, String)>,
}

/// Reads what [`crate::ports::StockRepository`] keeps, without locks. An implementation MUST show a change at the latest
/// when its commit has returned.
#[async_trait]
pub trait StockQueries: Send + Sync {
    /// The stock, or `None`.
    async fn stock(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError>;

    /// The stock as it was at that time, or `None` if there was none yet.
    async fn stock_as_of(
        &self,
        id: &StockId,
        at: OffsetDateTime,
    ) -> Result<Option<Stock>, RepositoryError>;

    /// The stocks of the query.
    async fn stocks(&self, query: &StockQuery) -> Result<Page<Stock>, RepositoryError>;

    /// All stocks in figures.
    async fn stats(&self) -> Result<StockStats, RepositoryError>;

    /// The stock's ledger, the newest first, below the version `before` where there is one; `None` if there is no such
    /// stock.
    async fn movements(
        &self,
        id: &StockId,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Option<Page<Movement>>, RepositoryError>;

    /// The reservation, or `None`.
    async fn reservation(&self, id: &ReservationId)
    -> Result<Option<Reservation>, RepositoryError>;

    /// The reservations of the query.
    async fn reservations(
        &self,
        query: &ReservationQuery,
    ) -> Result<Page<Reservation>, RepositoryError>;
}
