//! Holds on a stock.

use std::ops::Deref;

use time::OffsetDateTime;

use crate::stock::{
    Actor, ClientOrderId, PositiveQuantity, Quantity, ReservationId, StockError, StockId,
};

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReservationState {
    /// The units are held.
    Held,
    /// The units were taken.
    Confirmed,
    /// The units were given back by the client.
    Released,
    /// The units were given back because the time of the hold ran out.
    Expired,
}

impl ReservationState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Held, Self::Confirmed, Self::Released, Self::Expired];

    /// The state's name in events, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "HELD",
            Self::Confirmed => "CONFIRMED",
            Self::Released => "RELEASED",
            Self::Expired => "EXPIRED",
        }
    }
}

/// The place of a hold in its client's order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderLine {
    /// The client's name of the order.
    pub order: ClientOrderId,
    /// Holds of one order are numbered, from 0.
    pub line: u16,
}

/// A hold that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewHold {
    /// Identity.
    pub id: ReservationId,
    /// Its units.
    pub quantity: PositiveQuantity,
    /// When its time runs out.
    pub expires_at: OffsetDateTime,
    /// The client's order, if it named one.
    pub order: Option<OrderLine>,
}

/// The data of a hold. It is read through [`Reservation`], which alone says how it may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReservationData {
    /// Identity.
    pub id: ReservationId,
    /// The stock whose units it holds.
    pub stock_id: StockId,
    /// The units it holds, or held.
    pub quantity: PositiveQuantity,
    /// Where it stands.
    pub state: ReservationState,
    /// The units that were taken: at most `quantity`, and 0 unless it is confirmed.
    pub confirmed: Quantity,
    /// When its time runs out, or would have.
    pub expires_at: OffsetDateTime,
    /// Who made it.
    pub holder: Actor,
    /// Its place in the holder's order.
    pub order: Option<OrderLine>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it changed last.
    pub updated_at: OffsetDateTime,
}

/// A hold on units of one stock: HELD, then exactly one of CONFIRMED, RELEASED, EXPIRED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation(ReservationData);

impl Deref for Reservation {
    type Target = ReservationData;

    fn deref(&self) -> &ReservationData {
        &self.0
    }
}

impl From<ReservationData> for Reservation {
    fn from(data: ReservationData) -> Self {
        Self(data)
    }
}

impl Reservation {
    /// Whether it still holds units although its time is over.
    #[must_use]
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state == ReservationState::Held && self.expires_at <= now
    }

    /// The same hold, for longer or shorter.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`].
    pub fn extend(
        &self,
        expires_at: OffsetDateTime,
        at: OffsetDateTime,
    ) -> Result<Self, StockError> {
        self.held(at).map(|held| {
            Self(ReservationData {
                expires_at,
                ..held.0
            })
        })
    }

    /// The same hold, ended as `end` with `confirmed` units taken.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`] if it has ended already: exactly one end wins.
    pub(crate) fn end(
        &self,
        end: ReservationState,
        confirmed: Quantity,
        at: OffsetDateTime,
    ) -> Result<Self, StockError> {
        self.held(at).map(|held| {
            Self(ReservationData {
                state: end,
                confirmed,
                ..held.0
            })
        })
    }

    /// What a change of this hold begins with.
    fn held(&self, at: OffsetDateTime) -> Result<Self, StockError> {
        match self.state {
            ReservationState::Held => Ok(Self(ReservationData {
                updated_at: at,
                ..self.0.clone()
            })),
            state @ (ReservationState::Confirmed
            | ReservationState::Released
            | ReservationState::Expired) => Err(StockError::ReservationEnded { state }),
        }
    }
}
