//! Looks at what is stored, page by page, for what must never be.

use async_trait::async_trait;

use crate::ports::Cause;

/// Where a walk has got to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Position {
    /// Behind this key,
    pub key: String,
    /// and behind this number of it.
    pub number: i64,
}

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The invariant, one of [`Inspection::invariants`].
    pub invariant: &'static str,
    /// What breaks it.
    pub subject: String,
}

/// A page that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// Rows in it.
    pub rows: u64,
    /// Where to go on; none: this was the last page.
    pub next: Option<Position>,
    /// What was found.
    pub violations: Vec<Violation>,
}

/// A walk over rows that proves invariants of each.
///
/// A page MUST be looked at in one snapshot, so that work that goes on meanwhile is never taken for a violation.
#[async_trait]
pub trait Inspection: Send + Sync {
    /// The invariants that it proves.
    fn invariants(&self) -> &'static [&'static str];

    /// Looks at up to `limit` rows behind `from`.
    async fn inspect(&self, from: &Position, limit: u32) -> Result<Inspected, Cause>;
}
