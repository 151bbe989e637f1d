//! What has to be looked after now and then.

use std::{sync::Arc, time::Duration};

use adapters::{
    clock::SystemClock,
    http::RateLimit,
    postgres::{HoldFigures, IdempotencyKeys, OutboxPartitions},
    telemetry::{Metrics, Surroundings, in_time},
};
use application::{
    Causes,
    metric::virtual_stock as metric,
    ports::{Clock, Outbox, StockQueries},
};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Between two looks at the outbox for its metrics, and two upkeeps of the histograms.
const GAUGES: Duration = Duration::from_secs(5);
/// Between two looks at clients that have not come for a while.
const CLIENTS: Duration = Duration::from_mins(1);
/// Between two looks at all stocks.
const SUMS: Duration = Duration::from_mins(1);
/// Between two looks at keys and partitions that are old.
const OLD: Duration = Duration::from_mins(10);

/// What has to be looked after now and then.
pub(super) struct Upkeep {
    pub(super) partitions: OutboxPartitions,
    /// Bytes that they may take.
    pub(super) outbox_limit: u64,
    pub(super) keys: IdempotencyKeys,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) metrics: Metrics,
    pub(super) rate: RateLimit,
    pub(super) holds: HoldFigures,
    pub(super) surroundings: Surroundings,
}

impl Upkeep {
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            let [mut gauges, mut clients, mut old] = [GAUGES, CLIENTS, OLD].map(|period| {
                let mut interval = interval(period);
                interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
                interval
            });
            loop {
                tokio::select! {
                    _ = gauges.tick() => self.observe().await,
                    _ = clients.tick() => self.rate.forget_idle(),
                    _ = old.tick() => self.drop_old().await,
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn observe(&self) {
        self.metrics.run_upkeep();
        self.surroundings.observe().await;
        match in_time(self.holds.overdue()).await {
            Ok(overdue) => {
                metrics::gauge!(metric::EXPIRY_LAG.name).set(overdue.as_secs_f64());
            }
            Err(error) => tracing::warn!(
                code = "METRICS_STALE",
                error = %Causes(error.as_ref()),
                "overdue reservations are not known: their metric is old"
            ),
        }
        self.observe_disk().await;
        match in_time(self.outbox.backlog()).await {
            Ok(backlog) => {
                #[expect(clippy::cast_precision_loss, reason = "a backlog is far below 2^52")]
                metrics::gauge!(metric::OUTBOX_BACKLOG.name).set(backlog.events as f64);
                metrics::gauge!(metric::OUTBOX_OLDEST.name).set(backlog.oldest.as_secs_f64());
            }
            Err(error) => tracing::warn!(
                code = "METRICS_STALE",
                error = %Causes(error.as_ref()),
                "the outbox's backlog is not known: its metrics are old"
            ),
        }
    }

    async fn observe_disk(&self) {
        match in_time(self.partitions.bytes()).await {
            #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
            Ok(bytes) => {
                metrics::gauge!(metric::OUTBOX_BYTES.name).set(bytes as f64);
                metrics::gauge!(metric::OUTBOX_LIMIT.name).set(self.outbox_limit as f64);
            }
            Err(error) => tracing::warn!(
                code = "METRICS_STALE",
                error = %Causes(error.as_ref()),
                "the outbox's size is not known: its metric is old"
            ),
        }
    }

    async fn drop_old(&self) {
        if let Err(error) = self.partitions.maintain(SystemClock.now()).await {
            tracing::warn!(code = "UPKEEP_FAILED", error = %Causes(&error), "the outbox's partitions were not looked after");
        }
        if let Err(error) = self.keys.drop_old().await {
            tracing::warn!(code = "UPKEEP_FAILED", error = %Causes(&error), "old idempotency keys were not dropped");
        }
    }
}

/// Figures of everything, which take a look at every row: they keep no others waiting.
pub(super) struct Sums {
    pub(super) holds: HoldFigures,
    pub(super) queries: Arc<dyn StockQueries>,
}

impl Sums {
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                self.sum_up().await;
                tokio::time::sleep(SUMS).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    async fn sum_up(&self) {
        match in_time(self.holds.held()).await {
            #[expect(clippy::cast_precision_loss, reason = "a count is far below 2^52")]
            Ok(held) => metrics::gauge!(metric::RESERVATIONS_HELD.name).set(held as f64),
            Err(error) => tracing::warn!(
                code = "METRICS_STALE",
                error = %Causes(error.as_ref()),
                "reservations were not counted: their metric is old"
            ),
        }
        match in_time(self.queries.stats()).await {
            Ok(stats) => {
                for (currency, value) in stats.total_value {
                    // What a gauge can hold of it.
                    let value: f64 = value.parse().unwrap_or(f64::NAN);
                    metrics::gauge!(metric::TOTAL_VALUE.name, "currency" => currency).set(value);
                }
            }
            Err(error) => tracing::warn!(
                code = "METRICS_STALE",
                error = %Causes(error.as_ref()),
                "stocks were not summed up: their metrics are old"
            ),
        }
    }
}
