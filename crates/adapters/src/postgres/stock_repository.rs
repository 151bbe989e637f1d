//! Stocks, their reservations, their ledger and their outbox.
//!
//! A batch is first tried without locks: read, decided, and written by one statement that does nothing if a stock is not as it
//! was read (optimistic concurrency control). Half as many round trips, and nobody waits meanwhile. Where others are changing the
//! same stocks, or holds have to be read, the stocks are locked first (ADR 15). Stocks that this instance left itself need not even be
//! read, unless something is decided that writing does not show to be right (ADR 18).

mod answers;
mod columns;
mod keys;
mod known;
mod load;
mod places;

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use application::ports::{Decide, Decided, RepositoryError, StockRepository, Touched};
use async_trait::async_trait;
use domain::stock::StockId;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, Postgres, pool::PoolConnection};
use time::OffsetDateTime;

use crate::postgres::{error, measured::measured, pool::RESTED, value::Row};
use columns::Columns;
use known::Known;
use load::Reading;
use places::Places;

/// After a batch that was in somebody's way, so many batches lock their stocks first: where there was one, there are more.
const LOCKED_AFTER_REFUSAL: u32 = 16;

/// [`StockRepository`] on PostgreSQL.
pub struct PgStockRepository {
    pool: PgPool,
    deadline: Duration,
    /// Connections that were just used, one for each batch that was under way at once; a pool asks them whether they are
    /// still there each time, which costs a round trip.
    warm: Mutex<Vec<(PoolConnection<Postgres>, Instant)>>,
    /// Stocks as batches of this instance left them.
    known: Known,
    /// Batches that will lock their stocks first.
    to_lock: AtomicU32,
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
            known: Known::default(),
            to_lock: AtomicU32::new(0),
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

    /// Whether this batch is tried without locks; one that could be and is not counts down. Holds have no version to compare, so
    /// their stocks are locked.
    fn compares_next(&self, touched: &Touched) -> bool {
        let one_less = |left: u32| left.checked_sub(1);
        touched.reservation_ids.is_empty()
            && touched.expiring.is_empty()
            && self
                .to_lock
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
                .is_err()
    }

    async fn commit_on(
        &self,
        connection: &mut PgConnection,
        touched: &Touched,
        decide: &Decide,
    ) -> Result<Decided, RepositoryError> {
        let began = Instant::now();
        if self.compares_next(touched) {
            match self.at_once(connection, touched, decide).await? {
                Compared::Committed(committed) => {
                    self.known.was_right();
                    return Ok(self.learnt(began, committed));
                }
                Compared::Refused => self.known.was_wrong(touched),
                Compared::MoreToRead => {}
            }
            match compared(connection, touched, decide).await? {
                Compared::Committed(committed) => return Ok(self.learnt(began, committed)),
                Compared::Refused => self.to_lock.store(LOCKED_AFTER_REFUSAL, Ordering::Relaxed),
                Compared::MoreToRead => {}
            }
        }
        let committed = locked(connection, touched, decide).await?;
        Ok(self.learnt(began, committed))
    }

    fn learnt(&self, began: Instant, (decided, outcome): Committed) -> Decided {
        if let Some(outcome) = outcome {
            self.known.learn(began, &decided, outcome);
        }
        decided
    }

    /// Decides on what is known, and writes by one statement.
    async fn at_once(
        &self,
        connection: &mut PgConnection,
        touched: &Touched,
        decide: &Decide,
    ) -> Result<Compared, RepositoryError> {
        let Some((loaded, places)) = self.known.all(touched) else {
            return Ok(Compared::MoreToRead);
        };
        if load::is_short(touched, &loaded) {
            return Ok(Compared::MoreToRead);
        }
        let decided = decide(loaded);
        if decided.only_read || decided.changes.is_empty() {
            return Ok(Compared::MoreToRead);
        }
        write_compared(connection, decided, &places).await
    }

    /// Carries a batch out, or gives it up after the deadline.
    async fn commit_in_time(
        &self,
        touched: Touched,
        decide: Decide,
    ) -> Result<Decided, RepositoryError> {
        let mut connection = self.connection().await.map_err(error::repository)?;
        let committed = self.commit_on(&mut connection, &touched, &decide);
        match tokio::time::timeout(self.deadline, committed).await {
            Ok(Ok(decided)) => {
                self.warm().push((connection, Instant::now()));
                Ok(decided)
            }
            Ok(Err(error)) => {
                if let RepositoryError::Unavailable(_) | RepositoryError::OutcomeUnknown(_) = error
                {
                    self.known.forget();
                }
                Err(error)
            }
            Err(elapsed) => {
                // A server that has vanished says nothing, and a pool would wait for it: close the connection instead.
                drop(connection.detach());
                self.known.forget();
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

/// What was decided, and what came of writing it, if there was anything to write.
type Committed = (Decided, Option<Outcome>);

/// What became of a batch that was tried without locks.
enum Compared {
    /// It is committed.
    Committed(Committed),
    /// Nothing was kept: somebody else is at it.
    Refused,
    /// Nothing was done: more has to be read.
    MoreToRead,
}

/// Reads without a lock, decides, and writes by one statement.
async fn compared(
    connection: &mut PgConnection,
    touched: &Touched,
    decide: &Decide,
) -> Result<Compared, RepositoryError> {
    let answered = keys::answered(connection, &touched.keys).await?;
    let (loaded, places) = load::load(connection, touched, answered, Reading::Free).await?;
    if load::is_short(touched, &loaded) {
        return Ok(Compared::MoreToRead);
    }
    write_compared(connection, decide(loaded), &places).await
}

/// Writes by one statement, if all is as it was when this was decided.
async fn write_compared(
    connection: &mut PgConnection,
    decided: Decided,
    places: &Places,
) -> Result<Compared, RepositoryError> {
    let written = write(connection, Columns::to_compare(&decided, places)).await;
    match written.map_err(error::committing) {
        Ok(outcome) if is_unchanged(outcome.as_ref()) => {
            Ok(Compared::Committed((decided, outcome)))
        }
        Ok(_) | Err(RepositoryError::Conflict | RepositoryError::Contention(_)) => {
            Ok(Compared::Refused)
        }
        Err(error) => Err(error),
    }
}

/// Locks, reads, decides and writes: keys first and then stocks, each in their order.
async fn locked(
    connection: &mut PgConnection,
    touched: &Touched,
    decide: &Decide,
) -> Result<Committed, RepositoryError> {
    let mut transaction = connection.begin().await.map_err(error::repository)?;
    let answered = keys::claim(&mut transaction, &touched.keys).await?;
    let (mut loaded, places) =
        load::load(&mut transaction, touched, answered, Reading::Locked).await?;
    load::holds(&mut transaction, touched, &mut loaded).await?;
    let decided = decide(loaded);
    let written = write(&mut transaction, Columns::of(&decided, &places)).await;
    let outcome = written.map_err(error::repository)?;
    if !is_unchanged(outcome.as_ref()) {
        let wrong = "a locked stock is not as it was read";
        return Err(RepositoryError::Inconsistent(wrong.into()));
    }
    keys::keep(&mut transaction, &touched.keys, &decided.answered).await?;
    transaction.commit().await.map_err(error::commit)?;
    Ok((decided, outcome))
}

/// What came of writing a batch.
#[derive(sqlx::FromRow)]
struct Outcome {
    /// Whether it was written: all stocks were as they were read, and nobody was changing them.
    unchanged: bool,
    /// The server's time.
    at: OffsetDateTime,
    /// The transaction.
    writer: i64,
    /// Stocks that have another row now.
    stock_ids: Vec<String>,
    /// Where each of these rows is, in the same order.
    places: Vec<String>,
}

fn is_unchanged(outcome: Option<&Outcome>) -> bool {
    outcome.is_none_or(|outcome| outcome.unchanged)
}

/// Writes all of the batch, or nothing; none: there is nothing to write.
async fn write(
    connection: &mut PgConnection,
    columns: Columns<'_>,
) -> Result<Option<Outcome>, sqlx::Error> {
    if columns.is_empty() {
        return Ok(None);
    }
    let statement = AssertSqlSafe(columns.statement());
    columns
        .bind(sqlx::query_as(statement))
        .fetch_one(connection)
        .await
        .map(Some)
}
