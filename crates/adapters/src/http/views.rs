//! Answers of the REST API, besides the stock itself (see [`crate::contract::v1::StockView`]).

use application::ports::{Movement, StockStats};
use domain::stock::{Reservation, ReservationState, StockUpdatedEvent};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::contract::{names, v1::StockView};

/// A page of a list.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page<T> {
    /// The items, in the order of the list.
    pub(super) items: Vec<T>,
    /// Asks for the next page; null on the last one.
    pub(super) next_cursor: Option<String>,
}

/// What one call held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReservedView {
    /// The hold.
    pub(super) reservation_id: String,
    /// The stock.
    pub(super) stock_id: String,
    /// Units held by this call.
    pub(super) reserved: u64,
    /// Units that are available after it.
    pub(super) remaining: u64,
    /// When the time of the hold runs out.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) expires_at: OffsetDateTime,
    /// The stock's version after it.
    pub(super) version: u64,
}

impl ReservedView {
    /// What the event of a hold says.
    pub(super) fn of(event: &StockUpdatedEvent) -> Option<Self> {
        let stock = &event.stock;
        let held = event.change.reservation()?;
        Some(Self {
            reservation_id: held.id.as_str().to_owned(),
            stock_id: stock.id.as_str().to_owned(),
            reserved: held.quantity.get().get(),
            remaining: stock.available().get(),
            expires_at: held.expires_at,
            version: stock.version.get(),
        })
    }
}

/// What one call held on several stocks.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderView {
    /// The holds, in the order of their stocks' ids.
    pub(super) reservations: Vec<ReservedView>,
    /// Lines that could not be held; only with mode `partial`.
    pub(super) refused: Vec<serde_json::Value>,
}

/// A hold.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HoldView {
    /// Identity.
    pub(super) reservation_id: String,
    /// The stock whose units it holds.
    pub(super) stock_id: String,
    /// The units it holds, or held.
    pub(super) quantity: u64,
    /// Where it stands.
    #[schema(schema_with = names::reservation_states)]
    pub(super) state: &'static str,
    /// Units that were taken; 0 unless it is confirmed.
    pub(super) confirmed_quantity: u64,
    /// When its time runs out, or would have.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) expires_at: OffsetDateTime,
    /// Who made it.
    pub(super) holder: String,
    /// The client's name of the order; null where it named none.
    #[schema(required)]
    pub(super) client_order_id: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) updated_at: OffsetDateTime,
}

impl From<&Reservation> for HoldView {
    fn from(held: &Reservation) -> Self {
        let order = held.order.as_ref();
        Self {
            reservation_id: held.id.as_str().to_owned(),
            stock_id: held.stock_id.as_str().to_owned(),
            quantity: held.quantity.get().get(),
            state: ReservationState::as_str(held.state),
            confirmed_quantity: held.confirmed.get(),
            expires_at: held.expires_at,
            holder: held.holder.as_str().to_owned(),
            client_order_id: order.map(|line| line.order.as_str().to_owned()),
            created_at: held.created_at,
            updated_at: held.updated_at,
        }
    }
}

/// A line of a stock's ledger.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MovementView {
    /// The stock.
    pub(super) stock_id: String,
    /// The version that the change made.
    pub(super) version: u64,
    /// What was done.
    pub(super) operation: String,
    /// How the units on hand changed.
    pub(super) quantity_delta: i64,
    /// Units on hand before.
    pub(super) quantity_before: u64,
    /// Units on hand after.
    pub(super) quantity_after: u64,
    /// How the units held changed.
    pub(super) reserved_delta: i64,
    /// Units held before.
    pub(super) reserved_before: u64,
    /// Units held after.
    pub(super) reserved_after: u64,
    /// Price of one unit before; null for a new stock.
    #[schema(required)]
    pub(super) price_before: Option<String>,
    /// Price of one unit after.
    pub(super) price_after: String,
    /// Why, where somebody said so.
    #[schema(required)]
    pub(super) reason: Option<String>,
    /// The document behind it.
    #[schema(required)]
    pub(super) reference_uri: Option<String>,
    /// The hold that was made or ended.
    #[schema(required)]
    pub(super) reservation_id: Option<String>,
    /// Who asked for it.
    pub(super) actor: String,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) occurred_at: OffsetDateTime,
}

impl MovementView {
    /// A line of the stock's ledger.
    pub(super) fn of(stock_id: &str, line: Movement) -> Self {
        Self {
            stock_id: stock_id.to_owned(),
            version: line.version,
            operation: line.operation,
            quantity_delta: line.quantity_after.delta_from(line.quantity_before),
            quantity_before: line.quantity_before.get(),
            quantity_after: line.quantity_after.get(),
            reserved_delta: line.reserved_after.delta_from(line.reserved_before),
            reserved_before: line.reserved_before.get(),
            reserved_after: line.reserved_after.get(),
            price_before: line.price_before.map(|price| price.to_string()),
            price_after: line.price_after.to_string(),
            reason: line.reason,
            reference_uri: line.reference,
            reservation_id: line.reservation_id,
            actor: line.actor,
            occurred_at: line.occurred_at,
        }
    }
}

/// All stocks in figures.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatsView {
    /// All stocks.
    pub(super) stocks: u64,
    /// Stocks by status.
    pub(super) by_status: StatusCounts,
    /// Units held.
    pub(super) units_reserved: u64,
    /// Quantity times price, by currency.
    pub(super) total_value: Vec<Money>,
}

/// Stocks by status.
#[derive(Serialize, ToSchema, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) struct StatusCounts {
    pub(super) available: u64,
    pub(super) low_stock: u64,
    pub(super) out_of_stock: u64,
    pub(super) discontinued: u64,
}

/// An amount of money.
#[derive(Serialize, ToSchema)]
pub(super) struct Money {
    /// A decimal.
    pub(super) amount: String,
    /// ISO 4217.
    pub(super) currency: String,
}

impl From<StockStats> for StatsView {
    fn from(stats: StockStats) -> Self {
        use domain::stock::Status;
        let mut by_status = StatusCounts::default();
        for (status, count) in &stats.by_status {
            let into = match status {
                Status::Available => &mut by_status.available,
                Status::LowStock => &mut by_status.low_stock,
                Status::OutOfStock => &mut by_status.out_of_stock,
                Status::Discontinued => &mut by_status.discontinued,
            };
            *into = *count;
        }
        let money = |(currency, amount)| Money { amount, currency };
        Self {
            stocks: stats.by_status.iter().map(|(_, count)| count).sum(),
            by_status,
            units_reserved: stats.units_reserved,
            total_value: stats.total_value.into_iter().map(money).collect(),
        }
    }
}

/// What became of one of several operations.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ItemView {
    /// Its place in the request, from 0.
    pub(super) index: usize,
    /// The HTTP status that it would have had alone.
    pub(super) status: u16,
    /// The answer that it would have had alone: problem details if it failed.
    pub(super) body: serde_json::Value,
}

/// What became of several operations.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchView {
    /// One result per operation, in their order.
    pub(super) results: Vec<ItemView>,
}

/// A stock as a page of a list has it.
pub(super) type StockPage = Page<StockView>;
