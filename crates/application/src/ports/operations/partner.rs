//! Partners, what is held for them, and how far they are.

use time::OffsetDateTime;
use uuid::Uuid;

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
    /// The newest version that any partner was told of, or that waits for one.
    pub newest: u64,
    /// The newest version that this partner was told of, or that waits for it: it may not want all.
    pub newest_wanted: u64,
    /// Events of it wait.
    pub held: bool,
    /// Whether the partner is called.
    pub standing: Standing,
}
