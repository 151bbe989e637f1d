//! What a batch writes.

use std::time::Duration;

use application::{
    delivery::cause,
    ports::{InboundRecord, StoreError},
};
use domain::delivery::ExternalId;
use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, PgConnection, Postgres, postgres::PgArguments, query::QueryScalar, types::Json,
};

use crate::postgres::{
    delivery_store::{
        batch::Batch,
        form::{StoredPicture, headers},
        rows::{Dead, Logged, OutcomeRow, ResyncRow, Stock, ToWait},
    },
    error::store,
    statement::statement,
};

/// The first outcome of an event stays: an attempt whose claim had run out may come second.
const OUTCOMES: &str = include_str!("write/outcomes.sql");
/// Rows of the consumption log.
const LOG: &str = include_str!("write/log.sql");
/// Stocks are written by where their rows are, which any other write of them would change.
const STOCKS: &str = include_str!("write/stocks.sql");

type Query<'q> = QueryScalar<'q, Postgres, i64, PgArguments>;

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(attempts: u32) -> i32 {
    i32::try_from(attempts).unwrap_or(i32::MAX)
}

/// One column of the rows.
fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// Events that wait now, and those that wait no more; both lists are empty afterwards.
pub(super) async fn waiting(
    connection: &mut PgConnection,
    subscription: &str,
    batch: &mut Batch<'_>,
) -> Result<(), StoreError> {
    let waited = std::mem::take(&mut batch.waited);
    if !waited.is_empty() {
        sqlx::query(
            "DELETE FROM waiting_events w
             USING unnest($2::text[], $3::bigint[]) AS e (stock_id, version)
             WHERE w.subscription = $1 AND w.stock_id = ANY($2) AND w.stock_id = e.stock_id AND w.version = e.version",
        )
        .bind(subscription)
        .bind(column(&waited, |(stock, _)| stock.as_str()))
        .bind(column(&waited, |(_, version)| signed(*version)))
        .execute(&mut *connection)
        .await
        .map_err(store("waiting_events"))?;
    }
    let rows: Vec<ToWait> = std::mem::take(&mut batch.to_wait);
    if rows.is_empty() {
        return Ok(());
    }
    // A repeat of an event that waits already changes nothing; another failure of it does.
    sqlx::query(
        "INSERT INTO waiting_events (
             subscription, stock_id, version, topic, partition, \"offset\", key, headers, payload, attempts, counted,
             next_at, last_error
         )
         SELECT DISTINCT ON (e.stock_id, e.version)
             $1, e.stock_id, e.version, e.topic, e.partition, e.o, e.key, e.headers, e.payload, e.attempts, e.counted,
             clock_timestamp() + make_interval(secs => e.wait), e.error
         FROM unnest(
             $2::text[], $3::bigint[], $4::text[], $5::integer[], $6::bigint[], $7::bytea[], $8::jsonb[], $9::bytea[],
             $10::integer[], $11::integer[], $12::float8[], $13::text[]
         ) AS e (stock_id, version, topic, partition, o, key, headers, payload, attempts, counted, wait, error)
         ORDER BY e.stock_id, e.version, e.attempts DESC
         ON CONFLICT (subscription, stock_id, version) DO UPDATE
         SET attempts = EXCLUDED.attempts, counted = EXCLUDED.counted, next_at = EXCLUDED.next_at, last_error = EXCLUDED.last_error
         WHERE EXCLUDED.attempts > waiting_events.attempts",
    )
    .bind(subscription)
    .bind(column(&rows, |row| row.stock_id.as_str()))
    .bind(column(&rows, |row| signed(row.version)))
    .bind(column(&rows, |row| row.record.origin.topic.as_str()))
    .bind(column(&rows, |row| row.record.origin.partition))
    .bind(column(&rows, |row| row.record.origin.offset))
    .bind(column(&rows, |row| row.record.key.as_deref()))
    .bind(column(&rows, |row| headers(&row.record)))
    .bind(column(&rows, |row| row.record.payload.as_slice()))
    .bind(column(&rows, |row| count(row.attempts)))
    .bind(column(&rows, |row| count(row.counted)))
    .bind(column(&rows, |row| row.wait_seconds))
    .bind(column(&rows, |row| row.error.as_deref()))
    .execute(connection)
    .await
    .map_err(store("waiting_events"))
    .map(drop)
}

/// Everything else. A dead letter that dies again finds that it was replayed.
pub(super) async fn rest(
    connection: &mut PgConnection,
    subscription: &str,
    lease: Duration,
    batch: Batch<'_>,
) -> Result<(), StoreError> {
    let stocks: Vec<_> = batch
        .stocks
        .into_iter()
        .filter(|(_, stock)| stock.changed)
        .collect();
    together(
        connection,
        subscription,
        lease,
        &batch.outcomes,
        &batch.log,
        &stocks,
    )
    .await?;
    dead_letters(connection, subscription, &batch.dead).await?;
    resyncs(connection, subscription, &batch.resyncs).await
}

/// What nearly every batch writes, in one round trip.
async fn together(
    connection: &mut PgConnection,
    subscription: &str,
    lease: Duration,
    outcomes: &[OutcomeRow],
    log: &[Logged],
    stocks: &[(String, Stock)],
) -> Result<(), StoreError> {
    let parts = [
        (!outcomes.is_empty()).then_some(OUTCOMES),
        (!log.is_empty()).then_some(LOG),
        (!stocks.is_empty()).then_some(STOCKS),
    ];
    if parts.iter().all(Option::is_none) {
        return Ok(());
    }
    let answer = if stocks.is_empty() {
        "SELECT 0::bigint"
    } else {
        "SELECT count(*) FROM stocks"
    };
    let sql = statement(parts.into_iter().flatten(), answer);
    let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
    if !outcomes.is_empty() {
        query = bind_outcomes(query, subscription, outcomes);
    }
    if !log.is_empty() {
        query = bind_log(query, subscription, log);
    }
    if !stocks.is_empty() {
        query = bind_stocks(query, lease, stocks);
    }
    let written: i64 = query
        .fetch_one(connection)
        .await
        .map_err(store("external_stocks"))?;
    if usize::try_from(written) == Ok(stocks.len()) {
        return Ok(());
    }
    let why = format!("{written} of {} locked rows were written", stocks.len());
    Err(StoreError::Unavailable(why.into()))
}

fn bind_outcomes<'q>(query: Query<'q>, subscription: &'q str, rows: &'q [OutcomeRow]) -> Query<'q> {
    query
        .bind(subscription)
        .bind(column(rows, |row| row.stock_id.as_str()))
        .bind(column(rows, |row| signed(row.version)))
        .bind(column(rows, |row| row.event_id))
        .bind(column(rows, |row| row.outcome.as_str()))
}

fn bind_log<'q>(query: Query<'q>, subscription: &'q str, rows: &'q [Logged]) -> Query<'q> {
    let hash = |record: &InboundRecord| Sha256::digest(&record.payload).to_vec();
    query
        .bind(subscription)
        .bind(column(rows, |row| {
            row.subject.as_ref().and_then(|s| s.event_id)
        }))
        .bind(column(rows, |row| {
            row.subject.as_ref().map(|s| s.correlation_id.as_str())
        }))
        .bind(column(rows, |row| {
            row.record.as_ref().map(|r| r.origin.topic.as_str())
        }))
        .bind(column(rows, |row| {
            row.record.as_ref().map(|r| r.origin.partition)
        }))
        .bind(column(rows, |row| {
            row.record.as_ref().map(|r| r.origin.offset)
        }))
        .bind(column(rows, |row| {
            row.subject.as_ref().map(|s| s.stock_id.as_str())
        }))
        .bind(column(rows, |row| {
            row.subject.as_ref().map(|s| s.product_id.as_str())
        }))
        .bind(column(rows, |row| {
            row.subject.as_ref().map(|s| s.operation)
        }))
        .bind(column(rows, |row| {
            row.subject.as_ref().map(|s| signed(s.version))
        }))
        .bind(column(rows, |row| count(row.attempt)))
        .bind(column(rows, |row| row.status.as_str()))
        .bind(column(rows, |row| row.external_id.as_deref()))
        .bind(column(rows, |row| row.response_code.map(i32::from)))
        .bind(column(rows, |row| row.duration_ms))
        .bind(column(rows, |row| row.error.as_deref()))
        .bind(column(rows, |row| row.record.as_deref().map(hash)))
        .bind(column(rows, |row| {
            row.subject.as_ref().and_then(|s| s.occurred_at)
        }))
        .bind(column(rows, |row| row.started_at))
}

fn bind_stocks<'q>(query: Query<'q>, lease: Duration, rows: &'q [(String, Stock)]) -> Query<'q> {
    let picture = |stock: &Stock| {
        let picture = stock.external.told.as_ref();
        let picture = picture.filter(|_| stock.told_changed);
        picture.map(|picture| Json(StoredPicture::from(&**picture)))
    };
    let external_id =
        |stock: &'q Stock| stock.external.external_id.as_ref().map(ExternalId::as_str);
    query
        .bind(column(rows, |(_, stock)| stock.place.as_str()))
        .bind(column(rows, |(_, stock)| external_id(stock)))
        .bind(column(rows, |(_, stock)| {
            signed(stock.external.acknowledged)
        }))
        .bind(column(rows, |(_, stock)| picture(stock)))
        .bind(column(rows, |(_, stock)| stock.claim_changed))
        .bind(column(rows, |(_, stock)| stock.claim))
        .bind(column(rows, |(_, stock)| stock.due_at))
        .bind(lease.as_secs_f64())
}

async fn dead_letters(
    connection: &mut PgConnection,
    subscription: &str,
    rows: &[Dead],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    // A record that is read again is buried already; one that was replayed and failed is buried again.
    sqlx::query(
        "INSERT INTO dead_letters (
             subscription, event_id, stock_id, version, operation, correlation_id, topic, partition, \"offset\", key,
             headers, payload, reason, cause, attempts
         )
         SELECT DISTINCT ON (e.topic, e.partition, e.o, e.payload) $1, e.* FROM unnest(
             $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[],
             $10::bytea[], $11::jsonb[], $12::bytea[], $13::text[], $14::text[], $15::integer[]
         ) AS e (
             event_id, stock_id, version, operation, correlation_id, topic, partition, o, key, headers, payload, reason,
             cause, attempts
         )
         ON CONFLICT (subscription, topic, partition, \"offset\", sha256(payload)) DO UPDATE
         SET state = 'OPEN', reason = EXCLUDED.reason, cause = EXCLUDED.cause, attempts = EXCLUDED.attempts,
             died_at = clock_timestamp(), published_at = NULL, publish_after = NULL, outcome = NULL, resolved_at = NULL
         WHERE dead_letters.state IN ('REPLAYING', 'REPLAYED') AND EXCLUDED.stock_id IS NOT NULL",
    )
    .bind(subscription)
    .bind(column(rows, |row| row.notification().map(|n| n.event_id)))
    .bind(column(rows, |row| row.notification().map(|n| n.stock_id.as_str())))
    .bind(column(rows, |row| row.notification().map(|n| signed(n.version()))))
    .bind(column(rows, |row| row.notification().map(|n| n.effect.operation())))
    .bind(column(rows, |row| row.notification().map(|n| n.correlation_id.as_str())))
    .bind(column(rows, |row| row.record.origin.topic.as_str()))
    .bind(column(rows, |row| row.record.origin.partition))
    .bind(column(rows, |row| row.record.origin.offset))
    .bind(column(rows, |row| row.record.key.as_deref()))
    .bind(column(rows, |row| headers(&row.record)))
    .bind(column(rows, |row| row.record.payload.as_slice()))
    .bind(column(rows, |row| row.reason.as_str()))
    .bind(column(rows, |row| cause(&row.reason)))
    .bind(column(rows, |row| count(row.attempts)))
    .execute(connection)
    .await
    .map_err(store("dead_letters"))
    .map(drop)
}

/// Resynchronizations that go on, or are done with.
async fn resyncs(
    connection: &mut PgConnection,
    subscription: &str,
    rows: &[ResyncRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "WITH told AS (
             UPDATE external_stocks e
             SET resync = CASE WHEN r.wait IS NOT NULL THEN e.resync END,
                 resync_at = clock_timestamp() + make_interval(secs => r.wait),
                 resync_attempts = CASE WHEN r.wait IS NOT NULL THEN r.attempts ELSE 0 END
             FROM unnest($2::text[], $3::uuid[], $4::float8[], $5::boolean[], $6::integer[])
                 AS r (stock_id, id, wait, failed, attempts)
             WHERE e.subscription = $1 AND e.stock_id = r.stock_id AND e.resync = r.id
             RETURNING r.id, r.failed
         )
         UPDATE resyncs s
         SET failed = s.failed + f.failures
         FROM (SELECT id, count(*) AS failures FROM told WHERE failed GROUP BY id) f
         WHERE s.id = f.id",
    )
    .bind(subscription)
    .bind(column(rows, |row| row.stock_id.as_str()))
    .bind(column(rows, |row| row.id))
    .bind(column(rows, |row| row.wait_seconds))
    .bind(column(rows, |row| row.failed))
    .bind(column(rows, |row| count(row.attempts)))
    .execute(connection)
    .await
    .map_err(store("resyncs"))
    .map(drop)
}
