//! Decides a batch of commands in memory, in the order of their arrival.

mod changes;
mod holds;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::stock::{
    Actor, ClientOrderId, NewStock, ProductId, Reservation, ReservationId, Stock, StockId, Symbol,
};
use time::OffsetDateTime;

use crate::{
    ports::{
        Answered, Decided, Decision, Fingerprint, IdempotencyKey, Loaded, Recorded, StoredAnswer,
    },
    stock::{
        Answer, Command, CommandError, CreateStock, Executed, Rejection, Request, RequestContext,
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
        if let Some((fingerprint, answer)) = self.answered.get(&keyed.key) {
            self.decided.only_read = true;
            return if *fingerprint == keyed.fingerprint {
                Ok(Executed::Replayed(answer.clone()))
            } else {
                Err(Rejection::KeyReused.into())
            };
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
        let before = self.decided.changes.len();
        let answer = self.carry_out(command, context);
        let changed = self.decided.changes.len() > before;
        self.decided.only_read |= !(changed && answer.as_ref().is_ok_and(Answer::is_whole));
        answer
    }

    fn carry_out(
        &mut self,
        command: &Command,
        context: &RequestContext,
    ) -> Result<Answer, CommandError> {
        match command {
            Command::Create(create) => self.attempt(context, |batch, attempt| {
                batch.create(create, attempt, &context.actor)
            }),
            Command::Change(change) => self.attempt(context, |_, attempt| {
                changes::changed(change, attempt, &context.actor)
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
                    holds::ended(reservation_id, end, attempt, &context.actor)
                })
            }
            Command::Extend {
                reservation_id,
                ttl,
            } => {
                self.expire_if_due(reservation_id, context)?;
                self.attempt(context, |batch, attempt| {
                    let reservation = attempt.reservation(reservation_id)?;
                    let until = holds::until(batch.now, *ttl);
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
            changes.push(Recorded {
                event,
                message,
                // As many were decided before.
                request: self.decided.decisions.len(),
            });
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
}
