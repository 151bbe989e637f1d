//! What a batch loads and writes.

use std::sync::Arc;

use application::ports::{Delivery, InboundRecord, Resync, Turn};
use domain::delivery::{AttemptStatus, ExternalStock, Notification, Outcome};
use time::OffsetDateTime;
use uuid::Uuid;

/// A stock as it was loaded, and what becomes of it.
pub(super) struct Stock {
    /// Where its row is: it stays there for as long as it is locked and not written.
    pub(super) place: String,
    pub(super) external: ExternalStock,
    pub(super) claim: Option<Uuid>,
    pub(super) due_at: Option<OffsetDateTime>,
    /// The resynchronization for which the present state is to be told.
    pub(super) resync: Option<Resync>,
    pub(super) changed: bool,
    /// What the partner may have been told is another picture than the row has.
    pub(super) told_changed: bool,
    /// The claim was taken, kept for another event, or given up.
    pub(super) claim_changed: bool,
}

/// An event that waits, as it was loaded.
pub(super) struct Waiting {
    pub(super) turn: Turn,
    pub(super) next_at: OffsetDateTime,
    pub(super) due: bool,
}

/// An event that is to wait.
pub(super) struct ToWait {
    pub(super) record: Arc<InboundRecord>,
    pub(super) stock_id: String,
    pub(super) version: u64,
    pub(super) attempts: u32,
    pub(super) counted: u32,
    pub(super) wait_seconds: f64,
    pub(super) error: Option<String>,
}

/// What a row of the consumption log is about.
pub(super) struct Subject {
    pub(super) event_id: Option<Uuid>,
    pub(super) correlation_id: String,
    pub(super) stock_id: String,
    pub(super) product_id: String,
    pub(super) operation: &'static str,
    pub(super) version: u64,
    pub(super) occurred_at: Option<OffsetDateTime>,
}

impl From<&Notification> for Subject {
    fn from(notification: &Notification) -> Self {
        Self {
            event_id: Some(notification.event_id),
            correlation_id: notification.correlation_id.clone(),
            stock_id: notification.stock_id.clone(),
            product_id: notification.picture.product_id.clone(),
            operation: notification.effect.operation(),
            version: notification.version(),
            occurred_at: Some(notification.occurred_at),
        }
    }
}

/// A row for the consumption log.
pub(super) struct Logged {
    /// None: an operator wanted the present state told.
    pub(super) record: Option<Arc<InboundRecord>>,
    /// None: the record could not be read.
    pub(super) subject: Option<Subject>,
    pub(super) attempt: u32,
    pub(super) status: AttemptStatus,
    pub(super) external_id: Option<String>,
    pub(super) response_code: Option<u16>,
    pub(super) duration_ms: Option<f64>,
    pub(super) error: Option<String>,
    pub(super) started_at: Option<OffsetDateTime>,
}

/// What becomes of a resynchronization of one stock.
pub(super) struct ResyncRow {
    pub(super) stock_id: String,
    pub(super) id: Uuid,
    pub(super) attempts: u32,
    /// To be told again after so many seconds; none: it is done with.
    pub(super) wait_seconds: Option<f64>,
    pub(super) failed: bool,
}

/// A row for the outcomes.
pub(super) struct OutcomeRow {
    pub(super) stock_id: String,
    pub(super) version: u64,
    pub(super) event_id: Uuid,
    pub(super) outcome: Outcome,
}

/// A dead letter.
pub(super) struct Dead {
    pub(super) record: Arc<InboundRecord>,
    pub(super) notification: Option<Arc<Notification>>,
    pub(super) reason: String,
    pub(super) attempts: u32,
}

impl Dead {
    /// The event, if it could be read.
    pub(super) fn notification(&self) -> Option<&Notification> {
        self.notification.as_deref()
    }
}

impl ToWait {
    /// An event that waits behind others of its stock.
    pub(super) fn behind(turn: Turn) -> Self {
        Self {
            version: turn.notification.version(),
            stock_id: turn.notification.stock_id.clone(),
            record: turn.record,
            attempts: turn.attempts,
            counted: turn.counted,
            wait_seconds: 0.0,
            error: None,
        }
    }
}

impl Stock {
    /// Claims the stock for these events, and keeps what they will tell.
    pub(super) fn take(&mut self, stock_id: String, claim: Uuid, turns: Vec<Turn>) -> Delivery {
        let resync = self.resync.take();
        for turn in &turns {
            self.tell(&turn.notification);
        }
        let external = self.external.clone();
        self.external.claimed = true;
        self.claim = Some(claim);
        self.claim_changed = true;
        self.changed = true;
        Delivery {
            stock_id,
            external,
            claim,
            turns,
            resync,
        }
    }

    /// The event is about to be told.
    pub(super) fn tell(&mut self, notification: &Notification) {
        self.external.tell(notification);
        self.told_changed = true;
    }

    pub(super) fn give_up(&mut self) {
        self.external.claimed = false;
        self.claim = None;
        self.claim_changed = true;
        self.changed = true;
    }
}
