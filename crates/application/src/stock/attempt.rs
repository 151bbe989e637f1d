//! One command's changes while it is being decided: seen by itself, by others only when it succeeds.

use std::collections::HashMap;

use domain::stock::{Actor, Reservation, ReservationId, Stamp, Stock, StockId, StockUpdatedEvent};

use crate::stock::{Rejection, decide::Batch};

/// A command's changes so far, on top of what the commands before it left.
pub(super) struct Attempt<'b> {
    batch: &'b Batch<'b>,
    stocks: HashMap<StockId, Stock>,
    pub(super) events: Vec<StockUpdatedEvent>,
    pub(super) extended: Option<Reservation>,
}

impl<'b> Attempt<'b> {
    pub(super) fn new(batch: &'b Batch<'b>) -> Self {
        Self {
            batch,
            stocks: HashMap::new(),
            events: Vec::new(),
            extended: None,
        }
    }

    pub(super) fn find(&self, id: &StockId) -> Option<&Stock> {
        self.stocks.get(id).or_else(|| self.batch.stocks.get(id))
    }

    pub(super) fn stock(&self, id: &StockId) -> Result<&Stock, Rejection> {
        self.find(id)
            .ok_or_else(|| Rejection::UnknownStock(id.clone()))
    }

    pub(super) fn reservation(&self, id: &ReservationId) -> Result<&'b Reservation, Rejection> {
        self.batch
            .reservations
            .get(id)
            .ok_or_else(|| Rejection::UnknownReservation(id.clone()))
    }

    /// What the next change of the stock is given; its time never runs backwards.
    pub(super) fn stamp(&self, stock: Option<&Stock>, actor: &Actor) -> Stamp {
        let now = self.batch.now;
        Stamp {
            event_id: self.batch.parts.ids.next(),
            at: stock.map_or(now, |stock| now.max(stock.updated_at)),
            actor: actor.clone(),
        }
    }

    pub(super) fn record(&mut self, event: StockUpdatedEvent) {
        self.stocks
            .insert(event.stock.id.clone(), event.stock.clone());
        self.events.push(event);
    }
}
