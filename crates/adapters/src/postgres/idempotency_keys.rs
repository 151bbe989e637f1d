//! Answers that need not be kept any more.

use std::time::Duration;

use sqlx::PgPool;

/// Rows that are dropped at once, so that no transaction is long.
const AT_ONCE: i64 = 5000;

/// The answers that are kept for repeated requests.
pub struct IdempotencyKeys {
    /// The database.
    pub pool: PgPool,
    /// How long they are kept.
    pub keep: Duration,
}

impl IdempotencyKeys {
    /// Drops those that are older.
    ///
    /// # Errors
    /// The database's.
    pub async fn drop_old(&self) -> Result<(), sqlx::Error> {
        loop {
            let dropped = sqlx::query(
                "DELETE FROM idempotency_keys
                 WHERE (principal, key) IN (
                     SELECT principal, key FROM idempotency_keys
                     WHERE created_at < now() - make_interval(secs => $1)
                     ORDER BY created_at
                     LIMIT $2
                     FOR UPDATE SKIP LOCKED
                 )",
            )
            .bind(self.keep.as_secs_f64())
            .bind(AT_ONCE)
            .execute(&self.pool)
            .await?;
            if dropped.rows_affected() < AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
