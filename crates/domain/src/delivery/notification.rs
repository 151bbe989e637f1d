//! A change of a stock as the delivery context understands it.

use std::sync::Arc;

use rust_decimal::Decimal;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::value::{bounded_text, text_value};

text_value! {
    /// The name a partner gave to a stock, 1 to 256 characters.
    ExternalId, |text| bounded_text(text, 256)
}

/// The full state of a stock at one version: what a partner's picture of it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The stock's version, from 1.
    pub version: u64,
    /// The product's name at the stock service.
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
    /// Price of one unit.
    pub unit_price: Decimal,
    /// The price's currency.
    pub currency: String,
    /// `AVAILABLE`, `LOW_STOCK`, `OUT_OF_STOCK` or `DISCONTINUED`.
    pub status: String,
}

/// What happened to the stock, or why a partner is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// It came into being.
    Created,
    /// Its quantity on hand was set.
    QuantityUpdated,
    /// Its price was set.
    PriceUpdated,
    /// Its names or its low-stock threshold were set.
    DetailsUpdated,
    /// It was taken out of sale.
    Discontinued,
    /// Units were held.
    Reserved {
        /// The hold.
        reservation_id: String,
        /// Its units.
        units: u64,
    },
    /// Held units were taken.
    ReservationConfirmed {
        /// The hold.
        reservation_id: String,
        /// Its units.
        units: u64,
    },
    /// Held units were given back.
    ReservationReleased {
        /// The hold.
        reservation_id: String,
        /// Its units.
        units: u64,
    },
    /// Held units were given back because their time ran out.
    ReservationExpired {
        /// The hold.
        reservation_id: String,
        /// Its units.
        units: u64,
    },
    /// Nothing: an operator wants the partner to be told the present state.
    Resynchronized,
}

impl Effect {
    /// The operations that events tell of.
    pub const OPERATIONS: [&str; 9] = [
        "CREATED",
        "QUANTITY_UPDATED",
        "PRICE_UPDATED",
        "DETAILS_UPDATED",
        "DISCONTINUED",
        "RESERVED",
        "RESERVATION_CONFIRMED",
        "RESERVATION_RELEASED",
        "RESERVATION_EXPIRED",
    ];

    /// The operation of a call that an operator wants.
    pub const RESYNCHRONIZED: &str = "RESYNCHRONIZED";

    /// The hold that it made or ended, and its units.
    #[must_use]
    pub fn hold(&self) -> Option<(&str, u64)> {
        match self {
            Self::Reserved {
                reservation_id,
                units,
            }
            | Self::ReservationConfirmed {
                reservation_id,
                units,
            }
            | Self::ReservationReleased {
                reservation_id,
                units,
            }
            | Self::ReservationExpired {
                reservation_id,
                units,
            } => Some((reservation_id, *units)),
            Self::Created
            | Self::QuantityUpdated
            | Self::PriceUpdated
            | Self::DetailsUpdated
            | Self::Discontinued
            | Self::Resynchronized => None,
        }
    }

    /// The name of the operation in events, logs and tables.
    #[must_use]
    pub fn operation(&self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::QuantityUpdated => "QUANTITY_UPDATED",
            Self::PriceUpdated => "PRICE_UPDATED",
            Self::DetailsUpdated => "DETAILS_UPDATED",
            Self::Discontinued => "DISCONTINUED",
            Self::Reserved { .. } => "RESERVED",
            Self::ReservationConfirmed { .. } => "RESERVATION_CONFIRMED",
            Self::ReservationReleased { .. } => "RESERVATION_RELEASED",
            Self::ReservationExpired { .. } => "RESERVATION_EXPIRED",
            Self::Resynchronized => Self::RESYNCHRONIZED,
        }
    }

    /// Whether only the newest counts, so that an older one may be skipped. All others have to reach the partner.
    #[must_use]
    pub fn is_state(&self) -> bool {
        match self {
            Self::QuantityUpdated
            | Self::PriceUpdated
            | Self::DetailsUpdated
            | Self::Discontinued
            | Self::Resynchronized => true,
            Self::Created
            | Self::Reserved { .. }
            | Self::ReservationConfirmed { .. }
            | Self::ReservationReleased { .. }
            | Self::ReservationExpired { .. } => false,
        }
    }
}

/// One event of the stock service, translated into the words of delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The event's id, the same in every repeat.
    pub event_id: Uuid,
    /// The stock.
    pub stock_id: String,
    /// What happened.
    pub effect: Effect,
    /// The stock after it.
    pub picture: Arc<Picture>,
    /// The status before it; none for a new stock.
    pub previous_status: Option<String>,
    /// How the units on hand changed.
    pub quantity_delta: i64,
    /// How the units held changed.
    pub reserved_delta: i64,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: String,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// The name under which the request can be followed through all logs.
    pub correlation_id: String,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

impl Notification {
    /// The stock's version that this change made.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.picture.version
    }
}
