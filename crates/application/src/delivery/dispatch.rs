//! Brings what is due from the store to the broker: retries to the retry topic, dead letters to theirs. Both are
//! written to the database first, so a crash between the two only repeats a record.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
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
            if self.publish_due(publisher.as_ref()).await? == 0 {
                tokio::time::sleep(self.poll).await;
            }
        }
    }

    async fn publish_due(&self, publisher: &dyn EventPublisher) -> Result<usize, DispatchError> {
        let retries = self.store.due(LIMIT).await?;
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
        Ok(retries.len().saturating_add(letters.len()))
    }
}
