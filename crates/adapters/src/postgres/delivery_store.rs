//! Where one subscription's deliveries stand.

mod batch;
pub(in crate::postgres) mod form;
mod read;
mod replays;
mod rows;
mod touched;
mod write;

use std::time::Duration;

use application::ports::{
    Admitted, Arrival, DeadLetter, DeliveryStore, IdSource, Retry, Settled, Settlement, StoreError,
};
use async_trait::async_trait;
use domain::delivery::Rules;
use sqlx::PgPool;

use crate::{clock::UuidSource, postgres::error::store};
use batch::Batch;

/// A retry that was handed out and of which nothing came is handed out again after so long.
const REDISPATCH: Duration = Duration::from_secs(10);

/// [`DeliveryStore`] on PostgreSQL.
///
/// Decisions are made in memory, by the domain's gate, on rows that are locked in the order of their stock ids; then
/// everything is written with set-based statements.
pub struct PgDeliveryStore {
    pool: PgPool,
    subscription: String,
    lease: Duration,
    rules: Rules,
}

impl PgDeliveryStore {
    /// The store of `subscription` in a database with [`crate::postgres::ACL_SCHEMA`]. A claim that is not settled
    /// within `lease` is free again; it has to be longer than any call to the partner. `rules` say what the subscription
    /// wants.
    #[must_use]
    pub fn new(pool: PgPool, subscription: String, lease: Duration, rules: Rules) -> Self {
        Self {
            pool,
            subscription,
            lease,
            rules,
        }
    }
}

#[async_trait]
impl DeliveryStore for PgDeliveryStore {
    async fn admit(&self, arrivals: Vec<Arrival>) -> Result<Admitted, StoreError> {
        let failed = store("external_stocks");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        let mut batch = Batch::new(UuidSource.next(), &self.rules);
        let stocks = touched::stocks_of(&arrivals);
        read::lock_stocks(&mut transaction, &self.subscription, &stocks, &mut batch).await?;
        let events = touched::events_of(&arrivals);
        read::settled(&mut transaction, &self.subscription, &events, &mut batch).await?;
        let woken = touched::woken(&arrivals);
        read::waiting(&mut transaction, &self.subscription, &woken, &mut batch).await?;
        let admissions = arrivals.into_iter().map(|arrival| batch.admit(arrival));
        let admissions = admissions.collect();
        let deliveries = batch.take_deliveries();
        write::waiting(&mut transaction, &self.subscription, &mut batch).await?;
        write::rest(&mut transaction, &self.subscription, self.lease, batch).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(Admitted {
            admissions,
            deliveries,
        })
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, StoreError> {
        let failed = store("external_stocks");
        let mut transaction = self.pool.begin().await.map_err(&failed)?;
        let mut batch = Batch::new(UuidSource.next(), &self.rules);
        let mut stocks: Vec<String> = settlements.iter().map(|s| s.stock_id.clone()).collect();
        stocks.sort_unstable();
        stocks.dedup();
        read::lock_stocks(&mut transaction, &self.subscription, &stocks, &mut batch).await?;
        let events = touched::events_in(&settlements);
        read::settled(&mut transaction, &self.subscription, &events, &mut batch).await?;
        for settlement in &settlements {
            batch.record(settlement);
        }
        // What waits is looked at as this batch leaves it.
        write::waiting(&mut transaction, &self.subscription, &mut batch).await?;
        let held = batch.held();
        read::waiting(&mut transaction, &self.subscription, &held, &mut batch).await?;
        let settled = settlements
            .iter()
            .map(|settlement| batch.follow(settlement));
        let settled = settled.collect();
        write::waiting(&mut transaction, &self.subscription, &mut batch).await?;
        write::rest(&mut transaction, &self.subscription, self.lease, batch).await?;
        transaction.commit().await.map_err(failed)?;
        Ok(settled)
    }

    async fn take_replays(&self, limit: i64) -> Result<u64, StoreError> {
        replays::take(&self.pool, &self.subscription, limit).await
    }

    async fn due(&self, limit: i64) -> Result<Vec<Retry>, StoreError> {
        let failed = store("waiting_events");
        let rows: Vec<form::DueRow> = sqlx::query_as(
            "WITH due AS (
                 UPDATE external_stocks e
                 SET due_at = CASE WHEN due_at <= now() THEN now() + make_interval(secs => $3) ELSE due_at END,
                     resync_at = CASE WHEN resync_at <= now() THEN now() + make_interval(secs => $3) ELSE resync_at END
                 FROM (
                     SELECT stock_id FROM external_stocks
                     WHERE subscription = $1 AND wake_at <= now() AND (claim_until IS NULL OR claim_until < now())
                     ORDER BY wake_at
                     LIMIT $2
                     FOR UPDATE SKIP LOCKED
                 ) d
                 WHERE e.subscription = $1 AND e.stock_id = d.stock_id
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
        .bind(&self.subscription)
        .bind(limit)
        .bind(REDISPATCH.as_secs_f64())
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn unpublished_dead_letters(&self, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
        let rows: Vec<form::DeadLetterRow> = sqlx::query_as(
            "SELECT id, topic, partition, \"offset\", key, headers, payload, reason, attempts FROM dead_letters
             WHERE subscription = $1 AND published_at IS NULL
             ORDER BY id
             LIMIT $2",
        )
        .bind(&self.subscription)
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(store("dead_letters"))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), StoreError> {
        sqlx::query("UPDATE dead_letters SET published_at = now() WHERE id = ANY($1)")
            .bind(ids)
            .execute(&self.pool)
            .await
            .map_err(store("dead_letters"))
            .map(drop)
    }
}
