//! What is due: stocks to be looked at again, dead letters to be published.

use application::ports::{DeadLetter, Retry, StoreError};
use sqlx::PgConnection;

use crate::postgres::{
    delivery_store::{REDISPATCH, form},
    error::store,
};

/// Most stocks that are handed out and not taken yet, by all instances: more would only be handed out twice.
const OUTSTANDING: i64 = 500;

/// Stocks that are due, each put off until it would be handed out again.
pub(super) async fn due(
    connection: &mut PgConnection,
    subscription: &str,
    limit: i64,
) -> Result<Vec<Retry>, StoreError> {
    let failed = store("waiting_events");
    let outstanding: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM external_stocks
         WHERE subscription = $1 AND wake_at > now() AND wake_at <= now() + make_interval(secs => $2)
             AND claim IS NULL",
    )
    .bind(subscription)
    .bind(REDISPATCH.as_secs_f64())
    .fetch_one(&mut *connection)
    .await
    .map_err(&failed)?;
    let limit = limit.min(OUTSTANDING - outstanding);
    if limit <= 0 {
        return Ok(Vec::new());
    }
    let rows: Vec<form::DueRow> = sqlx::query_as(
        "WITH due AS (
             UPDATE external_stocks e
             SET due_at = CASE WHEN due_at <= now() THEN now() + make_interval(secs => $3) ELSE due_at END,
                 resync_at = CASE WHEN resync_at <= now() THEN now() + make_interval(secs => $3) ELSE resync_at END
             WHERE e.subscription = $1 AND e.stock_id = ANY(ARRAY(
                 SELECT stock_id FROM external_stocks
                 WHERE subscription = $1 AND wake_at <= now() AND (claim_until IS NULL OR claim_until < now())
                 ORDER BY wake_at
                 LIMIT $2
                 FOR UPDATE SKIP LOCKED
             ))
             RETURNING e.stock_id
         )
         SELECT due.stock_id, w.topic, w.partition, w.\"offset\", w.key, w.headers, w.payload, w.attempts
         FROM due LEFT JOIN LATERAL (
             SELECT topic, partition, \"offset\", key, headers, payload, attempts
             FROM waiting_events
             WHERE subscription = $1 AND stock_id = due.stock_id
             ORDER BY attempts = 0, version
             LIMIT 1
         ) w ON true",
    )
    .bind(subscription)
    .bind(limit)
    .bind(REDISPATCH.as_secs_f64())
    .fetch_all(connection)
    .await
    .map_err(failed)?;
    Ok(rows.into_iter().map(Into::into).collect())
}

/// Dead letters that are not on their topic, each had by one instance for a while.
pub(super) async fn unpublished(
    connection: &mut PgConnection,
    subscription: &str,
    limit: i64,
) -> Result<Vec<DeadLetter>, StoreError> {
    let mut rows: Vec<form::DeadLetterRow> = sqlx::query_as(
        "UPDATE dead_letters d
         SET publish_after = clock_timestamp() + make_interval(secs => $3)
         FROM (
             SELECT id FROM dead_letters
             WHERE subscription = $1 AND published_at IS NULL
                 AND (publish_after IS NULL OR publish_after <= clock_timestamp())
             ORDER BY id
             LIMIT $2
             FOR UPDATE SKIP LOCKED
         ) u
         WHERE d.id = u.id
         RETURNING d.id, topic, partition, \"offset\", key, headers, payload, reason, attempts",
    )
    .bind(subscription)
    .bind(limit)
    .bind(REDISPATCH.as_secs_f64())
    .fetch_all(connection)
    .await
    .map_err(store("dead_letters"))?;
    rows.sort_by_key(|row| row.id);
    Ok(rows.into_iter().map(Into::into).collect())
}

/// These are on their topic; one that has died again since is not.
pub(super) async fn published(
    connection: &mut PgConnection,
    ids: &[i64],
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE dead_letters SET published_at = clock_timestamp(), publish_after = NULL
         WHERE id = ANY($1) AND publish_after IS NOT NULL",
    )
    .bind(ids)
    .execute(connection)
    .await
    .map_err(store("dead_letters"))
    .map(drop)
}
