//! Partners, what is held for them, and how far they are.

use application::ports::{HeldStock, PartnerStatus, Propagation, ResyncProgress, Standing};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::http::acl::PartnerFacts;

/// A stock that is held.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::http::acl) struct HeldView {
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
pub(in crate::http::acl) struct StandingView {
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
pub(in crate::http::acl) struct ResyncView {
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
pub(in crate::http::acl) struct PartnerView {
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
    pub(in crate::http::acl) fn of(facts: &PartnerFacts, status: &PartnerStatus) -> Self {
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
pub(in crate::http::acl) struct PropagationView {
    /// The subscription.
    partner: String,
    /// The version that the partner has acknowledged; 0 for none.
    version: u64,
    /// The newest version that acl knows of and that the partner wants to know.
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
    pub(in crate::http::acl) fn of(
        facts: &PartnerFacts,
        propagation: &Propagation,
        now: OffsetDateTime,
    ) -> Self {
        let newest = if facts.wants_all {
            propagation.newest
        } else {
            propagation.newest_wanted
        };
        let current = propagation.version >= newest;
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
            newest_version: newest,
            acknowledged_at: propagation.acknowledged_at,
            age_ms: age.map(|age| i64::try_from(age.whole_milliseconds()).unwrap_or(i64::MAX)),
            state,
        }
    }
}
