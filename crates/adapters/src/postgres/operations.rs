//! What operators see and do.

mod attempts;
mod commands;
mod held;
mod letters;
mod partners;

use std::num::NonZeroU32;

use application::ports::{
    DeliveryQuery, Edit, HeldQuery, HeldStock, Letter, LetterDetail, LetterGroup, LetterQuery,
    LoggedAttempt, NotHandled, Operations, Operator, Pace, Page, PartnerStatus, Propagation,
    Replayed, ResyncProgress, StoreError,
};
use async_trait::async_trait;
use sqlx::PgPool;

/// [`Operations`] on PostgreSQL.
pub struct PgOperations {
    pool: PgPool,
}

impl PgOperations {
    /// Operations on a database with [`crate::postgres::ACL_SCHEMA`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Operations for PgOperations {
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<LoggedAttempt>, StoreError> {
        attempts::list(&self.pool, query).await
    }

    async fn letters(&self, query: &LetterQuery) -> Result<Page<Letter>, StoreError> {
        letters::list(&self.pool, query).await
    }

    async fn count_letters(&self, query: &LetterQuery) -> Result<u64, StoreError> {
        letters::count(&self.pool, query).await
    }

    async fn letter(&self, id: i64) -> Result<Option<LetterDetail>, StoreError> {
        letters::detail(&self.pool, id).await
    }

    async fn groups(&self) -> Result<Vec<LetterGroup>, StoreError> {
        letters::groups(&self.pool).await
    }

    async fn held(&self, query: &HeldQuery) -> Result<Page<HeldStock>, StoreError> {
        held::list(&self.pool, query).await
    }

    async fn partners(&self, names: &[String]) -> Result<Vec<PartnerStatus>, StoreError> {
        partners::list(&self.pool, names).await
    }

    async fn propagation(
        &self,
        names: &[String],
        stock_id: &str,
    ) -> Result<Option<Vec<Propagation>>, StoreError> {
        partners::propagation(&self.pool, names, stock_id).await
    }

    async fn replay(
        &self,
        ids: &[i64],
        edit: Option<&Edit>,
        pace: Option<Pace>,
        operator: &Operator,
    ) -> Result<Replayed, StoreError> {
        commands::replay(&self.pool, ids, edit, pace, operator).await
    }

    async fn discard(
        &self,
        id: i64,
        operator: &Operator,
    ) -> Result<Result<(), NotHandled>, StoreError> {
        commands::discard(&self.pool, id, operator).await
    }

    async fn pause(&self, partner: &str, operator: &Operator) -> Result<(), StoreError> {
        commands::pause(&self.pool, partner, operator).await
    }

    async fn resume(&self, partner: &str, operator: &Operator) -> Result<(), StoreError> {
        commands::resume(&self.pool, partner, operator).await
    }

    async fn resync(
        &self,
        partner: &str,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<ResyncProgress, StoreError> {
        commands::resync(&self.pool, partner, rate, operator).await
    }
}

/// A count, which no table has below zero.
fn positive(count: i64) -> u64 {
    count.unsigned_abs()
}
