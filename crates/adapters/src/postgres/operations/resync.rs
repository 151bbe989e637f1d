//! An operator wants a partner to be told the present state of every stock.

use std::num::NonZeroU32;

use application::ports::{IdSource, Operator, ResyncProgress, StoreError};
use serde_json::json;
use sqlx::PgPool;

use super::{
    commands::{Step, write_down},
    partners,
};
use crate::{clock::UuidSource, postgres::error::store};

/// Stocks in one transaction, so that deliveries are not kept waiting.
const CHUNK: i64 = 1000;

/// Marks every stock that is known here: what any partner was told is the newest state. One that this partner does not
/// know yet is created there.
pub(super) async fn begin(
    pool: &PgPool,
    partner: &str,
    rate: Option<NonZeroU32>,
    operator: &Operator,
) -> Result<ResyncProgress, StoreError> {
    let failed = store("resyncs");
    let id = UuidSource.next();
    let mut transaction = pool.begin().await.map_err(&failed)?;
    sqlx::query(
        "INSERT INTO resyncs (id, subscription, requested_by, reason, total) VALUES ($1, $2, $3, $4, 0)",
    )
    .bind(id)
    .bind(partner)
    .bind(&operator.actor)
    .bind(operator.reason.as_deref())
    .execute(&mut *transaction)
    .await
    .map_err(&failed)?;
    let step = Step {
        action: "RESYNC",
        subscription: partner,
        dead_letter: None,
        detail: Some(json!({"resync": id, "rate": rate})),
    };
    write_down(&mut transaction, operator, step).await?;
    transaction.commit().await.map_err(&failed)?;

    // Rows are made before any is locked, as everywhere.
    sqlx::query(
        "INSERT INTO external_stocks (subscription, stock_id)
         SELECT DISTINCT $1, stock_id FROM external_stocks WHERE told_picture IS NOT NULL
         ON CONFLICT DO NOTHING",
    )
    .bind(partner)
    .execute(pool)
    .await
    .map_err(&failed)?;
    let mut after = String::new();
    loop {
        let (marked, last): (i64, Option<String>) = sqlx::query_as(
            "WITH chunk AS (
                 SELECT stock_id FROM external_stocks
                 WHERE subscription = $1 AND stock_id > $2
                 ORDER BY stock_id
                 LIMIT $3
                 FOR UPDATE
             ), newest AS (
                 SELECT DISTINCT ON (e.stock_id) e.stock_id, e.told_picture
                 FROM chunk JOIN external_stocks e ON e.stock_id = chunk.stock_id AND e.told_picture IS NOT NULL
                 ORDER BY e.stock_id, (e.told_picture->>'version')::bigint DESC
             ), marked AS (
                 UPDATE external_stocks e
                 SET resync = $4, resync_attempts = 0, told_picture = n.told_picture,
                     resync_at = clock_timestamp() + make_interval(secs => COALESCE(
                         (r.total + row_number) / $5, 0
                     ))
                 FROM (SELECT *, row_number() OVER (ORDER BY stock_id) - 1 AS row_number FROM newest) n,
                     (SELECT total FROM resyncs WHERE id = $4) r
                 WHERE e.subscription = $1 AND e.stock_id = n.stock_id
                 RETURNING e.stock_id
             ), counted AS (
                 UPDATE resyncs SET total = total + (SELECT count(*) FROM marked) WHERE id = $4
             )
             SELECT (SELECT count(*) FROM marked), (SELECT max(stock_id) FROM chunk)",
        )
        .bind(partner)
        .bind(&after)
        .bind(CHUNK)
        .bind(id)
        .bind(rate.map(|rate| f64::from(rate.get())))
        .fetch_one(pool)
        .await
        .map_err(&failed)?;
        tracing::debug!(
            subscription = partner,
            marked,
            "stocks are to be told again"
        );
        let Some(last) = last else { break };
        after = last;
    }
    let progress = partners::resync(pool, partner).await?;
    progress.ok_or_else(|| StoreError::Unavailable("the resynchronization is not visible".into()))
}
