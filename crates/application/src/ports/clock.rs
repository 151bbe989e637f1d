//! Time and identity.

use time::OffsetDateTime;
use uuid::Uuid;

/// The time of day.
pub trait Clock: Send + Sync {
    /// Now, in UTC; MUST be cut to microseconds, the precision that every store keeps.
    fn now(&self) -> OffsetDateTime;
}

/// New identities.
pub trait IdSource: Send + Sync {
    /// A UUID of version 7 that was never handed out before.
    fn next(&self) -> Uuid;
}
