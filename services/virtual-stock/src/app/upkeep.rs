//! What has to be looked after now and then.

use std::{sync::Arc, time::Duration};

use adapters::{
    clock::SystemClock,
    http::RateLimit,
    postgres::{IdempotencyKeys, OutboxPartitions},
    telemetry::Metrics,
};
use application::{
    Causes, metric,
    ports::{Clock, Outbox},
};
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

/// Between two looks at the outbox for its metrics, and two upkeeps of the histograms.
const GAUGES: Duration = Duration::from_secs(5);
/// Between two looks at clients that have not come for a while.
const CLIENTS: Duration = Duration::from_mins(1);
/// Between two looks at keys and partitions that are old.
const OLD: Duration = Duration::from_mins(10);

/// What has to be looked after now and then.
pub(super) struct Upkeep {
    pub(super) partitions: OutboxPartitions,
    pub(super) keys: IdempotencyKeys,
    pub(super) outbox: Arc<dyn Outbox>,
    pub(super) metrics: Metrics,
    pub(super) rate: RateLimit,
}

impl Upkeep {
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            let mut gauges = interval(GAUGES);
            let mut clients = interval(CLIENTS);
            let mut old = interval(OLD);
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
        match self.outbox.backlog().await {
            Ok(backlog) => {
                #[expect(clippy::cast_precision_loss, reason = "a backlog is far below 2^52")]
                metrics::gauge!(metric::OUTBOX_BACKLOG).set(backlog.events as f64);
                metrics::gauge!(metric::OUTBOX_OLDEST).set(backlog.oldest.as_secs_f64());
            }
            Err(error) => tracing::warn!(
                error = %Causes(&error),
                "the outbox's backlog is not known: its metrics are old"
            ),
        }
    }

    async fn drop_old(&self) {
        if let Err(error) = self.partitions.maintain(SystemClock.now()).await {
            tracing::warn!(error = %Causes(&error), "the outbox's partitions were not looked after");
        }
        if let Err(error) = self.keys.drop_old().await {
            tracing::warn!(error = %Causes(&error), "old idempotency keys were not dropped");
        }
    }
}
