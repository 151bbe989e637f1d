//! One transaction's worth of decisions, in memory: what was loaded, what was decided, what is to be written.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use application::ports::{Admission, Arrival, Delivery, InboundRecord, Settled, Settlement, Turn};
use domain::delivery::{AttemptStatus, Gate, Notification, Outcome, Rules, Step};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    contract,
    postgres::delivery_store::rows::{Dead, Logged, OutcomeRow, ResyncRow, Stock, ToWait, Waiting},
};

mod record;
#[cfg(test)]
mod tests;

/// The decisions of one transaction.
pub(super) struct Batch<'a> {
    token: Uuid,
    rules: &'a Rules,
    pub(super) now: OffsetDateTime,
    pub(super) stocks: BTreeMap<String, Stock>,
    pub(super) settled: HashSet<(String, u64)>,
    /// The first events that wait, per stock, in the order of their turns.
    pub(super) waiting: HashMap<String, Vec<Waiting>>,
    /// Stocks for which more events wait than were loaded.
    pub(super) overfull: HashSet<String>,
    deliveries: Vec<Delivery>,
    /// Which of them is of which stock.
    delivering: HashMap<String, usize>,
    pub(super) to_wait: Vec<ToWait>,
    pub(super) waited: Vec<(String, u64)>,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) log: Vec<Logged>,
    pub(super) dead: Vec<Dead>,
    pub(super) resyncs: Vec<ResyncRow>,
}

impl<'a> Batch<'a> {
    /// Claims that the batch takes carry this token.
    pub(super) fn new(token: Uuid, rules: &'a Rules) -> Self {
        Self {
            token,
            rules,
            now: OffsetDateTime::UNIX_EPOCH,
            stocks: BTreeMap::new(),
            settled: HashSet::new(),
            waiting: HashMap::new(),
            overfull: HashSet::new(),
            deliveries: Vec::new(),
            delivering: HashMap::new(),
            to_wait: Vec::new(),
            waited: Vec::new(),
            outcomes: Vec::new(),
            log: Vec::new(),
            dead: Vec::new(),
            resyncs: Vec::new(),
        }
    }

    /// Decides on one arrival.
    pub(super) fn admit(&mut self, arrival: Arrival) -> Admission {
        match arrival {
            Arrival::Foreign => Admission::Waiting,
            Arrival::Wake { stock_id } => match self.stocks.get(&stock_id) {
                Some(stock)
                    if (stock.external.held || stock.resync.is_some())
                        && !stock.external.claimed =>
                {
                    match self.next(&stock_id, true) {
                        Some(delivery) => self.deliver(delivery),
                        None => Admission::Waiting,
                    }
                }
                _ => Admission::Waiting,
            },
            Arrival::Unreadable { record, cause } => self.bury_unreadable(record, cause),
            Arrival::Event {
                record,
                notification,
            } => self.admit_event(record, notification),
        }
    }

    fn admit_event(
        &mut self,
        record: Arc<InboundRecord>,
        notification: Arc<Notification>,
    ) -> Admission {
        let stock_id = notification.stock_id.clone();
        let settled = self
            .settled
            .contains(&(stock_id.clone(), notification.version()));
        let now = self.now;
        let Some(stock) = self.stocks.get_mut(&stock_id) else {
            // Not reached: a batch with a stock that could not be loaded is refused before it is decided.
            return Admission::Waiting;
        };
        let turn = Turn {
            record,
            notification,
            attempts: 0,
            counted: 0,
        };
        match stock.external.gate(&turn.notification, settled, self.rules) {
            Gate::Duplicate => {
                self.log_without_call(turn, AttemptStatus::Duplicate);
                Admission::Finished(AttemptStatus::Duplicate)
            }
            Gate::Filter => self.settle_without_call(turn, Outcome::Filtered),
            Gate::Queue => {
                let index = self.delivering.get(&stock_id);
                // Where more events wait than were loaded, this one's turn is behind them.
                if let Some(index) = index.filter(|_| !self.overfull.contains(&stock_id)) {
                    stock.tell(&turn.notification);
                    self.deliveries[*index].join(turn);
                    return Admission::Delivering(*index);
                }
                stock.external.held = true;
                stock.due_at.get_or_insert(now);
                stock.changed = true;
                self.to_wait.push(ToWait::behind(turn));
                Admission::Waiting
            }
            Gate::Proceed(Step::Supersede) => self.settle_without_call(turn, Outcome::Superseded),
            Gate::Proceed(Step::InEffect) => self.settle_without_call(turn, Outcome::Delivered),
            Gate::Proceed(Step::Deliver) => {
                let delivery = stock.take(stock_id, self.token, vec![turn]);
                self.deliver(delivery)
            }
        }
    }

    fn deliver(&mut self, delivery: Delivery) -> Admission {
        let index = self.deliveries.len();
        self.delivering.insert(delivery.stock_id.clone(), index);
        self.deliveries.push(delivery);
        Admission::Delivering(index)
    }

    /// The deliveries of this batch, each with the newest picture that any of its events brings.
    pub(super) fn take_deliveries(&mut self) -> Vec<Delivery> {
        let mut deliveries = std::mem::take(&mut self.deliveries);
        for delivery in &mut deliveries {
            if let Some(stock) = self.stocks.get(&delivery.stock_id) {
                delivery.external.told.clone_from(&stock.external.told);
            }
        }
        deliveries
    }

    fn bury_unreadable(&mut self, record: Arc<InboundRecord>, reason: String) -> Admission {
        let status = AttemptStatus::Settled(Outcome::Dead);
        self.log.push(Logged {
            record: Some(Arc::clone(&record)),
            subject: None,
            attempt: 0,
            status,
            external_id: None,
            response_code: None,
            duration_ms: None,
            error: Some(reason.clone()),
            started_at: None,
        });
        self.dead.push(Dead {
            record,
            notification: None,
            reason,
            attempts: 0,
        });
        Admission::Finished(status)
    }

    fn is_settled(&self, turn: &Turn) -> bool {
        let event = (
            turn.notification.stock_id.clone(),
            turn.notification.version(),
        );
        self.settled.contains(&event)
    }

    /// An event that waits and can be read no more: a dead letter, so that it holds nothing up.
    pub(super) fn bury_waiting(
        &mut self,
        stock_id: String,
        version: u64,
        record: Arc<InboundRecord>,
        reason: String,
    ) {
        let event_id = contract::event_id(&record).unwrap_or_default();
        self.outcomes.push(OutcomeRow {
            stock_id: stock_id.clone(),
            version,
            event_id,
            outcome: Outcome::Dead,
        });
        self.waited.push((stock_id, version));
        self.bury_unreadable(record, reason);
    }

    /// Stocks of the batch for which events wait.
    pub(super) fn held(&self) -> Vec<String> {
        let held = self.stocks.iter().filter(|(_, stock)| stock.external.held);
        held.map(|(id, _)| id.clone()).collect()
    }

    /// What comes after a delivery.
    pub(super) fn follow(&mut self, settlement: &Settlement) -> Settled {
        let stock_id = &settlement.stock_id;
        let mine = self
            .stocks
            .get(stock_id)
            .is_some_and(|stock| stock.claim == Some(settlement.claim));
        if let Some(next) = self.next(stock_id, mine && settlement.continues) {
            return Settled::Next(Box::new(next));
        }
        if let Some(stock) = self.stocks.get_mut(stock_id).filter(|_| mine) {
            stock.give_up();
        }
        Settled::Idle
    }

    /// The events that wait for the stock, claimed, if they are due and may be `taken`.
    fn next(&mut self, stock_id: &str, taken: bool) -> Option<Delivery> {
        let now = self.now;
        let overfull = self.overfull.contains(stock_id);
        let stock = self.stocks.get_mut(stock_id)?;
        if stock.claim_changed && stock.claim == Some(self.token) {
            // This batch has handed out what waited.
            return None;
        }
        let head = self
            .waiting
            .get(stock_id)
            .and_then(|waiting| waiting.first());
        // What this batch itself lets wait was not loaded.
        let queued = self
            .to_wait
            .iter()
            .any(|waiting| waiting.stock_id == stock_id);
        stock.changed = true;
        let more = queued || overfull;
        stock.external.held = head.is_some() || more;
        stock.due_at = head.map(|head| head.next_at).or(more.then_some(now));
        // An event that was tried comes before anything else, so it is waited for.
        let due = head.map_or(stock.resync.is_some() && !more, |head| head.due);
        if !taken || !due {
            return None;
        }
        if head.is_some() {
            stock.due_at = Some(now);
        }
        let waiting = self.waiting.remove(stock_id).unwrap_or_default();
        let turns = waiting.into_iter().map(|waiting| waiting.turn).collect();
        Some(stock.take(stock_id.to_owned(), self.token, turns))
    }

    fn settle_without_call(&mut self, turn: Turn, outcome: Outcome) -> Admission {
        let status = AttemptStatus::Settled(outcome);
        self.settle(&turn.notification, outcome);
        self.log_without_call(turn, status);
        Admission::Finished(status)
    }

    fn settle(&mut self, notification: &Notification, outcome: Outcome) {
        let event = (notification.stock_id.clone(), notification.version());
        self.outcomes.push(OutcomeRow {
            stock_id: event.0.clone(),
            version: event.1,
            event_id: notification.event_id,
            outcome,
        });
        let (stock, version) = &event;
        self.to_wait
            .retain(|waiting| waiting.stock_id != *stock || waiting.version != *version);
        let held = self.stocks.get(&event.0);
        if held.is_none_or(|stock| stock.external.held) {
            self.waited.push(event.clone());
        }
        self.settled.insert(event);
    }

    fn log_without_call(&mut self, turn: Turn, status: AttemptStatus) {
        self.log.push(Logged {
            attempt: 0,
            status,
            external_id: self.external_id(&turn.notification.stock_id),
            subject: Some((&*turn.notification).into()),
            record: Some(turn.record),
            response_code: None,
            duration_ms: None,
            error: None,
            started_at: None,
        });
    }

    fn external_id(&self, stock_id: &str) -> Option<String> {
        let stock = self.stocks.get(stock_id)?;
        stock.external.external_id.as_ref().map(ToString::to_string)
    }
}
