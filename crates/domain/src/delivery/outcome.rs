//! How a delivery ended.

use std::time::Duration;

/// What becomes of an event for one subscription: exactly one of these, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The partner has acknowledged it.
    Delivered,
    /// The partner knows something newer.
    Superseded,
    /// The subscription does not want it.
    Filtered,
    /// It will not be tried again by itself.
    Dead,
}

impl Outcome {
    /// The outcome's name in tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "DELIVERED",
            Self::Superseded => "SUPERSEDED",
            Self::Filtered => "FILTERED",
            Self::Dead => "DEAD",
        }
    }
}

/// What one row of the consumption log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttemptStatus {
    /// The event has this outcome now.
    Settled(Outcome),
    /// The event had its outcome already.
    Duplicate,
    /// The attempt failed and will be repeated.
    RetryScheduled,
}

impl AttemptStatus {
    /// The status's name in tables and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled(outcome) => outcome.as_str(),
            Self::Duplicate => "DUPLICATE",
            Self::RetryScheduled => "RETRY_SCHEDULED",
        }
    }
}

/// How far a failure reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// This event, or its stock.
    Event,
    /// Nobody can tell: a partner that is down and one that chokes on a stock look the same.
    Unclear,
    /// The partner as a whole: it cannot be reached, or does not know us.
    Partner,
}

/// What a partner's answer, or its absence, means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The partner has it.
    Accepted,
    /// It may work later.
    Transient {
        /// What went wrong, for people.
        cause: String,
        /// Whom it concerns.
        reach: Reach,
        /// The partner asked that this event be left alone for so long.
        retry_after: Option<Duration>,
        /// The partner asked to be left alone altogether for so long.
        hold_off: Option<Duration>,
    },
    /// It will never work.
    Rejected {
        /// What went wrong, for people.
        cause: String,
    },
    /// The partner wants no more events, ever.
    Gone {
        /// What it said, for people.
        cause: String,
    },
}
