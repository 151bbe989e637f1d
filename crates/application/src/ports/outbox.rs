//! The relay's side of the outbox.

use std::{borrow::Cow, sync::Arc, time::Duration};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ports::Cause;

/// An event as it is written beside the change that made it; its bytes never change again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMessage {
    /// The event's id.
    pub event_id: Uuid,
    /// The stock; the record's key.
    pub stock_id: String,
    /// The stock's version.
    pub version: u64,
    /// The operation's name.
    pub operation: &'static str,
    /// The topics it goes to, by their names on the broker.
    pub topics: Vec<String>,
    /// Goes from the request to the partner and through all logs.
    pub correlation_id: Arc<str>,
    /// W3C trace context of the request.
    pub traceparent: Arc<str>,
    /// Value of the record.
    pub payload: Vec<u8>,
    /// When the change was decided.
    pub occurred_at: OffsetDateTime,
}

/// A row of the outbox as the relay reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Position; per stock it rises with the version.
    pub id: i64,
    /// The stock; the record's key.
    pub stock_id: String,
    /// The topics it goes to.
    pub topics: Vec<String>,
    /// Headers of the record.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// Value of the record.
    pub payload: Vec<u8>,
}

/// The right to relay, until another one takes it with a higher epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Rises with every holder; every checkpoint names it.
    pub epoch: i64,
}

/// The rows that became visible between two snapshots, those between `first` and `last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The snapshot up to which everything is published.
    pub from: String,
    /// The snapshot up to which this window goes.
    pub to: String,
    /// Lowest row id in it.
    pub first: i64,
    /// Highest row id in it.
    pub last: i64,
    /// Only rows above this id count: 0, but after a rewind.
    pub floor: i64,
}

/// Whether the checkpoint belongs to the history that the server has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Continuity {
    /// It does.
    Intact,
    /// It did not, for this reason; everything recent will be published again.
    Rewound {
        /// What did not fit.
        reason: String,
    },
}

/// What waits to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Number of events; an implementation may stop counting at some large number.
    pub events: u64,
    /// Age of the oldest one.
    pub oldest: Duration,
}

/// Why the outbox did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// Somebody else relays now.
    #[error("the relay's lease was lost to another instance")]
    LeaseLost,
    /// The store could not be asked.
    #[error("the outbox is not available")]
    Unavailable(#[source] Cause),
}

/// The outbox and the relay's checkpoint (`PgQ`'s snapshot difference).
///
/// A window MUST hold exactly the rows that are visible in its later snapshot and not in its earlier one, so that every
/// committed row is in exactly one window, however late it commits. Every method that takes a [`Lease`] MUST refuse one
/// whose epoch is not the newest, with [`OutboxError::LeaseLost`] and without a change.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Takes the lease if it is free, has run out, or is this holder's.
    async fn acquire(&self, holder: &str, ttl: Duration) -> Result<Option<Lease>, OutboxError>;

    /// Keeps the lease for another `ttl`.
    async fn renew(&self, lease: Lease, ttl: Duration) -> Result<(), OutboxError>;

    /// Gives the lease up, so that another instance need not wait.
    async fn release(&self, lease: Lease) -> Result<(), OutboxError>;

    /// Compares the checkpoint with the server's history and rewinds it where they do not fit.
    async fn ensure_continuity(&self, lease: Lease) -> Result<Continuity, OutboxError>;

    /// The window that was opened last and not closed, or else a new one, persisted; `None` if it would be empty.
    async fn open_window(&self, lease: Lease) -> Result<Option<Window>, OutboxError>;

    /// The rows that became visible between two snapshots; where there are none, `first` is above `last`.
    async fn between(&self, from: String, to: String) -> Result<Window, OutboxError>;

    /// Up to `limit` rows of the window with an id above `after`, by id.
    async fn read(
        &self,
        window: &Window,
        after: i64,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, OutboxError>;

    /// Moves the checkpoint behind the window: everything in it is published.
    async fn close_window(&self, lease: Lease, window: &Window) -> Result<(), OutboxError>;

    /// The snapshot of now: everything that is visible in it can be read.
    async fn snapshot(&self) -> Result<String, OutboxError>;

    /// What waits to be published.
    async fn backlog(&self) -> Result<Backlog, OutboxError>;
}
