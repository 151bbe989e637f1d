//! One transaction's worth of decisions, in memory: what was loaded, what was decided, what is to be written.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use application::ports::{
    Admission, Arrival, Attempt, Delivery, Disposition, InboundRecord, Settled,
};
use domain::delivery::{AttemptStatus, ExternalStock, Gate, Notification, Outcome, Picture, Step};
use time::OffsetDateTime;
use uuid::Uuid;

/// A stock as it was loaded, and what becomes of it.
pub(super) struct Stock {
    pub(super) external: ExternalStock,
    pub(super) claim: Option<Uuid>,
    pub(super) due_at: Option<OffsetDateTime>,
    pub(super) changed: bool,
    /// The claim was taken, kept for another event, or given up.
    pub(super) claim_changed: bool,
}

/// An event that waits, as it was loaded.
pub(super) struct Waiting {
    pub(super) record: InboundRecord,
    pub(super) notification: Notification,
    pub(super) attempts: u32,
    pub(super) next_at: OffsetDateTime,
    pub(super) due: bool,
}

/// An event that is to wait.
pub(super) struct ToWait {
    pub(super) record: InboundRecord,
    pub(super) stock_id: String,
    pub(super) version: u64,
    pub(super) attempts: u32,
    pub(super) wait_seconds: f64,
    pub(super) error: Option<String>,
}

/// A row for the consumption log.
pub(super) struct Logged {
    pub(super) record: InboundRecord,
    pub(super) notification: Option<Notification>,
    pub(super) attempt: u32,
    pub(super) status: AttemptStatus,
    pub(super) external_id: Option<String>,
    pub(super) response_code: Option<u16>,
    pub(super) duration_ms: Option<f64>,
    pub(super) error: Option<String>,
    pub(super) started_at: Option<OffsetDateTime>,
}

pub(super) struct OutcomeRow {
    pub(super) stock_id: String,
    pub(super) version: u64,
    pub(super) event_id: Uuid,
    pub(super) outcome: Outcome,
}

pub(super) struct Dead {
    pub(super) record: InboundRecord,
    pub(super) notification: Option<Notification>,
    pub(super) reason: String,
    pub(super) attempts: u32,
}

pub(super) struct Batch {
    token: Uuid,
    pub(super) now: OffsetDateTime,
    pub(super) stocks: BTreeMap<String, Stock>,
    pub(super) settled: HashSet<(String, u64)>,
    pub(super) waiting: HashMap<String, VecDeque<Waiting>>,
    /// Not all of the events that wait were loaded.
    pub(super) more_waiting: HashSet<String>,
    pub(super) to_wait: Vec<ToWait>,
    pub(super) waited: Vec<(String, u64)>,
    pub(super) outcomes: Vec<OutcomeRow>,
    pub(super) log: Vec<Logged>,
    pub(super) dead: Vec<Dead>,
}

/// The stocks that arrivals touch, sorted, each once.
pub(super) fn stocks_of(arrivals: &[Arrival]) -> Vec<String> {
    let mut stocks: Vec<String> = arrivals
        .iter()
        .filter_map(|arrival| match arrival {
            Arrival::Event { notification, .. } => Some(notification.stock_id.clone()),
            Arrival::Wake { stock_id } => Some(stock_id.clone()),
            Arrival::Unreadable { .. } | Arrival::Foreign => None,
        })
        .collect();
    stocks.sort_unstable();
    stocks.dedup();
    stocks
}

/// The stocks whose waiting events are to be looked at.
pub(super) fn woken(arrivals: &[Arrival]) -> Vec<String> {
    let stocks = arrivals.iter().filter_map(|arrival| match arrival {
        Arrival::Wake { stock_id } => Some(stock_id.clone()),
        Arrival::Event { .. } | Arrival::Unreadable { .. } | Arrival::Foreign => None,
    });
    stocks.collect::<HashSet<_>>().into_iter().collect()
}

impl Batch {
    /// Claims that the batch takes carry this token.
    pub(super) fn new(token: Uuid) -> Self {
        Self {
            token,
            now: OffsetDateTime::UNIX_EPOCH,
            stocks: BTreeMap::new(),
            settled: HashSet::new(),
            waiting: HashMap::new(),
            more_waiting: HashSet::new(),
            to_wait: Vec::new(),
            waited: Vec::new(),
            outcomes: Vec::new(),
            log: Vec::new(),
            dead: Vec::new(),
        }
    }

    /// Decides on one arrival.
    pub(super) fn admit(&mut self, arrival: Arrival) -> Admission {
        match arrival {
            Arrival::Foreign => Admission::Waiting,
            Arrival::Wake { stock_id } => match self.stocks.get(&stock_id) {
                Some(stock) if stock.external.held && !stock.external.claimed => self
                    .next(&stock_id, true)
                    .map_or(Admission::Waiting, Admission::Deliver),
                _ => Admission::Waiting,
            },
            Arrival::Unreadable { record, cause } => self.bury_unreadable(record, cause),
            Arrival::Event {
                record,
                notification,
            } => self.admit_event(record, *notification),
        }
    }

    fn admit_event(&mut self, record: InboundRecord, notification: Notification) -> Admission {
        let event = (notification.stock_id.clone(), notification.version());
        let settled = self.settled.contains(&event);
        let now = self.now;
        let Some(stock) = self.stocks.get_mut(&notification.stock_id) else {
            // Every stock of the batch was loaded; without its row nothing may be decided.
            return Admission::Waiting;
        };
        match stock.external.gate(&notification, settled) {
            Gate::Duplicate => {
                self.log_without_call(record, notification, AttemptStatus::Duplicate);
                Admission::Finished(AttemptStatus::Duplicate)
            }
            Gate::Queue => {
                stock.external.held = true;
                stock.due_at.get_or_insert(now);
                stock.changed = true;
                self.to_wait.push(ToWait {
                    record,
                    version: notification.version(),
                    stock_id: notification.stock_id,
                    attempts: 0,
                    wait_seconds: 0.0,
                    error: None,
                });
                Admission::Waiting
            }
            Gate::Proceed(Step::Supersede) => {
                self.settle_without_call(record, notification, Outcome::Superseded)
            }
            Gate::Proceed(Step::InEffect) => {
                self.settle_without_call(record, notification, Outcome::Delivered)
            }
            Gate::Proceed(Step::Deliver) => {
                let claim = self.token;
                let external = stock.take(claim);
                Admission::Deliver(Box::new(Delivery {
                    record,
                    notification,
                    external,
                    attempts: 0,
                    claim,
                }))
            }
        }
    }

    fn bury_unreadable(&mut self, record: InboundRecord, reason: String) -> Admission {
        let status = AttemptStatus::Settled(Outcome::Dead);
        self.log.push(Logged {
            record: record.clone(),
            notification: None,
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

    /// Writes down what came of an attempt. That the claim may have run out does not matter here: what a partner
    /// acknowledged is a fact.
    pub(super) fn record(&mut self, attempt: &Attempt) {
        let Attempt {
            delivery, report, ..
        } = attempt;
        let notification = &delivery.notification;
        let stock_id = &notification.stock_id;
        let attempts = delivery.attempts.saturating_add(1);
        let error = match &attempt.disposition {
            Disposition::Delivered => None,
            Disposition::Retry { cause, .. } => Some(cause.clone()),
            Disposition::Dead { reason } => Some(reason.clone()),
        };
        let external_id = report
            .external_id
            .clone()
            .or(delivery.external.external_id.clone());
        self.log.push(Logged {
            record: delivery.record.clone(),
            notification: Some(notification.clone()),
            attempt: attempts,
            status: attempt.disposition.status(),
            external_id: external_id.as_ref().map(ToString::to_string),
            response_code: report.response_code,
            duration_ms: Some(report.duration.as_secs_f64() * 1000.0),
            error: error.clone(),
            started_at: Some(attempt.started_at),
        });
        if let Some(stock) = self.stocks.get_mut(stock_id) {
            if stock.external.external_id.is_none() {
                stock.external.external_id = external_id;
            }
            if attempt.disposition == Disposition::Delivered {
                stock.acknowledge(delivery.external.picture_for(notification));
            }
            if matches!(attempt.disposition, Disposition::Retry { .. }) {
                stock.external.held = true;
            }
            stock.changed = true;
        }
        match &attempt.disposition {
            Disposition::Delivered => self.settle(notification, Outcome::Delivered),
            Disposition::Retry { wait, .. } => self.to_wait.push(ToWait {
                record: delivery.record.clone(),
                stock_id: stock_id.clone(),
                version: notification.version(),
                attempts,
                wait_seconds: wait.as_secs_f64(),
                error,
            }),
            Disposition::Dead { reason } => {
                self.settle(notification, Outcome::Dead);
                self.dead.push(Dead {
                    record: delivery.record.clone(),
                    notification: Some(notification.clone()),
                    reason: reason.clone(),
                    attempts,
                });
            }
        }
    }

    /// Stocks of the batch for which events wait.
    pub(super) fn held(&self) -> Vec<String> {
        let held = self.stocks.iter().filter(|(_, stock)| stock.external.held);
        held.map(|(id, _)| id.clone()).collect()
    }

    /// What comes after an attempt.
    pub(super) fn follow(&mut self, attempt: &Attempt) -> Settled {
        let stock_id = &attempt.delivery.notification.stock_id;
        let mine = self
            .stocks
            .get(stock_id)
            .is_some_and(|stock| stock.claim == Some(attempt.delivery.claim));
        let next = self.next(stock_id, mine && attempt.continues);
        if let Some(next) = next {
            return Settled::Next(next);
        }
        if let Some(stock) = self.stocks.get_mut(stock_id).filter(|_| mine) {
            stock.give_up();
        }
        Settled::Idle
    }

    /// The next event of the stock, claimed, if it may be `taken`; what needs no call on the way there is settled.
    fn next(&mut self, stock_id: &str, taken: bool) -> Option<Box<Delivery>> {
        loop {
            let now = self.now;
            let waiting = self.waiting.get_mut(stock_id).and_then(VecDeque::pop_front);
            let stock = self.stocks.get_mut(stock_id)?;
            stock.changed = true;
            let Some(head) = waiting else {
                let more = self.more_waiting.contains(stock_id);
                stock.external.held = more;
                stock.due_at = more.then_some(now);
                return None;
            };
            if !head.due || !taken {
                stock.due_at = Some(head.next_at);
                return None;
            }
            match stock.external.step(&head.notification) {
                Step::Deliver => {
                    let claim = self.token;
                    stock.due_at = Some(now);
                    let external = stock.take(claim);
                    return Some(Box::new(Delivery {
                        record: head.record,
                        notification: head.notification,
                        external,
                        attempts: head.attempts,
                        claim,
                    }));
                }
                Step::Supersede => {
                    self.settle_without_call(head.record, head.notification, Outcome::Superseded);
                }
                Step::InEffect => {
                    self.settle_without_call(head.record, head.notification, Outcome::Delivered);
                }
            }
        }
    }

    fn settle_without_call(
        &mut self,
        record: InboundRecord,
        notification: Notification,
        outcome: Outcome,
    ) -> Admission {
        let status = AttemptStatus::Settled(outcome);
        self.settle(&notification, outcome);
        self.log_without_call(record, notification, status);
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
        self.waited.push(event.clone());
        self.settled.insert(event);
    }

    fn log_without_call(
        &mut self,
        record: InboundRecord,
        notification: Notification,
        status: AttemptStatus,
    ) {
        let stock = self.stocks.get(&notification.stock_id);
        let external_id = stock.and_then(|stock| stock.external.external_id.as_ref());
        self.log.push(Logged {
            record,
            attempt: 0,
            status,
            external_id: external_id.map(ToString::to_string),
            notification: Some(notification),
            response_code: None,
            duration_ms: None,
            error: None,
            started_at: None,
        });
    }
}

impl Stock {
    /// Claims the stock; returns it as it was before.
    fn take(&mut self, claim: Uuid) -> ExternalStock {
        let before = self.external.clone();
        self.external.claimed = true;
        self.claim = Some(claim);
        self.claim_changed = true;
        self.changed = true;
        before
    }

    fn give_up(&mut self) {
        self.external.claimed = false;
        self.claim = None;
        self.claim_changed = true;
        self.changed = true;
    }

    /// The partner has this picture; one that is older than what it had before changes nothing.
    fn acknowledge(&mut self, picture: &Picture) {
        let known = self
            .external
            .delivered
            .as_ref()
            .map_or(0, |known| known.version);
        if picture.version > known {
            self.external.delivered = Some(picture.clone());
        }
    }
}
