//! Dead letters, and what came of replays.

use application::ports::{Letter, LetterDetail, LetterGroup, LetterState, OperatorAction};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::delivery::{DeliveryView, OriginView};

/// A dead letter.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::acl) struct LetterView {
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
pub(in crate::http::acl) struct HeaderView {
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
pub(in crate::http::acl) struct ActionView {
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
pub(in crate::http::acl) struct LetterDetailView {
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
pub(in crate::http::acl) struct GroupView {
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

/// What came of a replay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::acl) struct ReplayView {
    /// Nothing was done.
    pub(in crate::http::acl) dry_run: bool,
    /// Dead letters that the request means.
    pub(in crate::http::acl) matched: u64,
    /// Those that wait for their turn again.
    pub(in crate::http::acl) replaying: u64,
    /// Those that do not, at most 1,000 of them.
    pub(in crate::http::acl) skipped: Vec<SkippedView>,
}

/// A dead letter that was not replayed.
#[derive(Serialize, ToSchema)]
pub(in crate::http::acl) struct SkippedView {
    /// Its number.
    pub(in crate::http::acl) id: i64,
    /// Why.
    pub(in crate::http::acl) why: String,
}
