//! Dead letters, and what is done about them.

use std::num::NonZeroU32;

use time::OffsetDateTime;
use uuid::Uuid;

use super::LoggedAttempt;
use crate::ports::{InboundRecord, Origin};

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
