//! Decides a batch of commands in memory, in the order of their arrival.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::stock::{
    Actor, ClientOrderId, NewHold, NewStock, OrderLine, PositiveQuantity, ProductId, Reservation,
    ReservationId, ReservationState, Stock, StockError, StockId, StockUpdatedEvent, Symbol,
};
use time::OffsetDateTime;

use crate::{
    ports::{
        Answered, Decided, Decision, Fingerprint, IdempotencyKey, Loaded, Recorded, StoredAnswer,
    },
    stock::{
        Answer, ChangeStock, Command, CommandError, CreateStock, EndReservation, Executed,
        LineOutcome, Rejection, Request, RequestContext, Reserve, ReserveMode, StockChange,
        StockCommandsParts, attempt::Attempt,
    },
};

/// What is known in a batch: what was loaded, as the commands decided so far leave it.
pub(super) struct Batch<'a> {
    pub(super) parts: &'a StockCommandsParts,
    pub(super) now: OffsetDateTime,
    pub(super) stocks: HashMap<StockId, Stock>,
    pub(super) reservations: HashMap<ReservationId, Reservation>,
    products: HashSet<ProductId>,
    orders: HashSet<(Actor, ClientOrderId)>,
    answered: HashMap<IdempotencyKey, (Fingerprint, StoredAnswer)>,
    decided: Decided,
}

/// Decides the requests, in order, on what was loaded.
pub(super) fn decide(
    parts: &StockCommandsParts,
    requests: &[Arc<Request>],
    loaded: Loaded,
) -> Decided {
    let mut batch = Batch::new(parts, loaded);
    for request in requests {
        let decision = batch.request(request);
        batch.decided.decisions.push(decision);
    }
    batch.decided
}

impl<'a> Batch<'a> {
    fn new(parts: &'a StockCommandsParts, loaded: Loaded) -> Self {
        let stocks = loaded.stocks.into_iter();
        let reservations = loaded.reservations.into_iter();
        let answered = loaded.answered.into_iter();
        Self {
            parts,
            now: loaded.now,
            stocks: stocks.map(|stock| (stock.id.clone(), stock)).collect(),
            reservations: reservations.map(|held| (held.id.clone(), held)).collect(),
            products: loaded.taken_products.into_iter().collect(),
            orders: loaded.taken_orders.into_iter().collect(),
            answered: answered
                .map(|before| (before.key, (before.fingerprint, before.answer)))
                .collect(),
            decided: Decided::default(),
        }
    }

    fn request(&mut self, request: &Request) -> Decision {
        let Some(keyed) = &request.keyed else {
            let answer = self.command(&request.command, &request.context)?;
            return Ok(Executed::Answer(answer));
        };
        match self.answered.get(&keyed.key) {
            Some((fingerprint, answer)) if *fingerprint == keyed.fingerprint => {
                return Ok(Executed::Replayed(answer.clone()));
            }
            Some(_) => return Err(Rejection::KeyReused.into()),
            None => {}
        }
        let decision = self.command(&request.command, &request.context);
        let decided = match &decision {
            Ok(answer) => Ok(answer),
            Err(CommandError::Rejected(rejection)) => Err(rejection),
            // What went wrong on our side is worth another attempt.
            Err(_) => return decision.map(Executed::Answer),
        };
        let answer = self.parts.answers.format(decided, &request.context);
        let before = (keyed.fingerprint, answer.clone());
        self.answered.insert(keyed.key.clone(), before);
        self.decided.answered.push(Answered {
            key: keyed.key.clone(),
            fingerprint: keyed.fingerprint,
            answer,
        });
        decision.map(Executed::Answer)
    }

    fn command(
        &mut self,
        command: &Command,
        context: &RequestContext,
    ) -> Result<Answer, CommandError> {
        match command {
            Command::Create(create) => self.attempt(context, |batch, attempt| {
                batch.create(create, attempt, &context.actor)
            }),
            Command::Change(change) => self.attempt(context, |_, attempt| {
                changed(change, attempt, &context.actor)
            }),
            Command::ReserveOne(reserve) | Command::Reserve(reserve) => {
                self.reserve(reserve, matches!(command, Command::ReserveOne(_)), context)
            }
            Command::End {
                reservation_id,
                end,
            } => {
                self.expire_if_due(reservation_id, context)?;
                self.attempt(context, |_, attempt| {
                    ended(reservation_id, end, attempt, &context.actor)
                })
            }
            Command::Extend {
                reservation_id,
                ttl,
            } => {
                self.expire_if_due(reservation_id, context)?;
                self.attempt(context, |batch, attempt| {
                    let reservation = attempt.reservation(reservation_id)?;
                    let until = until(batch.now, *ttl);
                    let extended = reservation
                        .extend(until, batch.now)
                        .map_err(Rejection::Rule)?;
                    attempt.extended = Some(extended.clone());
                    Ok(Answer::Reservation(Box::new(extended)))
                })
            }
            Command::ExpireDue(stock_id) => {
                let expired = self.expire_due(stock_id, u64::MAX, context)?;
                Ok(Answer::Expired(expired))
            }
            Command::Batch(commands) => {
                let decide = |command| self.command(command, context);
                Ok(Answer::Batch(commands.iter().map(decide).collect()))
            }
        }
    }

    /// Decides one command; what it changes is seen by the next ones if it succeeds, and never otherwise.
    fn attempt(
        &mut self,
        context: &RequestContext,
        decide: impl FnOnce(&Self, &mut Attempt<'_>) -> Result<Answer, Rejection>,
    ) -> Result<Answer, CommandError> {
        let (answer, events, extended) = {
            let mut attempt = Attempt::new(self);
            let answer = decide(self, &mut attempt)?;
            (answer, attempt.events, attempt.extended)
        };
        let mut changes = Vec::with_capacity(events.len());
        for event in events {
            let streams = self.parts.routing.streams(&event);
            let message = self.parts.encoder.encode(&event, &streams, context)?;
            changes.push(Recorded { event, message });
        }
        for Recorded { event, .. } in &changes {
            let stock = &event.stock;
            self.products.insert(stock.product_id.clone());
            self.stocks.insert(stock.id.clone(), stock.clone());
            if let Some(reservation) = event.change.reservation() {
                let order = reservation.order.as_ref();
                self.orders
                    .extend(order.map(|line| (reservation.holder.clone(), line.order.clone())));
                self.reservations
                    .insert(reservation.id.clone(), reservation.clone());
            }
        }
        if let Some(extended) = extended {
            self.reservations
                .insert(extended.id.clone(), extended.clone());
            self.decided.extended.push(extended);
        }
        self.decided.changes.extend(changes);
        Ok(answer)
    }

    fn create(
        &self,
        create: &CreateStock,
        attempt: &mut Attempt<'_>,
        actor: &Actor,
    ) -> Result<Answer, Rejection> {
        let product_id = &create.product_id;
        if self.products.contains(product_id) {
            return Err(Rejection::DuplicateProduct(product_id.clone()));
        }
        let id = match &create.stock_id {
            Some(id) if attempt.find(id).is_some() => {
                return Err(Rejection::DuplicateStock(id.clone()));
            }
            Some(id) => id.clone(),
            None => StockId::from_uuid(self.parts.ids.next()),
        };
        let symbol = create.symbol.clone();
        let product_name = create.product_name.clone();
        let new = NewStock {
            id,
            product_id: product_id.clone(),
            symbol: symbol.unwrap_or_else(|| Symbol::from(product_id)),
            product_name: product_name.unwrap_or_else(|| product_id.into()),
            quantity: create.quantity,
            unit_price: create.price,
            currency: create.currency.clone(),
            low_stock_threshold: create.low_stock_threshold,
        };
        let event = Stock::create(new, attempt.stamp(None, actor));
        let stock = event.stock.clone();
        attempt.record(event);
        Ok(Answer::Created(Box::new(stock)))
    }

    /// Holds units. Where due holds stand in the way, they end first.
    fn reserve(
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
    fn expire_due(
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
                    tracing::error!(code = "HOLD_INCONSISTENT", reservation_id = %id, error = %rejection, "a due hold cannot end");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(expired)
    }

    /// Ends the hold if its time is over, whatever becomes of the command that found it so.
    fn expire_if_due(
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
fn until(now: OffsetDateTime, ttl: Duration) -> OffsetDateTime {
    let ttl = time::Duration::try_from(ttl).unwrap_or(time::Duration::MAX);
    now.saturating_add(ttl)
}

fn changed(
    change: &ChangeStock,
    attempt: &mut Attempt<'_>,
    actor: &Actor,
) -> Result<Answer, Rejection> {
    let stock = attempt.stock(&change.stock_id)?;
    let as_expected = change
        .if_match
        .as_ref()
        .is_none_or(|versions| versions.contains(stock.version));
    let not_as_expected = || Rejection::NotAsExpected(Box::new(stock.clone()));
    if !as_expected {
        return Err(not_as_expected());
    }
    let stamp = attempt.stamp(Some(stock), actor);
    let event = match &change.change {
        StockChange::SetQuantity {
            quantity,
            expected,
            reason,
            reference,
        } => {
            if expected.is_some_and(|expected| expected != stock.quantity) {
                return Err(not_as_expected());
            }
            stock.set_quantity(*quantity, reason.clone(), reference.clone(), stamp)
        }
        StockChange::Adjust {
            delta,
            reason,
            reference,
        } => stock.adjust(*delta, reason.clone(), reference.clone(), stamp),
        StockChange::SetPrice { price, reason } => {
            Ok(stock.set_price(*price, reason.clone(), stamp))
        }
        StockChange::Describe(details) => match stock.describe(details.clone(), stamp) {
            Some(event) => Ok(event),
            // It is so already.
            None => return Ok(Answer::Changed(Box::new(stock.clone()))),
        },
        StockChange::Discontinue { reason } => stock.discontinue(reason.clone(), stamp),
    };
    let event = event.map_err(|rule| match rule {
        StockError::InsufficientStock {
            available,
            requested,
        } => Rejection::Insufficient {
            stock_id: change.stock_id.clone(),
            available,
            requested,
            soonest_expiry: None,
        },
        rule => Rejection::Rule(rule),
    })?;
    attempt.record(event.clone());
    Ok(match change.change {
        StockChange::Adjust { .. } => Answer::Adjusted(Box::new(event)),
        StockChange::SetQuantity { .. }
        | StockChange::SetPrice { .. }
        | StockChange::Describe(_)
        | StockChange::Discontinue { .. } => Answer::Changed(Box::new(event.stock)),
    })
}

fn ended(
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
