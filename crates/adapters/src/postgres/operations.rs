//! What operators see and do.

mod attempts;
mod commands;
mod held;
mod letters;
mod partners;
mod resync;

use std::num::NonZeroU32;

use application::ports::{
    DeliveryQuery, HeldQuery, HeldStock, Letter, LetterDetail, LetterGroup, LetterQuery,
    LoggedAttempt, NotHandled, Operations, Operator, Page, PartnerStatus, Propagation, ReplayOrder,
    Replayed, ResyncProgress, StoreError,
};
use async_trait::async_trait;
use sqlx::PgPool;
use tokio::runtime::Handle;

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

    async fn replay(&self, order: &ReplayOrder) -> Result<Replayed, StoreError> {
        let (pool, order) = (self.pool.clone(), order.clone());
        detached(async move { commands::replay(&pool, &order).await }).await
    }

    async fn replay_found(
        &self,
        query: &LetterQuery,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<u64, StoreError> {
        let (pool, query, operator) = (self.pool.clone(), query.clone(), operator.clone());
        detached(async move { commands::replay_found(&pool, &query, rate, &operator).await }).await
    }

    async fn discard(
        &self,
        id: i64,
        operator: &Operator,
    ) -> Result<Result<(), NotHandled>, StoreError> {
        let (pool, operator) = (self.pool.clone(), operator.clone());
        detached(async move { commands::discard(&pool, id, &operator).await }).await
    }

    async fn pause(&self, partner: &str, operator: &Operator) -> Result<(), StoreError> {
        let (pool, partner, operator) = (self.pool.clone(), partner.to_owned(), operator.clone());
        detached(async move { commands::pause(&pool, &partner, &operator).await }).await
    }

    async fn resume(&self, partner: &str, operator: &Operator) -> Result<(), StoreError> {
        let (pool, partner, operator) = (self.pool.clone(), partner.to_owned(), operator.clone());
        detached(async move { commands::resume(&pool, &partner, &operator).await }).await
    }

    async fn resync(
        &self,
        partner: &str,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<ResyncProgress, StoreError> {
        let (pool, partner, operator) = (self.pool.clone(), partner.to_owned(), operator.clone());
        detached(async move { resync::begin(&pool, &partner, rate, &operator).await }).await
    }
}

/// Writes in a task of its own: a client that hangs up must not give a transaction up half-way (in sqlx 0.8.4 to 0.9.0 a
/// `begin()` that is given up poisons the pooled connection).
async fn detached<T: Send + 'static>(
    write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    let written = Handle::current().spawn(write).await;
    written.unwrap_or_else(|panicked| Err(StoreError::Unavailable(panicked.into())))
}

/// A count, which no table has below zero.
fn positive(count: i64) -> u64 {
    count.unsigned_abs()
}
