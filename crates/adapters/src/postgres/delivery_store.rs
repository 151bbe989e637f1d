//! Where one subscription's deliveries stand.

mod batch;
mod dispatch;
pub(in crate::postgres) mod form;
mod read;
mod replays;
mod rows;
mod touched;
mod write;

use std::time::Duration;

use application::{
    metric,
    ports::{
        Admitted, Arrival, DeadLetter, DeliveryStore, IdSource, Retry, Settled, Settlement,
        StoreError,
    },
};
use async_trait::async_trait;
use domain::delivery::Rules;
use sqlx::{Connection, PgConnection, PgPool};

use crate::{
    clock::UuidSource,
    postgres::{error::store, measured::measured},
};
use batch::Batch;

/// A retry that was handed out and of which nothing came is handed out again after so long.
const REDISPATCH: Duration = Duration::from_secs(10);
/// Longest time of a transaction: longer than any wait for a lock.
pub(in crate::postgres) const DEADLINE: Duration = Duration::from_secs(20);

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

/// Does the work on a connection, within the time of a transaction. A server that has vanished says nothing, and a pool
/// would wait for it: then the connection is closed.
macro_rules! within_deadline {
    ($pool:expr, $table:literal, $connection:ident => $work:expr) => {{
        let mut pooled = $pool.acquire().await.map_err(store($table))?;
        let done = {
            let $connection = &mut *pooled;
            tokio::time::timeout(DEADLINE, $work).await
        };
        match done {
            Ok(done) => done,
            Err(elapsed) => {
                drop(pooled.detach());
                Err(StoreError::Unavailable(elapsed.into()))
            }
        }
    }};
}
pub(in crate::postgres) use within_deadline;

#[async_trait]
impl DeliveryStore for PgDeliveryStore {
    async fn admit(&self, arrivals: Vec<Arrival>) -> Result<Admitted, StoreError> {
        measured("admit", async {
            within_deadline!(self.pool, "external_stocks", connection => self.admit_on(connection, arrivals))
        })
        .await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Vec<Settled>, StoreError> {
        measured("settle", async {
            within_deadline!(self.pool, "external_stocks", connection => self.settle_on(connection, settlements))
        })
        .await
    }

    async fn take_replays(&self, limit: i64) -> Result<u64, StoreError> {
        let name = &self.subscription;
        within_deadline!(self.pool, "dead_letters", connection => replays::take(connection, name, limit))
    }

    async fn due(&self, limit: i64) -> Result<Vec<Retry>, StoreError> {
        let name = &self.subscription;
        within_deadline!(self.pool, "waiting_events", connection => dispatch::due(connection, name, limit))
    }

    async fn unpublished_dead_letters(&self, limit: i64) -> Result<Vec<DeadLetter>, StoreError> {
        let name = &self.subscription;
        within_deadline!(self.pool, "dead_letters", connection => dispatch::unpublished(connection, name, limit))
    }

    async fn mark_published(&self, ids: &[i64]) -> Result<(), StoreError> {
        within_deadline!(self.pool, "dead_letters", connection => dispatch::published(connection, ids))
    }
}

impl PgDeliveryStore {
    fn count(&self, logged: usize) {
        let rows = u64::try_from(logged).unwrap_or(u64::MAX);
        metrics::counter!(metric::acl::AUDIT_ROWS.name, "subscription" => self.subscription.clone())
            .increment(rows);
    }

    async fn admit_on(
        &self,
        connection: &mut PgConnection,
        arrivals: Vec<Arrival>,
    ) -> Result<Admitted, StoreError> {
        let failed = store("external_stocks");
        let mut transaction = connection.begin().await.map_err(&failed)?;
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
        let logged = batch.log.len();
        write::rest(&mut transaction, &self.subscription, self.lease, batch).await?;
        transaction.commit().await.map_err(failed)?;
        self.count(logged);
        Ok(Admitted {
            admissions,
            deliveries,
        })
    }

    async fn settle_on(
        &self,
        connection: &mut PgConnection,
        settlements: Vec<Settlement>,
    ) -> Result<Vec<Settled>, StoreError> {
        let failed = store("external_stocks");
        let mut transaction = connection.begin().await.map_err(&failed)?;
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
        let logged = batch.log.len();
        write::rest(&mut transaction, &self.subscription, self.lease, batch).await?;
        transaction.commit().await.map_err(failed)?;
        self.count(logged);
        Ok(settled)
    }
}
