//! The machine's clock and ids.

use application::ports::{Clock, IdSource};
use time::OffsetDateTime;
use uuid::Uuid;

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the port's adapter")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        // PostgreSQL keeps microseconds: what is answered must be what is found again.
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }
}

/// UUIDs of version 7: they sort by the time they were made.
pub struct UuidSource;

impl IdSource for UuidSource {
    #[expect(clippy::disallowed_methods, reason = "this is the port's adapter")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
