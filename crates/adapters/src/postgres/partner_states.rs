//! What all instances know of one partner.

use std::time::Duration;

use application::ports::{PartnerState, PartnerStates, StoreError};
use async_trait::async_trait;
use sqlx::{PgConnection, PgPool};

use crate::postgres::{
    delivery_store::{DEADLINE, within_deadline},
    error::store,
};

/// [`PartnerStates`] on PostgreSQL.
pub struct PgPartnerStates {
    pool: PgPool,
    subscription: String,
}

impl PgPartnerStates {
    /// The state of the partner of `subscription`.
    #[must_use]
    pub fn new(pool: PgPool, subscription: String) -> Self {
        Self { pool, subscription }
    }

    /// Writes the row of the partner; one that does not exist is made.
    async fn write_on(
        &self,
        connection: &mut PgConnection,
        set: &'static str,
        text: &str,
        seconds: f64,
    ) -> Result<(), StoreError> {
        let failed = store("partners");
        sqlx::query("INSERT INTO partners (subscription) VALUES ($1) ON CONFLICT DO NOTHING")
            .bind(&self.subscription)
            .execute(&mut *connection)
            .await
            .map_err(&failed)?;
        sqlx::query(set)
            .bind(&self.subscription)
            .bind(text)
            .bind(seconds)
            .execute(connection)
            .await
            .map_err(failed)
            .map(drop)
    }

    async fn write(&self, set: &'static str, text: &str, seconds: f64) -> Result<(), StoreError> {
        within_deadline!(self.pool, "partners", connection => self.write_on(connection, set, text, seconds))
    }
}

#[async_trait]
impl PartnerStates for PgPartnerStates {
    async fn state(&self) -> Result<PartnerState, StoreError> {
        let query = sqlx::query_as(
            "SELECT paused_at IS NOT NULL OR disabled_at IS NOT NULL, breaker_opened_at IS NOT NULL,
                 COALESCE(probe_at <= clock_timestamp(), false)
             FROM partners WHERE subscription = $1",
        )
        .bind(&self.subscription);
        let row: Option<(bool, bool, bool)> = within_deadline!(self.pool, "partners", connection => async {
            query.fetch_optional(connection).await.map_err(store("partners"))
        })?;
        Ok(match row {
            Some((true, ..)) => PartnerState::Halted,
            Some((_, true, probe_due)) => PartnerState::Open { probe_due },
            _ => PartnerState::Active,
        })
    }

    async fn open(&self, cause: &str, probe_after: Duration) -> Result<(), StoreError> {
        let open = "UPDATE partners
             SET breaker_opened_at = clock_timestamp(), breaker_cause = $2,
                 probe_at = clock_timestamp() + make_interval(secs => $3)
             WHERE subscription = $1 AND breaker_opened_at IS NULL";
        self.write(open, cause, probe_after.as_secs_f64()).await
    }

    async fn take_probe(&self, again_after: Duration) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE partners SET probe_at = clock_timestamp() + make_interval(secs => $2)
             WHERE subscription = $1 AND probe_at <= clock_timestamp()
                 AND paused_at IS NULL AND disabled_at IS NULL",
        )
        .bind(&self.subscription)
        .bind(again_after.as_secs_f64());
        let taken = within_deadline!(self.pool, "partners", connection => async {
            query.execute(connection).await.map_err(store("partners"))
        })?;
        Ok(taken.rows_affected() == 1)
    }

    async fn close(&self) -> Result<(), StoreError> {
        let close = "UPDATE partners
             SET breaker_opened_at = NULL, breaker_cause = NULL, probe_at = NULL
             WHERE subscription = $1 AND $2 = '' AND $3 = 0";
        self.write(close, "", 0.0).await
    }

    async fn disable(&self, cause: &str) -> Result<(), StoreError> {
        let disable = "UPDATE partners
             SET disabled_at = COALESCE(disabled_at, clock_timestamp()),
                 disabled_cause = COALESCE(disabled_cause, $2)
             WHERE subscription = $1 AND $3 = 0";
        self.write(disable, cause, 0.0).await
    }
}
