//! Where deliveries stand: claims, waiting events, outcomes, dead letters and the consumption log of one subscription.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::delivery::{AttemptStatus, ExternalStock, Notification, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ports::{CallReport, Cause, OutboundRecord};

/// Where a record was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// A record as it was read, byte by byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundRecord {
    /// Where.
    pub origin: Origin,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// Its value.
    pub payload: Vec<u8>,
}

/// What comes out of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// An event.
    Event {
        /// As it was read.
        record: Arc<InboundRecord>,
        /// As it is understood.
        notification: Arc<Notification>,
    },
    /// It is time to look at the events that wait for this stock.
    Wake {
        /// The stock.
        stock_id: String,
    },
    /// Not an event that this version can read.
    Unreadable {
        /// As it was read.
        record: Arc<InboundRecord>,
        /// Why it cannot be read.
        cause: String,
    },
    /// Meant for another subscription.
    Foreign,
}

/// One event in a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The event as it was read.
    pub record: Arc<InboundRecord>,
    /// The event as it is understood.
    pub notification: Arc<Notification>,
    /// Attempts made before this one.
    pub attempts: u32,
    /// Those of them that count: an attempt that failed because the partner as a whole was away does not.
    pub counted: u32,
}

/// The present state of a stock is to be told because an operator wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resync {
    /// For this resynchronization.
    pub id: Uuid,
    /// Attempts made before this one.
    pub attempts: u32,
}

/// Events of one stock whose turn it is, in order; the stock is claimed for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The stock.
    pub stock_id: String,
    /// The stock as the partner knows it.
    pub external: ExternalStock,
    /// The claim it is delivered under.
    pub claim: Uuid,
    /// The events; none only where an operator wants the present state told.
    pub turns: Vec<Turn>,
    /// The present state is to be told, too.
    pub resync: Option<Resync>,
}

impl Delivery {
    /// Adds an event to a delivery that has not begun; a repeat of one that is in it is in it already.
    pub fn join(&mut self, turn: Turn) {
        let version = turn.notification.version();
        let is_there = |there: &Turn| there.notification.version() == version;
        if !self.turns.iter().any(is_there) {
            self.turns.push(turn);
            // What was tried before comes first: its outcome is unknown.
            self.turns
                .sort_by_key(|turn| (turn.attempts == 0, turn.notification.version()));
        }
    }
}

/// What becomes of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Nothing is left to do, and that is durable.
    Finished(AttemptStatus),
    /// It waits behind other events of its stock, or there was nothing to do for it; that is durable.
    Waiting,
    /// It is in the delivery of this index; nothing is durable until that is settled.
    Delivering(usize),
}

/// What becomes of a batch of arrivals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// One for each arrival, in order.
    pub admissions: Vec<Admission>,
    /// To be delivered now.
    pub deliveries: Vec<Delivery>,
}

/// What an attempt leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Disposition {
    /// Done.
    Delivered,
    /// To be tried again after this wait; the stock is held so long.
    Retry {
        /// The wait.
        wait: Duration,
        /// The attempt counts towards the end of the schedule.
        counted: bool,
        /// What went wrong.
        cause: String,
    },
    /// Not to be tried again by itself.
    Dead {
        /// Why.
        reason: String,
    },
}

impl Disposition {
    /// What went wrong, if something did.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Delivered => None,
            Self::Retry { cause, .. } => Some(cause),
            Self::Dead { reason } => Some(reason),
        }
    }

    /// What the consumption log says of it.
    #[must_use]
    pub fn status(&self) -> AttemptStatus {
        match self {
            Self::Delivered => AttemptStatus::Settled(Outcome::Delivered),
            Self::Retry { .. } => AttemptStatus::RetryScheduled,
            Self::Dead { .. } => AttemptStatus::Settled(Outcome::Dead),
        }
    }
}

/// What was done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The partner was called.
    Called {
        /// What came of it.
        report: CallReport,
        /// What follows.
        disposition: Disposition,
        /// When the attempt began.
        started_at: OffsetDateTime,
    },
    /// The partner need not be told.
    Skipped(Outcome),
}

/// An event, and what was done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The event.
    pub turn: Turn,
    /// What was done.
    pub action: Action,
}

/// The present state was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resynced {
    /// For which resynchronization.
    pub id: Uuid,
    /// Attempts made so far.
    pub attempts: u32,
    /// The version that was told.
    pub version: u64,
    /// What was done.
    pub action: Action,
}

/// What came of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// The stock.
    pub stock_id: String,
    /// The claim it was delivered under.
    pub claim: Uuid,
    /// The stock as the partner knows it now.
    pub external: ExternalStock,
    /// What was done, in order.
    pub attempts: Vec<Attempt>,
    /// Events that were not come to.
    pub undone: Vec<Turn>,
    /// The present state was told, too.
    pub resynced: Option<Resynced>,
    /// Go on with the events that wait for this stock.
    pub continues: bool,
}

/// What comes after a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The next events of the stock, under the same claim.
    Next(Box<Delivery>),
    /// The claim is given up.
    Idle,
}

/// A stock whose waiting event, or resynchronization, is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// The stock.
    pub stock_id: String,
    /// The event that waits, as it was read; none for a resynchronization.
    pub record: Option<InboundRecord>,
    /// Attempts made so far.
    pub attempts: u32,
}

/// A dead letter that is not on its topic yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its number.
    pub id: i64,
    /// The event as it was read.
    pub record: InboundRecord,
    /// Why it is dead.
    pub reason: String,
    /// Attempts made.
    pub attempts: u32,
}

/// The store could not be asked, or holds something unreadable; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may work later.
    #[error("the delivery store is not available")]
    Unavailable(#[source] Cause),
    /// It will not work without a person.
    #[error("{table} holds a row that cannot be read")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong.
        #[source]
        source: Cause,
    },
}

/// The delivery state of one subscription.
///
/// Every method is one transaction. MUST keep exactly one outcome per event, MUST NOT let two claims of one stock live
/// at the same time, and MUST write one row of the consumption log per attempt and per arrival that needed none.
#[async_trait]
pub trait DeliveryStore: Send + Sync {
    /// Lets arrivals in, in order: each is finished, put behind others of its stock, or claimed for delivery. What a
    /// delivery will tell is kept with its claim.
    async fn admit(&self, arrivals: Vec<Arrival>) -> Result<Admitted, StoreError>;

    /// Writes down what came of deliveries, and hands out what follows. One whose claim has run out meanwhile is written
    /// down all the same: what a partner acknowledged is a fact.
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, StoreError>;

    /// Lets up to `limit` dead letters whose replay is due wait for their turn again, in front of what has not been tried;
    /// returns how many. MUST leave one as it is that has another outcome than to be dead.
    async fn take_replays(&self, limit: i64) -> Result<u64, StoreError>;

    /// Stocks whose waiting event or resynchronization is due and that nobody delivers. Each is handed out once, and again after a while if
    /// nothing came of it.
    async fn due(&self, limit: i64) -> Result<Vec<Retry>, StoreError>;

    /// Dead letters that are not on their topic, oldest first.
    async fn unpublished_dead_letters(&self, limit: i64) -> Result<Vec<DeadLetter>, StoreError>;

    /// These dead letters are on their topic.
    async fn mark_published(&self, ids: &[i64]) -> Result<(), StoreError>;
}

/// Turns what the store hands out into records for the broker.
pub trait RecordFormat: Send + Sync {
    /// The record that brings a waiting event back to the consumer.
    fn retry(&self, retry: &Retry) -> OutboundRecord;

    /// The record of a dead letter: original bytes and headers, and where, why and after how many attempts.
    fn dead_letter(&self, letter: &DeadLetter) -> OutboundRecord;
}
