//! Holds on a stock.

use crate::stock::{PositiveQuantity, ReservationId, StockError};

/// A hold on units of one stock: HELD, then exactly one of CONFIRMED, RELEASED, EXPIRED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    id: ReservationId,
    quantity: PositiveQuantity,
    state: ReservationState,
}

/// Where a hold stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

impl Reservation {
    /// A new hold.
    #[must_use]
    pub fn hold(id: ReservationId, quantity: PositiveQuantity) -> Self {
        Self {
            id,
            quantity,
            state: ReservationState::Held,
        }
    }

    /// Its identity.
    #[must_use]
    pub fn id(&self) -> &ReservationId {
        &self.id
    }

    /// The units it holds, or held.
    #[must_use]
    pub fn quantity(&self) -> PositiveQuantity {
        self.quantity
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> ReservationState {
        self.state
    }

    /// The same hold, ended as `end`.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`] if it has ended already: exactly one end wins.
    pub(crate) fn end(&self, end: ReservationState) -> Result<Self, StockError> {
        match self.state {
            ReservationState::Held => Ok(Self {
                state: end,
                ..self.clone()
            }),
            state @ (ReservationState::Confirmed
            | ReservationState::Released
            | ReservationState::Expired) => Err(StockError::ReservationEnded { state }),
        }
    }
}
