//! Stocks, their ledger and their outbox.

mod columns;
mod row;

use std::time::Duration;

use application::ports::{
    Decide, Decision, Loaded, Page, Recorded, RepositoryError, StockQuery, StockRepository, Touched,
};
use async_trait::async_trait;
use domain::stock::{ProductId, Status, Stock, StockId};
use sqlx::{Connection, PgConnection, PgPool};

use crate::postgres::error;
use columns::Columns;
use row::StockRow;

/// The columns of [`StockRow`].
const COLUMNS: &str = "stock_id, product_id, symbol, product_name, quantity, reserved, unit_price, \
                       currency, low_stock_threshold, discontinued, version, created_at, updated_at";

/// [`StockRepository`] on PostgreSQL.
pub struct PgStockRepository {
    pool: PgPool,
    deadline: Duration,
}

impl PgStockRepository {
    /// A repository on a database with [`crate::postgres::VIRTUAL_STOCK_SCHEMA`]. A transaction that has no answer within
    /// `deadline` is given up, its connection closed.
    #[must_use]
    pub fn new(pool: PgPool, deadline: Duration) -> Self {
        Self { pool, deadline }
    }
}

#[async_trait]
impl StockRepository for PgStockRepository {
    async fn commit(
        &self,
        touched: Touched,
        decide: Decide,
    ) -> Result<Vec<Decision>, RepositoryError> {
        let mut connection = self.pool.acquire().await.map_err(error::repository)?;
        let committed = commit(&mut connection, &touched, decide);
        match tokio::time::timeout(self.deadline, committed).await {
            Ok(result) => result,
            Err(elapsed) => {
                // A server that has vanished says nothing, and a pool would wait for it: close the connection instead.
                drop(connection.detach());
                Err(RepositoryError::OutcomeUnknown(elapsed.into()))
            }
        }
    }

    async fn find(&self, id: &StockId) -> Result<Option<Stock>, RepositoryError> {
        let sql = format!("SELECT {COLUMNS} FROM stocks WHERE stock_id = $1");
        let row: Option<StockRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(id.as_str())
            .fetch_optional(&self.pool)
            .await
            .map_err(error::repository)?;
        row.map(Stock::try_from).transpose()
    }

    async fn list(&self, query: &StockQuery) -> Result<Page, RepositoryError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM stocks
             WHERE ($1::text IS NULL OR product_id = $1)
                 AND ($2::text IS NULL OR symbol = $2)
                 AND ($3::text IS NULL OR $3 = CASE
                     WHEN discontinued THEN '{discontinued}'
                     WHEN quantity = reserved THEN '{out_of_stock}'
                     WHEN quantity - reserved < low_stock_threshold THEN '{low_stock}'
                     ELSE '{available}'
                 END)
                 AND ($4::text IS NULL OR stock_id > $4)
             ORDER BY stock_id
             LIMIT $5",
            discontinued = Status::Discontinued.as_str(),
            out_of_stock = Status::OutOfStock.as_str(),
            low_stock = Status::LowStock.as_str(),
            available = Status::Available.as_str(),
        );
        let limit = usize::from(query.limit);
        let rows: Vec<StockRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(query.product_id.as_deref())
            .bind(query.symbol.as_deref())
            .bind(query.status.map(Status::as_str))
            .bind(query.after.as_ref().map(StockId::as_str))
            .bind(i64::from(query.limit) + 1)
            // Each combination of filters wants a plan of its own.
            .persistent(false)
            .fetch_all(&self.pool)
            .await
            .map_err(error::repository)?;
        let more = rows.len() > limit;
        let stocks = rows.into_iter().take(limit).map(Stock::try_from);
        Ok(Page {
            stocks: stocks.collect::<Result<_, _>>()?,
            more,
        })
    }
}

async fn commit(
    connection: &mut PgConnection,
    touched: &Touched,
    decide: Decide,
) -> Result<Vec<Decision>, RepositoryError> {
    let mut transaction = connection.begin().await.map_err(error::repository)?;
    let loaded = load(&mut transaction, touched).await?;
    let decisions = decide(loaded);
    let changes: Vec<&Recorded> = decisions.iter().flatten().collect();
    if !changes.is_empty() {
        write(&mut transaction, &changes).await?;
    }
    transaction.commit().await.map_err(error::commit)?;
    Ok(decisions)
}

/// Locks the touched stocks, in the order of their ids, and loads them.
async fn load(connection: &mut PgConnection, touched: &Touched) -> Result<Loaded, RepositoryError> {
    let mut loaded = Loaded::default();
    if !touched.stock_ids.is_empty() {
        let ids: Vec<&str> = touched.stock_ids.iter().map(StockId::as_str).collect();
        let sql = format!(
            "SELECT {COLUMNS} FROM stocks WHERE stock_id = ANY($1) ORDER BY stock_id FOR NO KEY UPDATE"
        );
        let rows: Vec<StockRow> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(ids)
            .fetch_all(&mut *connection)
            .await
            .map_err(error::repository)?;
        let stocks = rows.into_iter().map(Stock::try_from);
        loaded.stocks = stocks.collect::<Result<_, _>>()?;
    }
    if !touched.product_ids.is_empty() {
        let ids: Vec<&str> = touched.product_ids.iter().map(ProductId::as_str).collect();
        let taken: Vec<String> =
            sqlx::query_scalar("SELECT product_id FROM stocks WHERE product_id = ANY($1)")
                .bind(ids)
                .fetch_all(&mut *connection)
                .await
                .map_err(error::repository)?;
        let taken = taken
            .into_iter()
            .map(|id| row::value(&id, "product_id", &id));
        loaded.taken_products = taken.collect::<Result<_, _>>()?;
    }
    Ok(loaded)
}

/// Writes all changes of the batch.
async fn write(
    connection: &mut PgConnection,
    changes: &[&Recorded],
) -> Result<(), RepositoryError> {
    let columns = Columns::of(changes);
    let expected = columns.expected();
    let written: (i64, i64) = columns
        .bind(sqlx::query_as(include_str!("write_batch.sql")))
        .fetch_one(connection)
        .await
        .map_err(error::repository)?;
    if written == expected {
        return Ok(());
    }
    let wrong = format!("{expected:?} stocks were to be created and updated, {written:?} were");
    Err(RepositoryError::Inconsistent(wrong.into()))
}
