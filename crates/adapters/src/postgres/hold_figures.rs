//! Reservations in figures, for those who watch the service.

use std::time::Duration;

use sqlx::PgPool;

/// Looks at reservations.
pub struct HoldFigures {
    /// The database.
    pub pool: PgPool,
}

impl HoldFigures {
    /// Since when the hold should have ended that is overdue for longest; zero: none is.
    ///
    /// # Errors
    /// The database's.
    pub async fn overdue(&self) -> Result<Duration, sqlx::Error> {
        let overdue: f64 = sqlx::query_scalar(
            "SELECT COALESCE(extract(epoch FROM now() - min(expires_at)), 0)::float8 FROM reservations
             WHERE state = 'HELD' AND expires_at <= now()",
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Duration::try_from_secs_f64(overdue).unwrap_or_default())
    }

    /// How many hold units.
    ///
    /// # Errors
    /// The database's.
    pub async fn held(&self) -> Result<u64, sqlx::Error> {
        let held: i64 =
            sqlx::query_scalar("SELECT count(*) FROM reservations WHERE state = 'HELD'")
                .fetch_one(&self.pool)
                .await?;
        Ok(held.unsigned_abs())
    }
}
