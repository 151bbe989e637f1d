//! What of an event a translation can name.

use application::ports::PartnerCall;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// A member of an event, or of the stock behind it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Field {
            pub(super) const ALL: &[Self] = &[$(Self::$variant),+];

            /// Its name between braces.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

fields! {
    /// Our name of the stock.
    StockId = "stockId";
    /// The partner's name of the stock, once it is known.
    ExternalId = "externalId";
    /// The product's name at the stock service.
    ProductId = "productId";
    /// What partners trade it under.
    Symbol = "symbol";
    /// Its name for people.
    ProductName = "productName";
    /// Units on hand.
    Quantity = "quantity";
    /// Units held by all reservations.
    TotalReserved = "totalReserved";
    /// Units that can be reserved.
    Available = "available";
    /// Price of one unit, a decimal string.
    UnitPrice = "unitPrice";
    /// `quantity` times `unitPrice`, a decimal string.
    TotalValue = "totalValue";
    /// The price's currency.
    Currency = "currency";
    /// Where the stock stands.
    Status = "status";
    /// Where it stood before the event.
    PreviousStatus = "previousStatus";
    /// The version of the state that is told.
    Version = "version";
    /// What was done.
    Operation = "operation";
    /// The event's id; absent where an operator wants the present state told.
    EventId = "eventId";
    /// Names the effect, for ever.
    IdempotencyKey = "idempotencyKey";
    /// The request's name.
    CorrelationId = "correlationId";
    /// Units of the hold that was made or ended.
    Units = "units";
    /// The hold that was made or ended.
    ReservationId = "reservationId";
    /// How the units on hand changed.
    QuantityDelta = "quantityDelta";
    /// How the units held changed.
    ReservedDelta = "reservedDelta";
    /// Why, where somebody said so.
    Reason = "reason";
    /// Who did it.
    Actor = "actor";
    /// When it happened (RFC 3339).
    OccurredAt = "occurredAt";
}

impl Field {
    /// Its value in a call, if it has one there.
    pub(super) fn value(self, call: &PartnerCall) -> Option<Value> {
        let picture = &call.picture;
        let hold = call.effect.hold();
        let total = || {
            let total = Decimal::from(picture.quantity).checked_mul(picture.unit_price);
            total.map(|total| total.to_string())
        };
        Some(match self {
            Self::StockId => json!(call.stock_id),
            Self::ExternalId => json!(call.external_id.as_ref()?.as_str()),
            Self::ProductId => json!(picture.product_id),
            Self::Symbol => json!(picture.symbol),
            Self::ProductName => json!(picture.product_name),
            Self::Quantity => json!(picture.quantity),
            Self::TotalReserved => json!(picture.reserved),
            Self::Available => json!(picture.available),
            Self::UnitPrice => json!(picture.unit_price.to_string()),
            Self::TotalValue => json!(total()?),
            Self::Currency => json!(picture.currency),
            Self::Status => json!(picture.status),
            Self::PreviousStatus => json!(call.previous_status.as_ref()?),
            Self::Version => json!(picture.version),
            Self::Operation => json!(call.effect.operation()),
            Self::EventId => json!(call.event_id?),
            Self::IdempotencyKey => json!(call.idempotency_key),
            Self::CorrelationId => json!(call.correlation_id),
            Self::Units => json!(hold?.1),
            Self::ReservationId => json!(hold?.0),
            Self::QuantityDelta => json!(call.quantity_delta),
            Self::ReservedDelta => json!(call.reserved_delta),
            Self::Reason => json!(call.reason.as_ref()?),
            Self::Actor => json!(call.actor),
            Self::OccurredAt => json!(call.occurred_at.format(&Rfc3339).ok()?),
        })
    }
}
