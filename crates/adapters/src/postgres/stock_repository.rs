//! Stocks, their reservations, their ledger and their outbox.

mod columns;
mod keys;
mod load;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use application::ports::{Decide, Decided, RepositoryError, StockRepository, Touched};
use async_trait::async_trait;
use domain::stock::StockId;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, pool::PoolConnection};

use crate::postgres::{error, measured::measured, pool::RESTED, value::Row};
use columns::Columns;

/// [`StockRepository`] on PostgreSQL.
pub struct PgStockRepository {
    pool: PgPool,
    deadline: Duration,
    /// Connections that were just used, one for each batch that was under way at once; a pool asks them whether they are
    /// still there each time, which costs a round trip.
    warm: Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
}

impl PgStockRepository {
    /// A repository on a database with [`crate::postgres::VIRTUAL_STOCK_SCHEMA`]. A transaction that has no answer within
    /// `deadline` is given up, its connection closed.
    #[must_use]
    pub fn new(pool: PgPool, deadline: Duration) -> Self {
        Self {
            pool,
            deadline,
            warm: Mutex::default(),
        }
    }

    fn warm(&self) -> MutexGuard<'_, Vec<(PoolConnection<Postgres>, Instant)>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection; one that was not used for long goes through the pool, which finds out whether it is lost.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let warm = self.warm().pop();
        match warm {
            Some((connection, used)) if used.elapsed() < RESTED => Ok(connection),
            rested => {
                drop(rested);
                self.pool.acquire().await
            }
        }
    }

    /// Carries a batch out, or gives it up after the deadline.
    async fn commit_in_time(
        &self,
        touched: Touched,
        decide: Decide,
    ) -> Result<Decided, RepositoryError> {
        let mut connection = self.connection().await.map_err(error::repository)?;
        let committed = commit(&mut connection, &touched, decide);
        match tokio::time::timeout(self.deadline, committed).await {
            Ok(Ok(decided)) => {
                self.warm().push((connection, Instant::now()));
                Ok(decided)
            }
            Ok(Err(error)) => Err(error),
            Err(elapsed) => {
                // A server that has vanished says nothing, and a pool would wait for it: close the connection instead.
                drop(connection.detach());
                Err(RepositoryError::OutcomeUnknown(elapsed.into()))
            }
        }
    }
}

#[async_trait]
impl StockRepository for PgStockRepository {
    async fn commit(&self, touched: Touched, decide: Decide) -> Result<Decided, RepositoryError> {
        measured("commit", self.commit_in_time(touched, decide)).await
    }

    async fn with_due_holds(&self, limit: u16) -> Result<Vec<StockId>, RepositoryError> {
        // The holds that are due for longest, of some more of them than stocks are asked for: a stock may have many.
        let due = sqlx::query_scalar(
            "SELECT stock_id
             FROM (
                 SELECT stock_id, expires_at FROM reservations
                 WHERE state = 'HELD' AND expires_at <= now()
                 ORDER BY expires_at
                 LIMIT 100 * $1
             ) AS due
             GROUP BY stock_id
             ORDER BY min(expires_at)
             LIMIT $1",
        )
        .bind(i64::from(limit))
        .fetch_all(&self.pool);
        let due: Vec<String> = tokio::time::timeout(self.deadline, due)
            .await
            .map_err(|elapsed| RepositoryError::Unavailable(elapsed.into()))?
            .map_err(error::repository)?;
        let stock_id = |id: &String| {
            let table = "reservations";
            Row { table, id }.value("stock_id", id)
        };
        due.iter().map(stock_id).collect()
    }
}

async fn commit(
    connection: &mut PgConnection,
    touched: &Touched,
    decide: Decide,
) -> Result<Decided, RepositoryError> {
    let mut transaction = connection.begin().await.map_err(error::repository)?;
    let answered = keys::claim(&mut transaction, &touched.keys).await?;
    let loaded = load::load(&mut transaction, touched, answered).await?;
    let decided = decide(loaded);
    if !(decided.changes.is_empty() && decided.extended.is_empty()) {
        write(&mut transaction, &decided).await?;
    }
    keys::keep(&mut transaction, &touched.keys, &decided.answered).await?;
    transaction.commit().await.map_err(error::commit)?;
    Ok(decided)
}

/// Writes all changes of the batch.
async fn write(connection: &mut PgConnection, decided: &Decided) -> Result<(), RepositoryError> {
    let columns = Columns::of(decided);
    let expected = columns.expected();
    let statement = AssertSqlSafe(columns.statement());
    let written: (i64, i64, i64, i64) = columns
        .bind(sqlx::query_as(statement))
        .fetch_one(connection)
        .await
        .map_err(error::repository)?;
    if written == expected {
        return Ok(());
    }
    let wrong = format!(
        "(stocks created, stocks updated, holds made, holds changed) were to be {expected:?} and are {written:?}"
    );
    Err(RepositoryError::Inconsistent(wrong.into()))
}
