//! Holds: how they are made, and how they end.

use std::{collections::BTreeMap, time::Duration};

use domain::stock::{
    Actor, NewHold, OrderLine, PositiveQuantity, ReservationId, ReservationState, Stock,
    StockError, StockId, StockUpdatedEvent,
};
use time::OffsetDateTime;

use super::Batch;
use crate::stock::{
    Answer, CommandError, EndReservation, LineOutcome, Rejection, RequestContext, Reserve,
    ReserveMode, attempt::Attempt,
};

impl Batch<'_> {
    /// Holds units. Where due holds stand in the way, they end first.
    pub(super) fn reserve(
        &mut self,
        reserve: &Reserve,
        alone: bool,
        context: &RequestContext,
    ) -> Result<Answer, CommandError> {
        let mut wanted: BTreeMap<&StockId, PositiveQuantity> = BTreeMap::new();
        for (stock_id, units) in &reserve.lines {
            let sum = match wanted.get(stock_id) {
                None => Some(*units),
                Some(before) => before.checked_add(*units),
            };
            let too_many = Rejection::Rule(StockError::TooManyUnits);
            wanted.insert(stock_id, sum.ok_or(too_many)?);
        }
        for (stock_id, units) in &wanted {
            self.expire_due(stock_id, units.get().get(), context)?;
        }
        if let Some(order) = &reserve.order
            && self
                .orders
                .contains(&(context.actor.clone(), order.clone()))
        {
            return Err(Rejection::DuplicateOrder(order.clone()).into());
        }
        self.attempt(context, |batch, attempt| {
            let mut lines = Vec::with_capacity(wanted.len());
            for (stock_id, quantity) in wanted {
                let held = batch.hold(stock_id, quantity, reserve, attempt, &context.actor);
                lines.push(LineOutcome {
                    stock_id: stock_id.clone(),
                    quantity,
                    held: held.map(Box::new),
                });
            }
            if alone && let Some(line) = lines.pop() {
                return line.held.map(Answer::ReservedOne);
            }
            let held = lines.iter().filter(|line| line.held.is_ok()).count();
            let enough = match reserve.mode {
                ReserveMode::All => held == lines.len(),
                ReserveMode::Partial => held > 0,
            };
            if enough {
                Ok(Answer::Reserved(lines))
            } else {
                Err(Rejection::Lines(lines))
            }
        })
    }

    fn hold(
        &self,
        stock_id: &StockId,
        quantity: PositiveQuantity,
        reserve: &Reserve,
        attempt: &mut Attempt<'_>,
        actor: &Actor,
    ) -> Result<StockUpdatedEvent, Rejection> {
        let stock = attempt.stock(stock_id)?;
        let stamp = attempt.stamp(Some(stock), actor);
        let line = u16::try_from(attempt.events.len()).unwrap_or(u16::MAX);
        let order = reserve.order.clone();
        let hold = NewHold {
            id: ReservationId::from_uuid(self.parts.ids.next()),
            quantity,
            expires_at: until(self.now, reserve.ttl),
            order: order.map(|order| OrderLine { order, line }),
        };
        let event = stock
            .reserve(hold, reserve.reason.clone(), stamp)
            .map_err(|rule| self.explained(rule, stock_id))?;
        attempt.record(event.clone());
        Ok(event)
    }

    /// A rule of the stock, with what lets the client act.
    fn explained(&self, rule: StockError, stock_id: &StockId) -> Rejection {
        let held = self
            .reservations
            .values()
            .filter(|held| held.stock_id == *stock_id && held.state == ReservationState::Held);
        match rule {
            StockError::InsufficientStock {
                available,
                requested,
            } => Rejection::Insufficient {
                stock_id: stock_id.clone(),
                available,
                requested,
                soonest_expiry: held.map(|held| held.expires_at).min(),
            },
            rule => Rejection::Rule(rule),
        }
    }

    /// Ends due holds of the stock until so many units are available, the oldest first; returns how many.
    pub(super) fn expire_due(
        &mut self,
        stock_id: &StockId,
        units: u64,
        context: &RequestContext,
    ) -> Result<usize, CommandError> {
        let enough = |stock: &Stock| stock.available().get() >= units;
        if self.stocks.get(stock_id).is_none_or(enough) {
            return Ok(0);
        }
        let mut due: Vec<_> = self
            .reservations
            .values()
            .filter(|held| held.stock_id == *stock_id && held.is_due(self.now))
            .map(|held| (held.expires_at, held.id.clone()))
            .collect();
        due.sort_unstable();
        let mut expired = 0;
        for (_, id) in due {
            if self.stocks.get(stock_id).is_none_or(enough) {
                break;
            }
            match self.expire_if_due(&id, context) {
                Ok(()) => expired += 1,
                // The hold does not fit its stock: it must not keep the others from ending.
                Err(CommandError::Rejected(rejection)) => {
                    tracing::error!(code = "HOLD_INCONSISTENT", "reservationId" = %id, error = %rejection, "a due hold cannot end");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    /// Ends the hold if its time is over, whatever becomes of the command that found it so.
    pub(super) fn expire_if_due(
        &mut self,
        id: &ReservationId,
        context: &RequestContext,
    ) -> Result<(), CommandError> {
        let held = self.reservations.get(id);
        if !held.is_some_and(|held| held.is_due(self.now)) {
            return Ok(());
        }
        self.attempt(context, |batch, attempt| {
            let reservation = attempt.reservation(id)?;
            let stock = attempt.stock(&reservation.stock_id)?;
            let stamp = attempt.stamp(Some(stock), &batch.parts.own_actor);
            let event = stock.expire(reservation, stamp).map_err(Rejection::Rule)?;
            attempt.record(event);
            Ok(Answer::Expired(1))
        })
        .map(drop)
    }
}

/// The time so long after `now`. Both are bounded, so that the sum is a time.
pub(super) fn until(now: OffsetDateTime, ttl: Duration) -> OffsetDateTime {
    let ttl = time::Duration::try_from(ttl).unwrap_or(time::Duration::MAX);
    now.saturating_add(ttl)
}

/// Ends a hold as its client says, unless it has ended so already.
pub(super) fn ended(
    id: &ReservationId,
    end: &EndReservation,
    attempt: &mut Attempt<'_>,
    actor: &Actor,
) -> Result<Answer, Rejection> {
    let reservation = attempt.reservation(id)?;
    let so_already = match end {
        EndReservation::Confirm { units } => {
            let units = units.unwrap_or(reservation.quantity).get();
            reservation.state == ReservationState::Confirmed && reservation.confirmed == units
        }
        EndReservation::Release { .. } => reservation.state == ReservationState::Released,
    };
    if so_already {
        return Ok(Answer::Reservation(Box::new(reservation.clone())));
    }
    let stock = attempt.stock(&reservation.stock_id)?;
    let stamp = attempt.stamp(Some(stock), actor);
    let event = match end {
        EndReservation::Confirm { units } => stock.confirm(reservation, *units, stamp),
        EndReservation::Release { reason } => stock.release(reservation, reason.clone(), stamp),
    };
    let event = event.map_err(Rejection::Rule)?;
    let ended = event.change.reservation().cloned();
    attempt.record(event);
    let ended = ended.ok_or_else(|| Rejection::UnknownReservation(id.clone()))?;
    Ok(Answer::Reservation(Box::new(ended)))
}
