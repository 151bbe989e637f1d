//! One subscription: from the inbox through the gate to the partner, and what came of it into the store.

use std::{sync::Arc, time::Duration};

use domain::delivery::{RetrySchedule, Rules};
use tokio::{
    sync::{Notify, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
    delivery::{
        Flow,
        flow::Allowance,
        shown::{count, count_no_dead},
        work::{Done, Worker},
    },
    ports::{
        Admission, Arrival, Clock, Delivery, DeliveryStore, Inbox, PartnerGateway, Receipt,
        Received, StoreError,
    },
};

/// So many times as many deliveries as may be told at once are under way at most: the others are being written down. To write
/// more of them in one transaction costs little more, and what is told and not written has its bound.
const UNDER_WAY: usize = 4;

/// Sizes and times of a subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionSettings {
    /// Its name, in tables, metrics and logs.
    pub name: String,
    /// Most arrivals, or outcomes, in one transaction.
    pub max_batch: usize,
    /// Wait before the store is asked again that was not available.
    pub backoff: Duration,
    /// Longest time for the events of one delivery, but for the last call; well below the lease of its claim.
    pub run_for: Duration,
    /// Longest time for one call, whatever the partner's gateway says.
    pub call_for: Duration,
    /// When a failed delivery is tried again.
    pub schedule: RetrySchedule,
    /// What it wants.
    pub rules: Rules,
}

/// One consumer of the stock service's events, and the partner behind it.
pub struct Subscription {
    /// Claims, waiting events, outcomes.
    pub store: Arc<dyn DeliveryStore>,
    /// The partner.
    pub partner: Arc<dyn PartnerGateway>,
    /// How many calls it gets.
    pub flow: Arc<Flow>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Sizes and times.
    pub settings: SubscriptionSettings,
}

/// The subscription's worker has died; what it had in hand comes again after a restart.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionError {
    /// The store holds something that only a person can mend.
    #[error("the delivery store cannot be used")]
    Store(#[from] StoreError),
    /// A task panicked.
    #[error("a delivery task ended before its time")]
    Task(#[from] tokio::task::JoinError),
}

impl Subscription {
    /// Works until the inbox ends or `stop`; then finishes what is under way.
    ///
    /// # Errors
    /// [`SubscriptionError`], after which nothing more is delivered.
    pub async fn run(
        self: Arc<Self>,
        inbox: impl Inbox,
        stop: CancellationToken,
    ) -> Result<(), SubscriptionError> {
        count_no_dead(&self.settings.name);
        let concurrency = self.flow.most();
        let (outcomes, settling) = mpsc::channel(concurrency);
        let mut deliveries = JoinSet::new();
        let mut settler = JoinSet::new();
        settler.spawn(Arc::clone(&self).settle(settling));

        let worker = Arc::new(Worker {
            partner: Arc::clone(&self.partner),
            flow: Arc::clone(&self.flow),
            clock: Arc::clone(&self.clock),
            settings: self.settings.clone(),
            places: Arc::new(Semaphore::new(concurrency)),
            told: Notify::new(),
            outcomes,
            stop: stop.clone(),
        });
        let end = loop {
            let allowance = self.flow.allowance();
            let most = match allowance {
                Allowance::Deliver(most) => {
                    let telling = concurrency - worker.places.available_permits();
                    let room = (concurrency * UNDER_WAY).saturating_sub(deliveries.len());
                    most.saturating_sub(telling).min(room)
                }
                Allowance::Probe
                | Allowance::Wait(_)
                | Allowance::ProbeDue
                | Allowance::Nothing => 0,
            };
            let probe = allowance == Allowance::Probe && deliveries.is_empty();
            let probe_due = allowance == Allowance::ProbeDue && deliveries.is_empty();
            let held_off = async {
                match allowance {
                    Allowance::Wait(until) => tokio::time::sleep_until(until).await,
                    _ => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                Some(settled) = settler.join_next() => break settled?.map_err(Into::into),
                Some(ended) = deliveries.join_next() => ended?,
                () = worker.told.notified() => {}
                () = self.flow.changed() => {}
                () = held_off => {}
                () = inbox.ready(), if probe_due => {
                    self.until_available(|| self.flow.take_probe()).await?;
                }
                received = take(&inbox, probe, most.min(self.settings.max_batch)), if probe || most > 0 => {
                    let Some(received) = received else { break Ok(()) };
                    for (delivery, receipts) in self.admit(received).await? {
                        let place = worker.place();
                        deliveries.spawn(Arc::clone(&worker).deliver(delivery, receipts, place));
                    }
                }
            }
        };

        drop(worker);
        while let Some(ended) = deliveries.join_next().await {
            ended?;
        }
        while let Some(settled) = settler.join_next().await {
            settled??;
        }
        end
    }

    /// Lets arrivals in; gives the receipts of those that need no delivery, and returns those that do.
    async fn admit(
        &self,
        received: Vec<Received>,
    ) -> Result<Vec<(Delivery, Vec<Receipt>)>, SubscriptionError> {
        let (arrivals, receipts): (Vec<Arrival>, Vec<Receipt>) = received
            .into_iter()
            .map(|received| (received.arrival, received.receipt))
            .unzip();
        let admitted = self
            .until_available(|| self.store.admit(arrivals.clone()))
            .await?;
        let mut deliveries: Vec<(Delivery, Vec<Receipt>)> = admitted
            .deliveries
            .into_iter()
            .map(|delivery| (delivery, Vec::new()))
            .collect();
        for (admission, receipt) in admitted.admissions.into_iter().zip(receipts) {
            match admission {
                Admission::Delivering(index) => deliveries[index].1.push(receipt),
                Admission::Finished(status) => {
                    count(&self.settings.name, status);
                    receipt.give();
                }
                Admission::Waiting => receipt.give(),
            }
        }
        Ok(deliveries)
    }

    /// Writes outcomes down in natural batches.
    async fn settle(self: Arc<Self>, mut outcomes: mpsc::Receiver<Done>) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        while outcomes
            .recv_many(&mut batch, self.settings.max_batch)
            .await
            > 0
        {
            let (settlements, answers): (Vec<_>, Vec<_>) = batch
                .drain(..)
                .map(|done: Done| (done.settlement, done.answer))
                .unzip();
            let settled = self
                .until_available(|| self.store.settle(settlements.clone()))
                .await?;
            for (answer, settled) in answers.into_iter().zip(settled) {
                // A delivery that was aborted needs no answer: its outcome is written.
                drop(answer.send(settled));
            }
        }
        Ok(())
    }

    /// Repeats what the store could not do because it was away.
    async fn until_available<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        loop {
            match ask().await {
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(
                        code = "DELIVERY_STORE_UNAVAILABLE",
                        subscription = self.settings.name,
                        error = %Causes(&error),
                        "the delivery store is away, trying again"
                    );
                    tokio::time::sleep(self.settings.backoff).await;
                }
                result => return result,
            }
        }
    }
}

/// The next events, or the one to probe the partner with.
async fn take(inbox: &impl Inbox, probe: bool, most: usize) -> Option<Vec<Received>> {
    if probe {
        inbox.probe().await
    } else {
        inbox.next(most).await
    }
}
