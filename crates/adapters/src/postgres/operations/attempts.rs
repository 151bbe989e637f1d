//! The consumption log.

use std::time::Duration;

use application::ports::{DeliveryQuery, LoggedAttempt, Origin, Page, StoreError};
use sqlx::{FromRow, PgPool, Postgres, QueryBuilder};
use time::OffsetDateTime;
use uuid::Uuid;

use super::positive;
use crate::postgres::{delivery_store::form::unsigned, error::store};

const COLUMNS: &str = "SELECT id, subscription, event_id, correlation_id, topic, partition, \"offset\", stock_id, product_id, \
     operation, version, attempt, status, external_id, response_code, duration_ms, error, message_hash, occurred_at, \
     started_at, finished_at FROM consumption_log WHERE true";

#[derive(FromRow)]
struct AttemptRow {
    id: i64,
    subscription: String,
    event_id: Option<Uuid>,
    correlation_id: Option<String>,
    topic: Option<String>,
    partition: Option<i32>,
    offset: Option<i64>,
    stock_id: Option<String>,
    product_id: Option<String>,
    operation: Option<String>,
    version: Option<i64>,
    attempt: i32,
    status: String,
    external_id: Option<String>,
    response_code: Option<i32>,
    duration_ms: Option<f64>,
    error: Option<String>,
    message_hash: Option<Vec<u8>>,
    occurred_at: Option<OffsetDateTime>,
    started_at: Option<OffsetDateTime>,
    finished_at: OffsetDateTime,
}

impl From<AttemptRow> for LoggedAttempt {
    fn from(row: AttemptRow) -> Self {
        let origin = || {
            Some(Origin {
                topic: row.topic?,
                partition: row.partition?,
                offset: row.offset?,
            })
        };
        Self {
            id: row.id,
            partner: row.subscription,
            event_id: row.event_id,
            correlation_id: row.correlation_id,
            origin: origin(),
            stock_id: row.stock_id,
            product_id: row.product_id,
            operation: row.operation,
            version: row.version.map(positive),
            attempt: unsigned(row.attempt),
            status: row.status,
            external_id: row.external_id,
            response_code: row.response_code.and_then(|code| u16::try_from(code).ok()),
            duration: row
                .duration_ms
                .and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok()),
            error: row.error,
            message_hash: row.message_hash,
            occurred_at: row.occurred_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// Adds ` AND column operator value` where there is a value.
pub(super) fn and<'q, T>(sql: &mut QueryBuilder<Postgres>, condition: &str, value: Option<T>)
where
    T: 'q + sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send,
{
    if let Some(value) = value {
        sql.push(" AND ").push(condition).push(" ").push_bind(value);
    }
}

pub(super) async fn list(
    pool: &PgPool,
    query: &DeliveryQuery,
) -> Result<Page<LoggedAttempt>, StoreError> {
    let mut sql = QueryBuilder::new(COLUMNS);
    and(&mut sql, "subscription =", query.partner.as_deref());
    and(&mut sql, "stock_id =", query.stock_id.as_deref());
    and(
        &mut sql,
        "correlation_id =",
        query.correlation_id.as_deref(),
    );
    and(&mut sql, "event_id =", query.event_id);
    and(&mut sql, "status =", query.status.as_deref());
    and(&mut sql, "finished_at >=", query.from);
    and(&mut sql, "finished_at <", query.until);
    and(&mut sql, "id <", query.before);
    sql.push(" ORDER BY id DESC LIMIT ")
        .push_bind(i64::from(query.limit) + 1);
    let rows: Vec<AttemptRow> = sql
        .build_query_as()
        .fetch_all(pool)
        .await
        .map_err(store("consumption_log"))?;
    let found = rows.into_iter().map(Into::into).collect();
    Ok(Page::of(found, query.limit))
}

/// Every attempt of one event, or of one record that could not be read.
pub(super) async fn of(
    pool: &PgPool,
    subscription: &str,
    event_id: Option<Uuid>,
    origin: &Origin,
) -> Result<Vec<LoggedAttempt>, StoreError> {
    let mut sql = QueryBuilder::new(COLUMNS);
    and(&mut sql, "subscription =", Some(subscription));
    if event_id.is_some() {
        and(&mut sql, "event_id =", event_id);
    } else {
        and(&mut sql, "topic =", Some(origin.topic.as_str()));
        and(&mut sql, "partition =", Some(origin.partition));
        and(&mut sql, "\"offset\" =", Some(origin.offset));
    }
    sql.push(" ORDER BY id LIMIT 1000");
    let rows: Vec<AttemptRow> = sql
        .build_query_as()
        .fetch_all(pool)
        .await
        .map_err(store("consumption_log"))?;
    Ok(rows.into_iter().map(Into::into).collect())
}
