//! The value of an event, version 1.

use domain::stock::{Price, Reservation, ReservationState, Stock, StockUpdatedEvent};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::contract::names;

/// The JSON value of a `StockUpdatedEvent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockUpdated {
    /// What was done, for example `RESERVED`.
    #[schema(schema_with = names::operations)]
    pub operation: String,
    /// The full state after it.
    pub stock: StockView,
    /// What it replaced; absent for a new stock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub previous: Option<PreviousView>,
    /// The delta, and why.
    pub change: ChangeView,
    /// Who did it.
    pub actor: String,
    /// When it was decided.
    #[serde(with = "time::serde::rfc3339")]
    pub occurred_at: OffsetDateTime,
}

/// A stock, as events and REST answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StockView {
    /// Identity.
    pub stock_id: String,
    /// The client's name of the product.
    pub product_id: String,
    /// What partners trade it under.
    pub symbol: String,
    /// Its name for people.
    pub product_name: String,
    /// Units on hand.
    pub quantity: u64,
    /// Units held.
    pub reserved: u64,
    /// Units that can be reserved.
    pub available: u64,
    /// Price of one unit, as a decimal string.
    pub unit_price: String,
    /// The price's currency.
    pub currency: String,
    /// `quantity` times `unitPrice`, as a decimal string.
    pub total_value: String,
    /// Below so many available units the stock is low.
    pub low_stock_threshold: u64,
    /// `AVAILABLE`, `LOW_STOCK`, `OUT_OF_STOCK` or `DISCONTINUED`.
    #[schema(schema_with = names::statuses)]
    pub status: String,
    /// One per change, from 1.
    pub version: u64,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it changed last.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// What a change replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreviousView {
    /// Units on hand before.
    pub quantity: u64,
    /// Units held before.
    pub reserved: u64,
    /// Price of one unit before.
    pub unit_price: String,
    /// Status before.
    #[schema(schema_with = names::statuses)]
    pub status: String,
}

/// The delta, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeView {
    /// How the units on hand changed.
    pub quantity_delta: i64,
    /// How the units held changed.
    pub reserved_delta: i64,
    /// Why, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
    /// The document behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reference_uri: Option<String>,
    /// The hold that was made or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reservation: Option<ReservationView>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationView {
    /// Identity.
    pub reservation_id: String,
    /// Its units.
    pub quantity: u64,
    /// `HELD`, `CONFIRMED`, `RELEASED` or `EXPIRED`.
    #[schema(schema_with = names::reservation_states)]
    pub state: String,
    /// Units that were taken, where it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub confirmed_quantity: Option<u64>,
    /// When its time runs out, or would have.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    #[schema(nullable = false)]
    pub expires_at: Option<OffsetDateTime>,
    /// The client's name of the order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_order_id: Option<String>,
}

impl From<&Stock> for StockView {
    fn from(stock: &Stock) -> Self {
        Self {
            stock_id: stock.id.as_str().to_owned(),
            product_id: stock.product_id.as_str().to_owned(),
            symbol: stock.symbol.as_str().to_owned(),
            product_name: stock.product_name.as_str().to_owned(),
            quantity: stock.quantity.get(),
            reserved: stock.reserved.get(),
            available: stock.available().get(),
            unit_price: stock.unit_price.to_string(),
            currency: stock.currency.as_str().to_owned(),
            total_value: Price::total(stock.unit_price, stock.quantity).to_string(),
            low_stock_threshold: stock.low_stock_threshold.get(),
            status: stock.status().as_str().to_owned(),
            version: stock.version.get(),
            created_at: stock.created_at,
            updated_at: stock.updated_at,
        }
    }
}

impl From<&Reservation> for ReservationView {
    fn from(reservation: &Reservation) -> Self {
        let confirmed = reservation.state == ReservationState::Confirmed;
        let order = reservation.order.as_ref();
        Self {
            reservation_id: reservation.id.as_str().to_owned(),
            quantity: reservation.quantity.get().get(),
            state: reservation.state.as_str().to_owned(),
            confirmed_quantity: confirmed.then(|| reservation.confirmed.get()),
            expires_at: Some(reservation.expires_at),
            client_order_id: order.map(|line| line.order.as_str().to_owned()),
        }
    }
}

impl From<&StockUpdatedEvent> for StockUpdated {
    fn from(event: &StockUpdatedEvent) -> Self {
        let change = &event.change;
        Self {
            operation: event.operation().as_str().to_owned(),
            stock: (&event.stock).into(),
            previous: event.previous.map(|previous| PreviousView {
                quantity: previous.quantity.get(),
                reserved: previous.reserved.get(),
                unit_price: previous.unit_price.to_string(),
                status: previous.status.as_str().to_owned(),
            }),
            change: ChangeView {
                quantity_delta: event.quantity_delta(),
                reserved_delta: event.reserved_delta(),
                reason: change.reason().map(|text| text.as_str().to_owned()),
                reference_uri: change.reference().map(|text| text.as_str().to_owned()),
                reservation: change.reservation().map(Into::into),
            },
            actor: event.actor.as_str().to_owned(),
            occurred_at: event.occurred_at,
        }
    }
}
