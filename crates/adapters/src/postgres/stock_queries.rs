//! Reads of stocks, their reservations and their ledger.

mod by_id;
mod movements;
mod reservations;
mod stats;
mod stocks;

use application::ports::{
    Movement, Page, RepositoryError, ReservationQuery, StockQueries, StockQuery, StockStats,
};
use async_trait::async_trait;
use domain::stock::{Reservation, ReservationId, Stock, StockId};
use sqlx::{AssertSqlSafe, PgPool};
use time::OffsetDateTime;

use crate::postgres::{
    error,
    measured::measured,
    reservation_row::{RESERVATION_COLUMNS, ReservationRow},
    stock_queries::by_id::ById,
    stock_row::StockRow,
};

/// [`StockQueries`] on PostgreSQL.
pub struct PgStockQueries {
    pool: PgPool,
    by_id: ById,
}

impl PgStockQueries {
    /// Reads of a database with [`crate::postgres::VIRTUAL_STOCK_SCHEMA`]. Single stocks are read on the connections `by_id`,
    /// which are for [`crate::postgres::Plans::Keys`].
    #[must_use]
    pub fn new(pool: PgPool, by_id: PgPool) -> Self {
        Self {
            by_id: ById::new(by_id),
            pool,
        }
    }
}

#[async_trait]
impl StockQueries for PgStockQueries {
    async fn stock(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError> {
        measured("stock", self.by_id.stock(id)).await
    }

    async fn stock_as_of(
        &self,
        id: &StockId,
        at: OffsetDateTime,
    ) -> Result<Option<Stock>, RepositoryError> {
        let row: Option<StockRow> = sqlx::query_as(include_str!("stock_queries/as_of.sql"))
            .bind(id.as_str())
            .bind(at)
            .fetch_optional(&self.pool)
            .await
            .map_err(error::repository)?;
        row.as_ref().map(Stock::try_from).transpose()
    }

    async fn stocks(&self, query: &StockQuery) -> Result<Page<Stock>, RepositoryError> {
        measured("stocks", stocks::list(&self.pool, query)).await
    }

    async fn stats(&self) -> Result<StockStats, RepositoryError> {
        measured("stats", stats::stats(&self.pool)).await
    }

    async fn movements(
        &self,
        id: &StockId,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Option<Page<Movement>>, RepositoryError> {
        measured("movements", movements::list(&self.pool, id, before, limit)).await
    }

    async fn reservation(
        &self,
        id: &ReservationId,
    ) -> Result<Option<Reservation>, RepositoryError> {
        let sql =
            format!("SELECT {RESERVATION_COLUMNS} FROM reservations WHERE reservation_id = $1");
        let row: Option<ReservationRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(error::repository)?;
        row.map(Reservation::try_from).transpose()
    }

    async fn reservations(
        &self,
        query: &ReservationQuery,
    ) -> Result<Page<Reservation>, RepositoryError> {
        reservations::list(&self.pool, query).await
    }
}
