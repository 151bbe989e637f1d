//! Dead letters whose replay is due wait for their turn again.

use application::ports::StoreError;
use sqlx::{Connection, PgConnection};

use crate::postgres::error::store;

/// Lets up to `limit` of them wait. The stocks are locked first and in their order, as everywhere.
pub(super) async fn take(
    connection: &mut PgConnection,
    subscription: &str,
    limit: i64,
) -> Result<u64, StoreError> {
    let failed = store("dead_letters");
    let due: Vec<(i64, String)> = sqlx::query_as(
        "SELECT id, stock_id FROM dead_letters
         WHERE subscription = $1 AND replay_at <= now() AND state = 'REPLAYING'
         ORDER BY replay_at
         LIMIT $2",
    )
    .bind(subscription)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await
    .map_err(&failed)?;
    if due.is_empty() {
        return Ok(0);
    }
    let (ids, mut stocks): (Vec<i64>, Vec<String>) = due.into_iter().unzip();
    stocks.sort_unstable();
    stocks.dedup();
    let mut transaction = connection.begin().await.map_err(&failed)?;
    sqlx::query(
        "INSERT INTO external_stocks (subscription, stock_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING",
    )
    .bind(subscription)
    .bind(&stocks)
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    sqlx::query(
        "SELECT FROM external_stocks WHERE subscription = $1 AND stock_id = ANY($2) ORDER BY stock_id FOR UPDATE",
    )
    .bind(subscription)
    .bind(&stocks)
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    // One that has another outcome than to be dead needs no further delivery. One that was tried comes before all
    // others: its outcome is unknown.
    let taken = sqlx::query(
        "WITH due AS (
             SELECT * FROM dead_letters
             WHERE id = ANY($2) AND subscription = $1 AND state = 'REPLAYING' AND replay_at IS NOT NULL
             FOR UPDATE
         ), settled AS (
             SELECT d.id, o.outcome
             FROM due d
             JOIN outcomes o ON o.subscription = $1 AND o.stock_id = d.stock_id AND o.version = d.version
             WHERE o.outcome <> 'DEAD'
         ), revived AS (
             DELETE FROM outcomes o USING due d
             WHERE o.subscription = $1 AND o.stock_id = d.stock_id AND o.version = d.version AND o.outcome = 'DEAD'
         ), waiting AS (
             INSERT INTO waiting_events (
                 subscription, stock_id, version, topic, partition, \"offset\", key, headers, payload, attempts, counted,
                 next_at, last_error
             )
             SELECT DISTINCT ON (stock_id, version)
                 $1, stock_id, version, topic, partition, \"offset\", key, COALESCE(edited_headers, headers),
                 COALESCE(edited_payload, payload), attempts, 0, clock_timestamp(), reason
             FROM due
             WHERE id NOT IN (SELECT id FROM settled)
             ORDER BY stock_id, version, id
             ON CONFLICT DO NOTHING
             RETURNING stock_id
         ), held AS (
             UPDATE external_stocks e
             SET due_at = LEAST(e.due_at, clock_timestamp())
             FROM (SELECT DISTINCT stock_id FROM waiting) w
             WHERE e.subscription = $1 AND e.stock_id = w.stock_id
         )
         UPDATE dead_letters d
         SET replay_at = NULL,
             state = CASE WHEN s.id IS NULL THEN 'REPLAYING' ELSE 'REPLAYED' END,
             outcome = s.outcome,
             resolved_at = CASE WHEN s.id IS NOT NULL THEN clock_timestamp() END
         FROM due LEFT JOIN settled s ON s.id = due.id
         WHERE d.id = due.id",
    )
    .bind(subscription)
    .bind(&ids)
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    transaction.commit().await.map_err(failed)?;
    Ok(taken.rows_affected())
}
