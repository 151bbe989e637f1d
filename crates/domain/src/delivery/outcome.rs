//! How a delivery ended.

use std::time::Duration;

/// What becomes of an event for one subscription: exactly one of these, for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The partner has acknowledged it.
    Delivered,
    /// The partner knows something newer.
    Superseded,
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

/// What a partner's answer, or its absence, means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The partner has it.
    Accepted,
    /// It may work later.
    Transient {
        /// What went wrong, for people.
        cause: String,
        /// The partner asked to be left alone for so long.
        retry_after: Option<Duration>,
    },
    /// It will never work.
    Rejected {
        /// What went wrong, for people.
        cause: String,
    },
}
