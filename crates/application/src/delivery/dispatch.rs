//! Brings what is due from the store to the broker: retries to the retry topic, dead letters to theirs. Both are
//! written to the database first, so a crash between the two only repeats a record.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
    delivery::{Flow, flow::Allowance},
    ports::{Broker, DeliveryStore, EventPublisher, PublishError, RecordFormat, StoreError},
};

/// Most records in one go.
const LIMIT: i64 = 500;

/// The way of retries and dead letters to their topics.
pub struct Dispatch {
    /// Where they wait.
    pub store: Arc<dyn DeliveryStore>,
    /// Where they go.
    pub broker: Arc<dyn Broker>,
    /// Whether the partner is called: while it is not, nothing is brought back.
    pub flow: Arc<Flow>,
    /// What they look like.
    pub format: Arc<dyn RecordFormat>,
    /// Wait when nothing is due.
    pub poll: Duration,
    /// Wait after a failure.
    pub backoff: Duration,
}

#[derive(Debug, thiserror::Error)]
enum DispatchError {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("publishing failed")]
    Publish(#[from] PublishError),
}

impl Dispatch {
    /// Works until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = self.publish_all().await {
                    tracing::warn!(
                        code = "RETRIES_WAIT",
                        error = %Causes(&error),
                        "retries and dead letters wait"
                    );
                }
                tokio::time::sleep(self.backoff).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Works until the first failure, with one publisher.
    async fn publish_all(&self) -> Result<(), DispatchError> {
        let publisher = self.broker.connect()?;
        loop {
            // A partner that may be back is probed with one event that waits, or with one that is read: where all stocks are
            // held, only the former is there.
            let (limit, pause) = match self.flow.allowance() {
                Allowance::Deliver(_) => (LIMIT, self.poll),
                Allowance::ProbeDue | Allowance::Probe => (1, self.backoff),
                Allowance::Wait(_) | Allowance::Nothing => (0, self.poll),
            };
            let count = self.publish_due(publisher.as_ref(), limit).await?;
            if count == 0 || limit == 1 {
                tokio::time::sleep(pause).await;
            }
        }
    }

    async fn publish_due(
        &self,
        publisher: &dyn EventPublisher,
        limit: i64,
    ) -> Result<usize, DispatchError> {
        let mut replays = 0;
        if limit == LIMIT {
            replays = self.store.take_replays(limit).await?;
        }
        let retries = if limit > 0 {
            self.store.due(limit).await?
        } else {
            Vec::new()
        };
        if !retries.is_empty() {
            let records = retries.iter().map(|retry| self.format.retry(retry));
            publisher.publish(records.collect()).await?;
        }
        let letters = self.store.unpublished_dead_letters(LIMIT).await?;
        if !letters.is_empty() {
            let records = letters.iter().map(|letter| self.format.dead_letter(letter));
            publisher.publish(records.collect()).await?;
            let ids: Vec<i64> = letters.iter().map(|letter| letter.id).collect();
            self.store.mark_published(&ids).await?;
        }
        Ok(retries.len() + letters.len() + usize::try_from(replays).unwrap_or(usize::MAX))
    }
}
