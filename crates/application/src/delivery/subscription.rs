//! One subscription: from the inbox through the gate to the partner, and what came of it into the store.

use std::{sync::Arc, time::Duration};

use domain::delivery::{Effect, ExternalId, RetrySchedule, Verdict};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Causes, metric,
    ports::{
        Admission, Arrival, Attempt, CallReport, Clock, Delivery, DeliveryStore, Disposition,
        Inbox, PartnerCall, PartnerGateway, Receipt, Received, Settled, StoreError,
    },
};

/// Sizes and times of a subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionSettings {
    /// Its name, in tables, metrics and logs.
    pub name: String,
    /// Deliveries under way at once, over different stocks.
    pub concurrency: usize,
    /// Most arrivals, or outcomes, in one transaction.
    pub max_batch: usize,
    /// Wait before the store is asked again that was not available.
    pub backoff: Duration,
    /// When a failed delivery is tried again.
    pub schedule: RetrySchedule,
}

/// One consumer of the stock service's events, and the partner behind it.
pub struct Subscription {
    /// Claims, waiting events, outcomes.
    pub store: Arc<dyn DeliveryStore>,
    /// The partner.
    pub partner: Arc<dyn PartnerGateway>,
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

struct Outcome {
    attempt: Attempt,
    answer: oneshot::Sender<Settled>,
}

impl Subscription {
    /// Works until the inbox ends or `stop`; then finishes what is under way.
    ///
    /// # Errors
    /// [`SubscriptionError`], after which nothing more is delivered.
    pub async fn run(
        self: Arc<Self>,
        mut inbox: impl Inbox,
        stop: CancellationToken,
    ) -> Result<(), SubscriptionError> {
        let (outcomes, settling) = mpsc::channel(self.settings.concurrency.max(1));
        let mut deliveries = JoinSet::new();
        let mut settler = JoinSet::new();
        settler.spawn(Arc::clone(&self).settle(settling));

        let end = loop {
            let free = self.settings.concurrency.saturating_sub(deliveries.len());
            tokio::select! {
                biased;
                () = stop.cancelled() => break Ok(()),
                Some(settled) = settler.join_next() => break settled?.map_err(Into::into),
                Some(ended) = deliveries.join_next() => ended?,
                received = inbox.next(free.min(self.settings.max_batch)), if free > 0 => {
                    let Some(received) = received else { break Ok(()) };
                    for (delivery, receipt) in self.admit(received).await? {
                        let task = Arc::clone(&self).deliver(delivery, receipt, outcomes.clone(), stop.clone());
                        deliveries.spawn(task);
                    }
                }
            }
        };

        drop(outcomes);
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
    ) -> Result<Vec<(Delivery, Receipt)>, SubscriptionError> {
        let (arrivals, receipts): (Vec<Arrival>, Vec<Receipt>) = received
            .into_iter()
            .map(|received| (received.arrival, received.receipt))
            .unzip();
        let admissions = self
            .until_available(|| self.store.admit(arrivals.clone()))
            .await?;
        let mut deliveries = Vec::new();
        for (admission, receipt) in admissions.into_iter().zip(receipts) {
            match admission {
                Admission::Deliver(delivery) => deliveries.push((*delivery, receipt)),
                Admission::Finished(status) => {
                    self.count(status.as_str());
                    receipt.give();
                }
                Admission::Waiting => receipt.give(),
            }
        }
        Ok(deliveries)
    }

    /// Delivers an event, and then those that wait for the same stock, under one claim.
    async fn deliver(
        self: Arc<Self>,
        first: Delivery,
        receipt: Receipt,
        outcomes: mpsc::Sender<Outcome>,
        stop: CancellationToken,
    ) {
        let mut receipt = Some(receipt);
        let mut delivery = first;
        loop {
            let mut attempt = self.attempt(delivery).await;
            attempt.continues = !stop.is_cancelled();
            let (answer, answered) = oneshot::channel();
            if outcomes.send(Outcome { attempt, answer }).await.is_err() {
                return;
            }
            // The settler has ended: the claim runs out, and the event comes again.
            let Ok(settled) = answered.await else { return };
            if let Some(receipt) = receipt.take() {
                receipt.give();
            }
            match settled {
                Settled::Next(next) => delivery = *next,
                Settled::Idle => return,
            }
        }
    }

    async fn attempt(&self, delivery: Delivery) -> Attempt {
        let started_at = self.clock.now();
        let report = self.call(&delivery).await;
        let disposition = self.disposition(&delivery, &report.verdict);
        self.log(&delivery, &report, &disposition);
        Attempt {
            delivery,
            report,
            disposition,
            started_at,
            continues: true,
        }
    }

    /// Tells the partner; a stock that it does not know yet is created there first, from the event's own state.
    async fn call(&self, delivery: &Delivery) -> CallReport {
        if let Some(known) = &delivery.external.external_id {
            return self.partner.call(&application(delivery, known)).await;
        }
        let created = self.partner.call(&creation(delivery)).await;
        match &created.external_id {
            Some(known) if delivery.notification.effect != Effect::Created => CallReport {
                external_id: created.external_id.clone(),
                ..self.partner.call(&application(delivery, known)).await
            },
            _ => created,
        }
    }

    fn disposition(&self, delivery: &Delivery, verdict: &Verdict) -> Disposition {
        match verdict {
            Verdict::Accepted => Disposition::Delivered,
            Verdict::Rejected { cause } => Disposition::Dead {
                reason: cause.clone(),
            },
            Verdict::Transient { cause, retry_after } => {
                let attempt = delivery.attempts.saturating_add(1);
                let jitter = rand::random();
                match self.settings.schedule.wait(attempt, jitter, *retry_after) {
                    Some(wait) => Disposition::Retry {
                        wait,
                        cause: cause.clone(),
                    },
                    None => Disposition::Dead {
                        reason: format!("gave up after {attempt} attempts: {cause}"),
                    },
                }
            }
        }
    }

    /// Writes outcomes down in natural batches.
    async fn settle(
        self: Arc<Self>,
        mut outcomes: mpsc::Receiver<Outcome>,
    ) -> Result<(), StoreError> {
        let mut batch = Vec::new();
        while outcomes
            .recv_many(&mut batch, self.settings.max_batch)
            .await
            > 0
        {
            let (attempts, answers): (Vec<_>, Vec<_>) =
                batch.drain(..).map(|o| (o.attempt, o.answer)).unzip();
            let settled = self
                .until_available(|| self.store.settle(attempts.clone()))
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

    fn log(&self, delivery: &Delivery, report: &CallReport, disposition: &Disposition) {
        let notification = &delivery.notification;
        let status = disposition.status().as_str();
        self.count(status);
        match disposition {
            Disposition::Delivered => {
                let age = self.clock.now() - notification.occurred_at;
                let subscription = self.settings.name.clone();
                metrics::histogram!(metric::DELIVERY_AGE, "subscription" => subscription)
                    .record(age.as_seconds_f64());
                tracing::info!(
                    code = "EVENT_DELIVERED",
                    subscription = self.settings.name,
                    operation = notification.effect.operation(),
                    response.code = report.response_code,
                    event.id = %notification.event_id,
                    stock.id = notification.stock_id,
                    stock.version = notification.version(),
                    correlation_id = notification.correlation_id,
                    "the partner has the event"
                );
            }
            Disposition::Retry { cause, .. } | Disposition::Dead { reason: cause } => {
                tracing::warn!(
                    code = "EXTERNAL_API_CALL_FAILED",
                    subscription = self.settings.name,
                    operation = notification.effect.operation(),
                    response.code = report.response_code,
                    status,
                    cause,
                    attempt = delivery.attempts.saturating_add(1),
                    event.id = %notification.event_id,
                    stock.id = notification.stock_id,
                    stock.version = notification.version(),
                    correlation_id = notification.correlation_id,
                    "the partner did not take the event"
                );
            }
        }
    }

    fn count(&self, status: &'static str) {
        let subscription = self.settings.name.clone();
        metrics::counter!(metric::DELIVERIES, "subscription" => subscription, "status" => status)
            .increment(1);
    }
}

/// The call that makes the stock known to the partner. Whichever event needs it first, the effect is the same one, so
/// its key is made of the stock and not of the event.
fn creation(delivery: &Delivery) -> PartnerCall {
    PartnerCall {
        idempotency_key: format!("{}:created", delivery.notification.stock_id),
        effect: Effect::Created,
        external_id: None,
        ..call_of(delivery)
    }
}

/// The call that tells of the event itself.
fn application(delivery: &Delivery, known: &ExternalId) -> PartnerCall {
    PartnerCall {
        external_id: Some(known.clone()),
        ..call_of(delivery)
    }
}

fn call_of(delivery: &Delivery) -> PartnerCall {
    let notification = &delivery.notification;
    PartnerCall {
        idempotency_key: notification.event_id.to_string(),
        effect: notification.effect.clone(),
        external_id: None,
        stock_id: notification.stock_id.clone(),
        picture: delivery.external.picture_for(notification).clone(),
        correlation_id: notification.correlation_id.clone(),
        traceparent: notification.traceparent.clone(),
    }
}
