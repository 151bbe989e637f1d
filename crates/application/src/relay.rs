//! The relay: brings the outbox to the broker, window by window (`PgQ`'s snapshot difference).
//!
//! One instance relays at a time, under a lease. A window is persisted before anything of it is published, and the
//! checkpoint moves only when every delivery report of the window is good. On any failure the publisher is dropped and
//! the same window starts again: repeats, never a loss, and first occurrences stay in order.

use std::{sync::Arc, time::Duration};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    Causes, metric,
    ports::{
        Broker, Continuity, EventPublisher, Lease, OutboundRecord, Outbox, OutboxError, OutboxRow,
        PublishError, Window,
    },
};

/// How the relay works.
#[derive(Debug, Clone)]
pub struct RelaySettings {
    /// This instance's name in the lease.
    pub holder: String,
    /// How long a lease lives without being renewed.
    pub lease: Duration,
    /// Longest wait for news: commits of other instances wake nobody here.
    pub poll: Duration,
    /// Wait after a failure.
    pub backoff: Duration,
    /// Rows read and published at once.
    pub page: i64,
    /// After a window of less than a page, which has its price however little is in it. After one of many events it is up to
    /// five times as long, so that under load a window, and each request to the broker, holds more.
    pub pause: Duration,
}

/// So many events of a window add one more pause.
const EVENTS_PER_PAUSE: i64 = 16;
/// At most so many pauses.
const MOST_PAUSES: i64 = 5;

impl RelaySettings {
    /// How long to wait after a window of so many events.
    fn pause_after(&self, events: i64) -> Duration {
        let pauses = (events / EVENTS_PER_PAUSE).saturating_add(1);
        let pauses = u32::try_from(pauses.min(MOST_PAUSES)).unwrap_or(1);
        self.pause.saturating_mul(pauses)
    }
}

/// Why the relay has to start again.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the outbox failed")]
    Outbox(#[from] OutboxError),
    #[error("publishing failed")]
    Publish(#[from] PublishError),
}

/// Brings events from the outbox to the broker.
pub struct Relay {
    /// Where events wait.
    pub outbox: Arc<dyn Outbox>,
    /// Where they go.
    pub broker: Arc<dyn Broker>,
    /// Told after every commit of this instance.
    pub committed: Arc<Notify>,
    /// How it works.
    pub settings: RelaySettings,
}

impl Relay {
    /// Relays until `stop`, and then what is left of the backlog.
    pub async fn run(&self, stop: CancellationToken) {
        let leader = metrics::gauge!(metric::virtual_stock::RELAY_LEADER.name);
        let epoch = metrics::gauge!(metric::virtual_stock::RELAY_EPOCH.name);
        while !stop.is_cancelled() {
            match self
                .outbox
                .acquire(&self.settings.holder, self.settings.lease)
                .await
            {
                Ok(Some(lease)) => {
                    tracing::info!(
                        code = "RELAY_STARTED",
                        relay.epoch = lease.epoch,
                        "relaying"
                    );
                    leader.set(1.0);
                    #[expect(clippy::cast_precision_loss, reason = "an epoch is far below 2^52")]
                    epoch.set(lease.epoch as f64);
                    if let Err(error) = self.lead(lease, &stop).await {
                        metrics::counter!(metric::virtual_stock::RELAY_FAILURES.name).increment(1);
                        tracing::error!(
                            code = "RELAY_FAILED",
                            error = %Causes(&error),
                            "the relay starts again from its checkpoint"
                        );
                        // Without it another instance, or this one, waits for the lease to run out.
                        drop(self.outbox.release(lease).await);
                    }
                    leader.set(0.0);
                    epoch.set(0.0);
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(
                    code = "RELAY_LEASE_UNAVAILABLE",
                    error = %Causes(&error),
                    "the relay's lease cannot be asked for"
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(self.settings.backoff) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn lead(&self, lease: Lease, stop: &CancellationToken) -> Result<(), RelayError> {
        if let Continuity::Rewound { reason } =
            self.within(self.outbox.ensure_continuity(lease)).await?
        {
            tracing::error!(
                code = "RELAY_HISTORY_CHANGED",
                reason,
                "the server's history is another one than the checkpoint's: publishing recent events again"
            );
        }
        let publisher = self.broker.connect()?;
        tokio::select! {
            result = self.relay(lease, publisher.as_ref(), stop) => result?,
            lost = self.keep(lease) => return Err(lost.into()),
            () = self.out_of_time(stop) => {
                tracing::warn!(
                    code = "RELAY_STOPPED_WITH_BACKLOG",
                    "stopping with events in the outbox: the next relay publishes them"
                );
            }
        }
        self.outbox.release(lease).await?;
        Ok(())
    }

    /// After `stop`, the broker may take so long for what is left.
    async fn out_of_time(&self, stop: &CancellationToken) {
        stop.cancelled().await;
        tokio::time::sleep(self.settings.lease / 2).await;
    }

    /// An outbox that does not answer at all must not keep the lease.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, OutboxError>>,
    ) -> Result<T, OutboxError> {
        tokio::time::timeout(self.settings.lease * 3, call)
            .await
            .unwrap_or_else(|elapsed| Err(OutboxError::Unavailable(elapsed.into())))
    }

    /// Renews the lease for as long as it can.
    async fn keep(&self, lease: Lease) -> OutboxError {
        loop {
            tokio::time::sleep(self.settings.lease / 3).await;
            let renewed = self.within(self.outbox.renew(lease, self.settings.lease));
            if let Err(error) = renewed.await {
                return error;
            }
        }
    }

    async fn relay(
        &self,
        lease: Lease,
        publisher: &dyn EventPublisher,
        stop: &CancellationToken,
    ) -> Result<(), RelayError> {
        loop {
            // What this instance has committed was committed before it was told to stop: one window after that holds it.
            let last = stop.is_cancelled();
            if let Some(window) = self.within(self.outbox.open_window(lease)).await? {
                let count = self.publish(&window, publisher).await?;
                self.within(self.outbox.close_window(lease, &window))
                    .await?;
                if last {
                    return Ok(());
                }
                if count < self.settings.page {
                    let pause = self.settings.pause_after(count);
                    stop.run_until_cancelled(tokio::time::sleep(pause)).await;
                }
                continue;
            }
            if last {
                return Ok(());
            }
            tokio::select! {
                () = self.committed.notified() => {}
                () = tokio::time::sleep(self.settings.poll) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Publishes the rows of a window; returns how many there were.
    async fn publish(
        &self,
        window: &Window,
        publisher: &dyn EventPublisher,
    ) -> Result<i64, RelayError> {
        let mut count = 0;
        let mut rows = self.page(window, window.first.saturating_sub(1)).await?;
        while let Some(last) = rows.last() {
            let after = last.id;
            count += i64::try_from(rows.len()).unwrap_or(i64::MAX);
            let records = rows.into_iter().map(record).collect();
            // The next page is read while this one is on its way.
            let next = async {
                if after < window.last {
                    self.page(window, after).await
                } else {
                    Ok(Vec::new())
                }
            };
            let ((), next) = tokio::try_join!(self.send(publisher, records), next)?;
            rows = next;
        }
        Ok(count)
    }

    async fn page(&self, window: &Window, after: i64) -> Result<Vec<OutboxRow>, RelayError> {
        let page = self.outbox.read(window, after, self.settings.page);
        Ok(self.within(page).await?)
    }

    /// An instance that cannot reach the broker must let another one try.
    async fn send(
        &self,
        publisher: &dyn EventPublisher,
        records: Vec<OutboundRecord>,
    ) -> Result<(), RelayError> {
        let patience = self.settings.lease * 3;
        let events = records.len();
        let sent = tokio::time::timeout(patience, publisher.publish(records)).await;
        sent.unwrap_or_else(|elapsed| Err(PublishError(elapsed.into())))?;
        tracing::info!(
            code = "KAFKA_MESSAGE_PUBLISHED",
            events,
            "the broker has events"
        );
        Ok(())
    }
}

fn record(row: OutboxRow) -> OutboundRecord {
    let headers = row.headers.into_iter();
    OutboundRecord {
        topics: row.topics,
        key: Some(row.stock_id.into_bytes()),
        headers: headers
            .map(|(name, value)| (name, value.into_bytes()))
            .collect(),
        payload: row.payload,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_events_a_window_had_the_longer_is_the_pause_up_to_five_times() {
        let settings = RelaySettings {
            holder: "this".to_owned(),
            lease: Duration::ZERO,
            poll: Duration::ZERO,
            backoff: Duration::ZERO,
            page: 2000,
            pause: Duration::from_millis(5),
        };
        for (events, millis) in [(1, 5), (15, 5), (16, 10), (48, 20), (64, 25), (1999, 25)] {
            let pause = settings.pause_after(events);
            assert_eq!(pause, Duration::from_millis(millis), "{events}");
        }
    }
}
