//! What operators see and do: the consumption log, dead letters, partners, held stocks.

use std::{num::NonZeroU32, time::Duration};

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::ports::{InboundRecord, Origin, Page, StoreError};

/// A row of the consumption log.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedAttempt {
    /// Its position.
    pub id: i64,
    /// The subscription.
    pub partner: String,
    /// The event; none if it could not be read, or if an operator wanted the present state told.
    pub event_id: Option<Uuid>,
    /// The request that caused it.
    pub correlation_id: Option<String>,
    /// Where the record was read.
    pub origin: Option<Origin>,
    /// The stock.
    pub stock_id: Option<String>,
    /// The product.
    pub product_id: Option<String>,
    /// What was done to the stock.
    pub operation: Option<String>,
    /// The version that the event tells of.
    pub version: Option<u64>,
    /// Number of the attempt, from 1; 0 if the partner was not called.
    pub attempt: u32,
    /// What came of it.
    pub status: String,
    /// The partner's name of the stock.
    pub external_id: Option<String>,
    /// The answer's status code.
    pub response_code: Option<u16>,
    /// Time of the call.
    pub duration: Option<Duration>,
    /// What went wrong.
    pub error: Option<String>,
    /// SHA-256 of the record's value.
    pub message_hash: Option<Vec<u8>>,
    /// When the stock changed.
    pub occurred_at: Option<OffsetDateTime>,
    /// When the attempt began.
    pub started_at: Option<OffsetDateTime>,
    /// When the row was written.
    pub finished_at: OffsetDateTime,
}

/// Which rows of the consumption log, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryQuery {
    /// Of this subscription.
    pub partner: Option<String>,
    /// Of this stock.
    pub stock_id: Option<String>,
    /// Of this request.
    pub correlation_id: Option<String>,
    /// Of this event.
    pub event_id: Option<Uuid>,
    /// With this status.
    pub status: Option<String>,
    /// Written at this time or later.
    pub from: Option<OffsetDateTime>,
    /// Written before this time.
    pub until: Option<OffsetDateTime>,
    /// Before this position.
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u16,
}

/// Where a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// Nobody has done anything about it.
    Open,
    /// It waits for its turn again.
    Replaying,
    /// It was replayed.
    Replayed,
    /// An operator wants it left.
    Discarded,
}

impl LetterState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Open, Self::Replaying, Self::Replayed, Self::Discarded];

    /// Its name in tables and answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Replaying => "REPLAYING",
            Self::Replayed => "REPLAYED",
            Self::Discarded => "DISCARDED",
        }
    }
}

/// A dead letter, without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number.
    pub id: i64,
    /// The subscription.
    pub partner: String,
    /// The event; none if it could not be read.
    pub event_id: Option<Uuid>,
    /// The stock.
    pub stock_id: Option<String>,
    /// The version that the event tells of.
    pub version: Option<u64>,
    /// What was done to the stock.
    pub operation: Option<String>,
    /// The request that caused the event.
    pub correlation_id: Option<String>,
    /// Where the record was read.
    pub origin: Origin,
    /// Why it is dead.
    pub reason: String,
    /// The same, without what differs from one dead letter to the next.
    pub cause: String,
    /// Attempts that were made.
    pub attempts: u32,
    /// When it died.
    pub died_at: OffsetDateTime,
    /// Where it stands.
    pub state: LetterState,
    /// What came of the replay.
    pub outcome: Option<String>,
    /// When it was replayed or discarded.
    pub resolved_at: Option<OffsetDateTime>,
}

/// Which dead letters, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LetterQuery {
    /// Of one of these subscriptions; none: of any.
    pub partners: Option<Vec<String>>,
    /// In this state.
    pub state: Option<LetterState>,
    /// Of this cause.
    pub cause: Option<String>,
    /// Of this stock.
    pub stock_id: Option<String>,
    /// Of this operation.
    pub operation: Option<String>,
    /// Of this request.
    pub correlation_id: Option<String>,
    /// That died at this time or later.
    pub from: Option<OffsetDateTime>,
    /// That died before this time.
    pub until: Option<OffsetDateTime>,
    /// Behind this number.
    pub after: Option<i64>,
    /// At most so many.
    pub limit: u16,
}

/// A step that an operator took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorAction {
    /// When.
    pub at: OffsetDateTime,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Why.
    pub reason: Option<String>,
}

/// A dead letter with everything that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterDetail {
    /// The dead letter.
    pub letter: Letter,
    /// The record, byte by byte.
    pub record: InboundRecord,
    /// Every attempt, in order.
    pub attempts: Vec<LoggedAttempt>,
    /// Every step of operators, in order.
    pub actions: Vec<OperatorAction>,
}

/// Open dead letters of one cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterGroup {
    /// The subscription.
    pub partner: String,
    /// The cause.
    pub cause: String,
    /// How many.
    pub count: u64,
    /// When the oldest died.
    pub oldest: OffsetDateTime,
    /// When the newest died.
    pub newest: OffsetDateTime,
    /// The number of the newest.
    pub example: i64,
}

/// A stock that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldStock {
    /// The subscription.
    pub partner: String,
    /// The stock.
    pub stock_id: String,
    /// Since when.
    pub since: OffsetDateTime,
    /// Why the last attempt failed; none if it only waits for its turn.
    pub why: Option<String>,
    /// Events that wait.
    pub waiting: u64,
    /// Attempts of the first of them.
    pub attempts: u32,
    /// Its version.
    pub version: u64,
    /// When it is tried again.
    pub next_at: OffsetDateTime,
}

/// Which held stocks, by partner and stock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldQuery {
    /// Of this subscription.
    pub partner: Option<String>,
    /// Behind this one.
    pub after: Option<(String, String)>,
    /// At most so many.
    pub limit: u16,
}

/// Whether a partner is called, and why not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Standing {
    /// It is.
    #[default]
    Active,
    /// An operator wants it left alone.
    Paused {
        /// Since when.
        since: OffsetDateTime,
        /// Who.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// It wants no more events.
    Disabled {
        /// Since when.
        since: OffsetDateTime,
        /// What it said.
        cause: String,
    },
    /// The breaker is open.
    Open {
        /// Since when.
        since: OffsetDateTime,
        /// The failure that opened it.
        cause: String,
        /// When the next probe is due.
        probe_at: OffsetDateTime,
    },
}

impl Standing {
    /// Its name in answers.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Active => "ACTIVE",
            Self::Paused { .. } => "PAUSED",
            Self::Disabled { .. } => "DISABLED",
            Self::Open { .. } => "BREAKER_OPEN",
        }
    }
}

/// How far a resynchronization is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResyncProgress {
    /// Its name.
    pub id: Uuid,
    /// Who wanted it.
    pub requested_by: String,
    /// When.
    pub requested_at: OffsetDateTime,
    /// Stocks to be told.
    pub total: u64,
    /// Stocks that are still to be told.
    pub remaining: u64,
    /// Stocks that the partner refused.
    pub failed: u64,
}

/// A partner as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerStatus {
    /// The subscription.
    pub partner: String,
    /// Whether it is called.
    pub standing: Standing,
    /// Stocks that are held.
    pub held: u64,
    /// Events that wait.
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub oldest_waiting: Option<OffsetDateTime>,
    /// Dead letters that nobody has done anything about.
    pub open_dead_letters: u64,
    /// The last resynchronization.
    pub resync: Option<ResyncProgress>,
}

/// How far one stock has got to one partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Propagation {
    /// The subscription.
    pub partner: String,
    /// The version that the partner has acknowledged; none yet: 0.
    pub version: u64,
    /// When.
    pub acknowledged_at: Option<OffsetDateTime>,
    /// The newest version that acl knows of.
    pub newest: u64,
    /// Events of it wait.
    pub held: bool,
    /// Whether the partner is called.
    pub standing: Standing,
}

/// What replaces a dead letter's bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// The record's value.
    pub payload: Option<Vec<u8>>,
    /// Headers, by name; the others stay as they are.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// Who wants something, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: Option<String>,
}

/// Which dead letters are to be replayed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayOrder {
    /// Their numbers.
    pub ids: Vec<i64>,
    /// The partners that are delivered to.
    pub partners: Vec<String>,
    /// What replaces their bytes.
    pub edit: Option<Edit>,
    /// So many per second.
    pub rate: Option<NonZeroU32>,
    /// Nothing is changed.
    pub dry_run: bool,
    /// Who wants it, and why.
    pub operator: Operator,
}

/// What came of a replay of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Dead letters that wait for their turn again.
    pub replaying: Vec<i64>,
    /// Those that do not, and why.
    pub skipped: Vec<(i64, NotHandled)>,
}

/// Why one dead letter cannot be handled so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHandled {
    /// There is none of this number.
    #[error("there is no dead letter of this number")]
    Unknown,
    /// Something was done about it already.
    #[error("it is {}", .0.as_str())]
    State(LetterState),
    /// It still cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Nobody delivers for its partner.
    #[error("its partner is disabled in the settings")]
    Disabled,
    /// The edit would make another event of it.
    #[error("{0} must stay as it is")]
    Another(&'static str),
}

/// What operators see and do.
///
/// Every step is written down with its actor, in the transaction that takes it.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Rows of the consumption log, the newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<LoggedAttempt>, StoreError>;

    /// Dead letters, the oldest first.
    async fn letters(&self, query: &LetterQuery) -> Result<Page<Letter>, StoreError>;

    /// How many dead letters a query would find; its limit and place do not matter.
    async fn count_letters(&self, query: &LetterQuery) -> Result<u64, StoreError>;

    /// One dead letter.
    async fn letter(&self, id: i64) -> Result<Option<LetterDetail>, StoreError>;

    /// Open dead letters by cause, the most first.
    async fn groups(&self) -> Result<Vec<LetterGroup>, StoreError>;

    /// Stocks that are held.
    async fn held(&self, query: &HeldQuery) -> Result<Page<HeldStock>, StoreError>;

    /// The partners of these names, as they stand.
    async fn partners(&self, names: &[String]) -> Result<Vec<PartnerStatus>, StoreError>;

    /// How far a stock has got to the partners of these names; none if no partner knows it.
    async fn propagation(
        &self,
        names: &[String],
        stock_id: &str,
    ) -> Result<Option<Vec<Propagation>>, StoreError>;

    /// Lets these dead letters pass the gate again, so many per second; one that is not open stays as it is. With
    /// `dry_run` nothing is changed.
    async fn replay(&self, order: &ReplayOrder) -> Result<Replayed, StoreError>;

    /// Lets all open dead letters that a query means pass the gate again, so many per second, and returns how many; its
    /// limit and place do not matter. Those that could never be read are left out.
    async fn replay_found(
        &self,
        query: &LetterQuery,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<u64, StoreError>;

    /// Leaves a dead letter for good.
    async fn discard(
        &self,
        id: i64,
        operator: &Operator,
    ) -> Result<Result<(), NotHandled>, StoreError>;

    /// Leaves a partner alone, in all instances.
    async fn pause(&self, partner: &str, operator: &Operator) -> Result<(), StoreError>;

    /// Takes a partner up again that was paused, or that wanted no more events; its breaker is closed.
    async fn resume(&self, partner: &str, operator: &Operator) -> Result<(), StoreError>;

    /// Tells a partner the present state of every stock, so many per second.
    async fn resync(
        &self,
        partner: &str,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<ResyncProgress, StoreError>;
}
