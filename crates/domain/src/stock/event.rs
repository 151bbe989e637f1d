//! What a change of a stock says to the world.

use time::OffsetDateTime;
use uuid::Uuid;

use crate::stock::{Actor, Price, Quantity, Reason, Reference, Reservation, Status, Stock};

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A stock came into being.
    Created,
    /// The quantity on hand was set.
    QuantityUpdated,
    /// The unit price was set.
    PriceUpdated,
    /// Names or the low-stock threshold were set.
    DetailsUpdated,
    /// Units were held.
    Reserved,
    /// Held units were taken.
    ReservationConfirmed,
    /// Held units were given back.
    ReservationReleased,
    /// Held units were given back because their time ran out.
    ReservationExpired,
    /// The stock was taken out of sale.
    Discontinued,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 9] = [
        Self::Created,
        Self::QuantityUpdated,
        Self::PriceUpdated,
        Self::DetailsUpdated,
        Self::Reserved,
        Self::ReservationConfirmed,
        Self::ReservationReleased,
        Self::ReservationExpired,
        Self::Discontinued,
    ];

    /// The operation's name in events, rules and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::QuantityUpdated => "QUANTITY_UPDATED",
            Self::PriceUpdated => "PRICE_UPDATED",
            Self::DetailsUpdated => "DETAILS_UPDATED",
            Self::Reserved => "RESERVED",
            Self::ReservationConfirmed => "RESERVATION_CONFIRMED",
            Self::ReservationReleased => "RESERVATION_RELEASED",
            Self::ReservationExpired => "RESERVATION_EXPIRED",
            Self::Discontinued => "DISCONTINUED",
        }
    }
}

/// What was done to the stock, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// See [`Operation::Created`].
    Created,
    /// See [`Operation::QuantityUpdated`].
    QuantityUpdated {
        /// Why.
        reason: Reason,
        /// The document behind it.
        reference: Option<Reference>,
    },
    /// See [`Operation::PriceUpdated`].
    PriceUpdated {
        /// Why.
        reason: Reason,
    },
    /// See [`Operation::DetailsUpdated`].
    DetailsUpdated,
    /// See [`Operation::Reserved`].
    Reserved {
        /// The new hold.
        reservation: Reservation,
        /// Why.
        reason: Option<Reason>,
    },
    /// See [`Operation::ReservationConfirmed`].
    ReservationConfirmed {
        /// The hold, ended.
        reservation: Reservation,
    },
    /// See [`Operation::ReservationReleased`].
    ReservationReleased {
        /// The hold, ended.
        reservation: Reservation,
        /// Why.
        reason: Reason,
    },
    /// See [`Operation::ReservationExpired`].
    ReservationExpired {
        /// The hold, ended.
        reservation: Reservation,
    },
    /// See [`Operation::Discontinued`].
    Discontinued {
        /// Why.
        reason: Reason,
    },
}

impl Change {
    /// The kind of this change.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Created => Operation::Created,
            Self::QuantityUpdated { .. } => Operation::QuantityUpdated,
            Self::PriceUpdated { .. } => Operation::PriceUpdated,
            Self::DetailsUpdated => Operation::DetailsUpdated,
            Self::Reserved { .. } => Operation::Reserved,
            Self::ReservationConfirmed { .. } => Operation::ReservationConfirmed,
            Self::ReservationReleased { .. } => Operation::ReservationReleased,
            Self::ReservationExpired { .. } => Operation::ReservationExpired,
            Self::Discontinued { .. } => Operation::Discontinued,
        }
    }

    /// Why the change was made, where somebody said so.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::QuantityUpdated { reason, .. }
            | Self::PriceUpdated { reason }
            | Self::ReservationReleased { reason, .. }
            | Self::Discontinued { reason } => Some(reason),
            Self::Reserved { reason, .. } => reason.as_ref(),
            Self::Created
            | Self::DetailsUpdated
            | Self::ReservationConfirmed { .. }
            | Self::ReservationExpired { .. } => None,
        }
    }

    /// The document behind the change.
    #[must_use]
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::QuantityUpdated { reference, .. } => reference.as_ref(),
            _ => None,
        }
    }

    /// The hold that the change made or ended.
    #[must_use]
    pub fn reservation(&self) -> Option<&Reservation> {
        match self {
            Self::Reserved { reservation, .. }
            | Self::ReservationConfirmed { reservation }
            | Self::ReservationReleased { reservation, .. }
            | Self::ReservationExpired { reservation } => Some(reservation),
            Self::Created
            | Self::QuantityUpdated { .. }
            | Self::PriceUpdated { .. }
            | Self::DetailsUpdated
            | Self::Discontinued { .. } => None,
        }
    }
}

/// What the change replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Previous {
    /// Units on hand before.
    pub quantity: Quantity,
    /// Units held before.
    pub reserved: Quantity,
    /// Price per unit before.
    pub unit_price: Price,
    /// Status before.
    pub status: Status,
}

/// What every change of a stock is given besides its own data: who, when, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// The id of the event that the change emits.
    pub event_id: Uuid,
    /// When the change was decided.
    pub at: OffsetDateTime,
    /// Who asked for it.
    pub actor: Actor,
}

/// Exactly one per version of a stock: the operation, the delta and the full state after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockUpdatedEvent {
    /// The event's identity, the same in every repeat.
    pub id: Uuid,
    /// The stock after the change.
    pub stock: Stock,
    /// What the change replaced; none for a new stock.
    pub previous: Option<Previous>,
    /// What was done.
    pub change: Change,
    /// Who did it.
    pub actor: Actor,
    /// When it was decided.
    pub occurred_at: OffsetDateTime,
}

impl StockUpdatedEvent {
    /// The kind of the change.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.change.operation()
    }

    /// How the quantity on hand changed, in units.
    #[must_use]
    pub fn quantity_delta(&self) -> i64 {
        self.stock
            .quantity
            .delta_from(self.previous.map_or(Quantity::ZERO, |p| p.quantity))
    }

    /// How the reserved quantity changed, in units.
    #[must_use]
    pub fn reserved_delta(&self) -> i64 {
        self.stock
            .reserved
            .delta_from(self.previous.map_or(Quantity::ZERO, |p| p.reserved))
    }

    /// The status that the stock entered with this change, if it is another one than before: the edge, not the level.
    #[must_use]
    pub fn entered_status(&self) -> Option<Status> {
        let status = self.stock.status();
        (self.previous.map(|p| p.status) != Some(status)).then_some(status)
    }
}
