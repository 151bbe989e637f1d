//! Answers to operators.

use application::ports::{
    HeldStock, Letter, LetterDetail, LetterGroup, LetterState, LoggedAttempt, OperatorAction,
    Origin, PartnerStatus, Propagation, ResyncProgress, Standing,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{hex::hex, http::acl::PartnerFacts};

/// Where a record was read.
#[derive(Serialize, ToSchema)]
pub(super) struct OriginView {
    topic: String,
    partition: i32,
    offset: i64,
}

impl From<&Origin> for OriginView {
    fn from(origin: &Origin) -> Self {
        Self {
            topic: origin.topic.clone(),
            partition: origin.partition,
            offset: origin.offset,
        }
    }
}

/// A row of the consumption log: one attempt, or one event that needed none.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryView {
    /// Its position.
    id: i64,
    /// The subscription.
    partner: String,
    /// The event; null if it could not be read, or if an operator wanted the present state told.
    event_id: Option<Uuid>,
    /// The request that caused it.
    correlation_id: Option<String>,
    /// Where the record was read.
    origin: Option<OriginView>,
    /// The stock.
    stock_id: Option<String>,
    /// The product.
    product_id: Option<String>,
    /// What was done to the stock.
    operation: Option<String>,
    /// The version that the event tells of.
    version: Option<u64>,
    /// Number of the attempt, from 1; 0 if the partner was not called.
    attempt: u32,
    /// What came of it.
    status: String,
    /// The partner's name of the stock.
    external_id: Option<String>,
    /// The status code of the partner's answer.
    response_code: Option<u16>,
    /// Time of the call in milliseconds.
    duration_ms: Option<f64>,
    /// What went wrong.
    error: Option<String>,
    /// SHA-256 of the record's value, in hexadecimal digits.
    message_hash: Option<String>,
    /// When the stock changed.
    #[serde(with = "time::serde::rfc3339::option")]
    occurred_at: Option<OffsetDateTime>,
    /// When the attempt began.
    #[serde(with = "time::serde::rfc3339::option")]
    started_at: Option<OffsetDateTime>,
    /// When the row was written.
    #[serde(with = "time::serde::rfc3339")]
    finished_at: OffsetDateTime,
}

impl From<&LoggedAttempt> for DeliveryView {
    fn from(row: &LoggedAttempt) -> Self {
        let row = row.clone();
        Self {
            id: row.id,
            partner: row.partner,
            event_id: row.event_id,
            correlation_id: row.correlation_id,
            origin: row.origin.as_ref().map(Into::into),
            stock_id: row.stock_id,
            product_id: row.product_id,
            operation: row.operation,
            version: row.version,
            attempt: row.attempt,
            status: row.status,
            external_id: row.external_id,
            response_code: row.response_code,
            duration_ms: row.duration.map(|duration| duration.as_secs_f64() * 1000.0),
            error: row.error,
            message_hash: row.message_hash.as_deref().map(hex),
            occurred_at: row.occurred_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// A dead letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterView {
    /// Its number.
    id: i64,
    /// The subscription.
    partner: String,
    /// The event; null if it could not be read.
    event_id: Option<Uuid>,
    /// The stock.
    stock_id: Option<String>,
    /// The version that the event tells of.
    version: Option<u64>,
    /// What was done to the stock.
    operation: Option<String>,
    /// The request that caused the event.
    correlation_id: Option<String>,
    /// Where the record was read.
    origin: OriginView,
    /// Why it is dead.
    reason: String,
    /// The same, without what differs from one dead letter to the next.
    cause: String,
    /// Attempts that were made.
    attempts: u32,
    /// When it died.
    #[serde(with = "time::serde::rfc3339")]
    died_at: OffsetDateTime,
    /// `OPEN`, `REPLAYING`, `REPLAYED` or `DISCARDED`.
    state: &'static str,
    /// What came of the replay.
    outcome: Option<String>,
    /// When it was replayed or discarded.
    #[serde(with = "time::serde::rfc3339::option")]
    resolved_at: Option<OffsetDateTime>,
}

impl From<&Letter> for LetterView {
    fn from(letter: &Letter) -> Self {
        let letter = letter.clone();
        Self {
            id: letter.id,
            partner: letter.partner,
            event_id: letter.event_id,
            stock_id: letter.stock_id,
            version: letter.version,
            operation: letter.operation,
            correlation_id: letter.correlation_id,
            origin: (&letter.origin).into(),
            reason: letter.reason,
            cause: letter.cause,
            attempts: letter.attempts,
            died_at: letter.died_at,
            state: LetterState::as_str(letter.state),
            outcome: letter.outcome,
            resolved_at: letter.resolved_at,
        }
    }
}

/// A header of a record.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeaderView {
    name: String,
    /// Its value, if that is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value: Option<String>,
    /// Its value in base64, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    value_base64: Option<String>,
}

impl From<&(String, Vec<u8>)> for HeaderView {
    fn from((name, value): &(String, Vec<u8>)) -> Self {
        let text = std::str::from_utf8(value).ok().map(str::to_owned);
        Self {
            name: name.clone(),
            value_base64: text.is_none().then(|| STANDARD.encode(value)),
            value: text,
        }
    }
}

/// A step that an operator took.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionView {
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Who.
    actor: String,
    /// `REPLAY`, `EDIT_AND_REPLAY` or `DISCARD`.
    action: String,
    /// Why.
    reason: Option<String>,
}

impl From<&OperatorAction> for ActionView {
    fn from(action: &OperatorAction) -> Self {
        let action = action.clone();
        Self {
            at: action.at,
            actor: action.actor,
            action: action.action,
            reason: action.reason,
        }
    }
}

/// A dead letter with everything that is known of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LetterDetailView {
    #[serde(flatten)]
    letter: LetterView,
    /// The record's key in base64.
    key_base64: Option<String>,
    /// The record's headers, in order.
    headers: Vec<HeaderView>,
    /// The record's value, if that is JSON.
    payload: Option<Value>,
    /// The record's value, byte by byte, in base64.
    payload_base64: String,
    /// Every attempt, in order.
    history: Vec<DeliveryView>,
    /// Every step of operators, in order.
    actions: Vec<ActionView>,
}

impl From<&LetterDetail> for LetterDetailView {
    fn from(detail: &LetterDetail) -> Self {
        let record = &detail.record;
        Self {
            letter: (&detail.letter).into(),
            key_base64: record.key.as_ref().map(|key| STANDARD.encode(key)),
            headers: record.headers.iter().map(Into::into).collect(),
            payload: serde_json::from_slice(&record.payload).ok(),
            payload_base64: STANDARD.encode(&record.payload),
            history: detail.attempts.iter().map(Into::into).collect(),
            actions: detail.actions.iter().map(Into::into).collect(),
        }
    }
}

/// Open dead letters of one cause.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupView {
    /// The subscription.
    partner: String,
    /// The cause.
    cause: String,
    /// How many.
    count: u64,
    /// When the oldest died.
    #[serde(with = "time::serde::rfc3339")]
    oldest: OffsetDateTime,
    /// When the newest died.
    #[serde(with = "time::serde::rfc3339")]
    newest: OffsetDateTime,
    /// The number of the newest.
    example: i64,
}

impl From<&LetterGroup> for GroupView {
    fn from(group: &LetterGroup) -> Self {
        let group = group.clone();
        Self {
            partner: group.partner,
            cause: group.cause,
            count: group.count,
            oldest: group.oldest,
            newest: group.newest,
            example: group.example,
        }
    }
}

/// A stock that is held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeldView {
    /// The subscription.
    partner: String,
    /// The stock.
    stock_id: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// Why the last attempt failed; null if it only waits for its turn.
    why: Option<String>,
    /// Events that wait.
    waiting: u64,
    /// Attempts of the first of them.
    attempts: u32,
    /// Its version.
    version: u64,
    /// When it is tried again.
    #[serde(with = "time::serde::rfc3339")]
    next_at: OffsetDateTime,
}

impl From<&HeldStock> for HeldView {
    fn from(held: &HeldStock) -> Self {
        let held = held.clone();
        Self {
            partner: held.partner,
            stock_id: held.stock_id,
            since: held.since,
            why: held.why,
            waiting: held.waiting,
            attempts: held.attempts,
            version: held.version,
            next_at: held.next_at,
        }
    }
}

/// Whether a partner is called, and why not.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StandingView {
    /// `ACTIVE`, `PAUSED`, `DISABLED` or `BREAKER_OPEN`.
    state: &'static str,
    /// Since when it is not called.
    #[serde(with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Why it is not called.
    why: Option<String>,
    /// Who paused it.
    by: Option<String>,
    /// When it is probed next.
    #[serde(with = "time::serde::rfc3339::option")]
    probe_at: Option<OffsetDateTime>,
}

impl From<&Standing> for StandingView {
    fn from(standing: &Standing) -> Self {
        let state = standing.as_str();
        let (since, why, by, probe_at) = match standing.clone() {
            Standing::Active => (None, None, None, None),
            Standing::Paused { since, by, reason } => (Some(since), reason, Some(by), None),
            Standing::Disabled { since, cause } => (Some(since), Some(cause), None, None),
            Standing::Open {
                since,
                cause,
                probe_at,
            } => (Some(since), Some(cause), None, Some(probe_at)),
        };
        Self {
            state,
            since,
            why,
            by,
            probe_at,
        }
    }
}

/// How far a resynchronization is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResyncView {
    /// Its name; the correlation id of its calls.
    id: Uuid,
    /// Who wanted it.
    requested_by: String,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    requested_at: OffsetDateTime,
    /// Stocks to be told.
    total: u64,
    /// Stocks that are still to be told.
    remaining: u64,
    /// Stocks that the partner refused.
    failed: u64,
}

impl From<&ResyncProgress> for ResyncView {
    fn from(progress: &ResyncProgress) -> Self {
        let progress = progress.clone();
        Self {
            id: progress.id,
            requested_by: progress.requested_by,
            requested_at: progress.requested_at,
            total: progress.total,
            remaining: progress.remaining,
            failed: progress.failed,
        }
    }
}

/// A partner as it stands.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PartnerView {
    /// The subscription.
    partner: String,
    /// The consumer group.
    group: String,
    /// The topics that it is told of.
    topics: Vec<String>,
    /// `latest-state` or `every-event`.
    ordering: &'static str,
    /// Whether it is called.
    standing: StandingView,
    /// Stocks that are held.
    held: u64,
    /// Events that wait.
    waiting: u64,
    /// Since when the oldest of them waits.
    #[serde(with = "time::serde::rfc3339::option")]
    oldest_waiting: Option<OffsetDateTime>,
    /// Dead letters that nobody has done anything about.
    open_dead_letters: u64,
    /// The last resynchronization.
    resync: Option<ResyncView>,
}

impl PartnerView {
    pub(super) fn of(facts: &PartnerFacts, status: &PartnerStatus) -> Self {
        Self {
            partner: facts.name.clone(),
            group: facts.group.clone(),
            topics: facts.topics.clone(),
            ordering: if facts.every_event {
                "every-event"
            } else {
                "latest-state"
            },
            standing: (&status.standing).into(),
            held: status.held,
            waiting: status.waiting,
            oldest_waiting: status.oldest_waiting,
            open_dead_letters: status.open_dead_letters,
            resync: status.resync.as_ref().map(Into::into),
        }
    }
}

/// How far a stock has got to a partner.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PropagationView {
    /// The subscription.
    partner: String,
    /// The version that the partner has acknowledged; 0 for none.
    version: u64,
    /// The newest version that acl knows of.
    newest_version: u64,
    /// When the partner acknowledged it.
    #[serde(with = "time::serde::rfc3339::option")]
    acknowledged_at: Option<OffsetDateTime>,
    /// How long ago that was, in milliseconds.
    age_ms: Option<i64>,
    /// `CURRENT`, `BEHIND`, `HELD`, `UNKNOWN`, or why the partner is not called.
    state: &'static str,
}

impl PropagationView {
    pub(super) fn of(propagation: &Propagation, now: OffsetDateTime) -> Self {
        let current = propagation.version >= propagation.newest;
        let state = match &propagation.standing {
            _ if current => "CURRENT",
            Standing::Active if propagation.held => "HELD",
            Standing::Active if propagation.version == 0 => "UNKNOWN",
            Standing::Active => "BEHIND",
            standing => standing.as_str(),
        };
        let age = propagation.acknowledged_at.map(|at| now - at);
        Self {
            partner: propagation.partner.clone(),
            version: propagation.version,
            newest_version: propagation.newest,
            acknowledged_at: propagation.acknowledged_at,
            age_ms: age.map(|age| i64::try_from(age.whole_milliseconds()).unwrap_or(i64::MAX)),
            state,
        }
    }
}

/// What came of a replay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayView {
    /// Nothing was done.
    pub(super) dry_run: bool,
    /// Dead letters that the request means.
    pub(super) matched: u64,
    /// Those that wait for their turn again.
    pub(super) replaying: u64,
    /// Those that do not, at most 1,000 of them.
    pub(super) skipped: Vec<SkippedView>,
}

/// A dead letter that was not replayed.
#[derive(Serialize, ToSchema)]
pub(super) struct SkippedView {
    /// Its number.
    pub(super) id: i64,
    /// Why.
    pub(super) why: String,
}
