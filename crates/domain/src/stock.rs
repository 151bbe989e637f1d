//! The Stock aggregate: what is on hand, what is held, what it costs.

mod error;
mod event;
mod id;
mod price;
mod quantity;
mod reservation;
mod routing;
mod state;
mod status;
mod text;
mod version;

use std::ops::Deref;

pub use error::{InvariantViolation, StockError};
pub use event::{Change, Operation, Previous, Stamp, StockUpdatedEvent};
pub use id::{ReservationId, StockId};
pub use price::Price;
pub use quantity::{PositiveQuantity, Quantity};
pub use reservation::{NewHold, OrderLine, Reservation, ReservationData, ReservationState};
pub use routing::{Condition, NoCatchAll, RoutingFacts, RoutingTable, Rule, Stream};
pub use state::{NewDetails, NewStock, StockState};
pub use status::Status;
pub use text::{Actor, ClientOrderId, Currency, ProductId, ProductName, Reason, Reference, Symbol};
pub use version::Version;

/// Aggregate root. A command returns the event that carries the stock after it, or why it was refused; the stock it
/// was called on stays as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stock(StockState);

impl Deref for Stock {
    type Target = StockState;

    fn deref(&self) -> &StockState {
        &self.0
    }
}

impl Stock {
    /// The threshold of a stock whose creator named none.
    pub const DEFAULT_LOW_STOCK_THRESHOLD: u64 = 10;

    /// A new stock, at version 1.
    #[must_use]
    pub fn create(new: NewStock, stamp: Stamp) -> StockUpdatedEvent {
        let stock = Self(StockState {
            id: new.id,
            product_id: new.product_id,
            symbol: new.symbol,
            product_name: new.product_name,
            quantity: new.quantity,
            reserved: Quantity::ZERO,
            unit_price: new.unit_price,
            currency: new.currency,
            low_stock_threshold: new.low_stock_threshold,
            discontinued: false,
            version: Version::FIRST,
            created_at: stamp.at,
            updated_at: stamp.at,
        });
        StockUpdatedEvent {
            id: stamp.event_id,
            stock,
            previous: None,
            change: Change::Created,
            actor: stamp.actor,
            occurred_at: stamp.at,
        }
    }

    /// The stock that a store kept.
    ///
    /// # Errors
    /// [`InvariantViolation`] if more is reserved than there is.
    pub fn from_state(state: StockState) -> Result<Self, InvariantViolation> {
        if state.reserved > state.quantity {
            return Err(InvariantViolation {
                reserved: state.reserved,
                quantity: state.quantity,
            });
        }
        Ok(Self(state))
    }

    /// Units that can be reserved now.
    #[must_use]
    pub fn available(&self) -> Quantity {
        self.quantity
            .checked_sub(self.reserved)
            .unwrap_or(Quantity::ZERO)
    }

    /// Where the stock stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let available = self.available();
        if self.discontinued {
            Status::Discontinued
        } else if available == Quantity::ZERO {
            Status::OutOfStock
        } else if available < self.low_stock_threshold {
            Status::LowStock
        } else {
            Status::Available
        }
    }

    /// Sets the quantity on hand.
    ///
    /// # Errors
    /// [`StockError::BelowReserved`] if it would not cover the reservations.
    pub fn set_quantity(
        &self,
        quantity: Quantity,
        reason: Reason,
        reference: Option<Reference>,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        if quantity < self.reserved {
            return Err(StockError::BelowReserved {
                reserved: self.reserved,
                requested: quantity,
            });
        }
        let change = Change::QuantityUpdated { reason, reference };
        Ok(self.changed(change, stamp, |stock| stock.quantity = quantity))
    }

    /// Adds units to what is on hand, or takes some of what is available; `delta` is in units.
    ///
    /// # Errors
    /// [`StockError::InsufficientStock`] if fewer are available than are to be taken, or [`StockError::TooManyUnits`].
    pub fn adjust(
        &self,
        delta: i64,
        reason: Reason,
        reference: Option<Reference>,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        let units = Quantity::try_from(delta.unsigned_abs()).map_err(|_| StockError::TooManyUnits);
        let quantity = if delta < 0 {
            let (available, requested) = (self.available(), units?);
            if requested > available {
                return Err(StockError::InsufficientStock {
                    available,
                    requested,
                });
            }
            self.quantity.checked_sub(requested)
        } else {
            self.quantity.checked_add(units?)
        };
        let quantity = quantity.ok_or(StockError::TooManyUnits)?;
        self.set_quantity(quantity, reason, reference, stamp)
    }

    /// Sets names and threshold; `None` if they are so already.
    #[must_use]
    pub fn describe(&self, details: NewDetails, stamp: Stamp) -> Option<StockUpdatedEvent> {
        let described = StockState {
            symbol: details.symbol.unwrap_or_else(|| self.symbol.clone()),
            product_name: details
                .product_name
                .unwrap_or_else(|| self.product_name.clone()),
            low_stock_threshold: details
                .low_stock_threshold
                .unwrap_or(self.low_stock_threshold),
            ..self.0.clone()
        };
        (described != self.0)
            .then(|| self.changed(Change::DetailsUpdated, stamp, |stock| *stock = described))
    }

    /// Sets the price of one unit.
    #[must_use]
    pub fn set_price(&self, price: Price, reason: Reason, stamp: Stamp) -> StockUpdatedEvent {
        let change = Change::PriceUpdated { reason };
        self.changed(change, stamp, |stock| stock.unit_price = price)
    }

    /// Holds units for a client.
    ///
    /// # Errors
    /// [`StockError::InsufficientStock`], or [`StockError::Discontinued`].
    pub fn reserve(
        &self,
        hold: NewHold,
        reason: Option<Reason>,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        if self.discontinued {
            return Err(StockError::Discontinued);
        }
        let units = hold.quantity.get();
        let insufficient = StockError::InsufficientStock {
            available: self.available(),
            requested: units,
        };
        let reserved = self
            .reserved
            .checked_add(units)
            .filter(|reserved| *reserved <= self.quantity)
            .ok_or(insufficient)?;
        let reservation = Reservation::from(ReservationData {
            id: hold.id,
            stock_id: self.id.clone(),
            quantity: hold.quantity,
            state: ReservationState::Held,
            confirmed: Quantity::ZERO,
            expires_at: hold.expires_at,
            holder: stamp.actor.clone(),
            order: hold.order,
            created_at: stamp.at,
            updated_at: stamp.at,
        });
        let change = Change::Reserved {
            reservation,
            reason,
        };
        Ok(self.changed(change, stamp, |stock| stock.reserved = reserved))
    }

    /// Takes units of a hold, all of them unless `units` says fewer: they leave what is on hand. The hold ends, so what
    /// is not taken can be reserved again.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`], [`StockError::ConfirmsMore`], or [`StockError::ForeignReservation`].
    pub fn confirm(
        &self,
        reservation: &Reservation,
        units: Option<PositiveQuantity>,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        let held = reservation.quantity.get();
        let taken = units.unwrap_or(reservation.quantity).get();
        let reservation = reservation.end(ReservationState::Confirmed, taken, stamp.at)?;
        if taken > held {
            return Err(StockError::ConfirmsMore {
                held,
                requested: taken,
            });
        }
        let reserved = self.without(&reservation)?;
        let quantity = self
            .quantity
            .checked_sub(taken)
            .ok_or(StockError::ForeignReservation)?;
        let change = Change::ReservationConfirmed { reservation };
        Ok(self.changed(change, stamp, |stock| {
            stock.reserved = reserved;
            stock.quantity = quantity;
        }))
    }

    /// Gives the units of a hold back, because its client said so.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`], or [`StockError::ForeignReservation`].
    pub fn release(
        &self,
        reservation: &Reservation,
        reason: Reason,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        let reservation = reservation.end(ReservationState::Released, Quantity::ZERO, stamp.at)?;
        let reserved = self.without(&reservation)?;
        let change = Change::ReservationReleased {
            reservation,
            reason,
        };
        Ok(self.changed(change, stamp, |stock| stock.reserved = reserved))
    }

    /// Gives the units of a hold back, because its time ran out.
    ///
    /// # Errors
    /// [`StockError::ReservationEnded`], or [`StockError::ForeignReservation`].
    pub fn expire(
        &self,
        reservation: &Reservation,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        let reservation = reservation.end(ReservationState::Expired, Quantity::ZERO, stamp.at)?;
        let reserved = self.without(&reservation)?;
        let change = Change::ReservationExpired { reservation };
        Ok(self.changed(change, stamp, |stock| stock.reserved = reserved))
    }

    /// Takes the stock out of sale; what is held can still be confirmed or released.
    ///
    /// # Errors
    /// [`StockError::Discontinued`] if it is out of sale already.
    pub fn discontinue(
        &self,
        reason: Reason,
        stamp: Stamp,
    ) -> Result<StockUpdatedEvent, StockError> {
        if self.discontinued {
            return Err(StockError::Discontinued);
        }
        let change = Change::Discontinued { reason };
        Ok(self.changed(change, stamp, |stock| stock.discontinued = true))
    }

    /// What is reserved without this hold.
    fn without(&self, reservation: &Reservation) -> Result<Quantity, StockError> {
        self.reserved
            .checked_sub(reservation.quantity.get())
            .filter(|_| reservation.stock_id == self.id)
            .ok_or(StockError::ForeignReservation)
    }

    fn changed(
        &self,
        change: Change,
        stamp: Stamp,
        mutate: impl FnOnce(&mut StockState),
    ) -> StockUpdatedEvent {
        let mut after = self.0.clone();
        mutate(&mut after);
        after.version = self.version.next();
        after.updated_at = stamp.at;
        StockUpdatedEvent {
            id: stamp.event_id,
            stock: Self(after),
            previous: Some(Previous {
                quantity: self.quantity,
                reserved: self.reserved,
                unit_price: self.unit_price,
                status: self.status(),
            }),
            change,
            actor: stamp.actor,
            occurred_at: stamp.at,
        }
    }
}
