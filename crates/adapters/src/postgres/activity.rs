//! What the server says of itself: its time, and how long others have been at work.

use application::ports::Clock;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::clock::SystemClock;

/// What the server says of itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ClockAndTransactions {
    /// Seconds by which its clock is ahead of ours.
    pub(crate) ahead: f64,
    /// Age of the oldest transaction that is open in this database and can be seen, in seconds.
    pub(crate) oldest: f64,
    /// Whether those of other users can be seen, too (`pg_read_all_stats`).
    pub(crate) sees_others: bool,
}

/// Asks the server.
///
/// # Errors
/// The database's.
pub(crate) async fn clock_and_transactions(
    pool: &PgPool,
) -> Result<ClockAndTransactions, sqlx::Error> {
    let before = SystemClock.now();
    let (now, oldest, sees_others): (OffsetDateTime, f64, bool) = sqlx::query_as(
        "SELECT clock_timestamp(),
             coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8,
             pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
         FROM pg_stat_activity
         WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
    )
    .fetch_one(pool)
    .await?;
    // It was asked in the middle, about.
    let middle = before + (SystemClock.now() - before) / 2;
    let ahead: time::Duration = now - middle;
    Ok(ClockAndTransactions {
        ahead: ahead.as_seconds_f64(),
        oldest,
        sees_others,
    })
}
