//! One subscription: from the inbox through the gate to the partner, and what came of it into the store.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use domain::delivery::{
    Effect, ExternalStock, Notification, Outcome, RetrySchedule, Step, Verdict,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Causes, metric,
    ports::{
        Action, Admission, Arrival, Attempt, CallReport, Clock, Delivery, DeliveryStore,
        Disposition, Inbox, PartnerCall, PartnerGateway, Receipt, Received, Settled, Settlement,
        StoreError, Turn,
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
    /// Longest time for the events of one delivery, but for the last call; well below the lease of its claim.
    pub run_for: Duration,
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

struct Done {
    settlement: Settlement,
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
                    for (delivery, receipts) in self.admit(received).await? {
                        let task = Arc::clone(&self).deliver(delivery, receipts, outcomes.clone(), stop.clone());
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
                    self.count(status.as_str());
                    receipt.give();
                }
                Admission::Waiting => receipt.give(),
            }
        }
        Ok(deliveries)
    }

    /// Delivers events of a stock, and then those that wait for the same stock, under one claim.
    async fn deliver(
        self: Arc<Self>,
        first: Delivery,
        mut receipts: Vec<Receipt>,
        outcomes: mpsc::Sender<Done>,
        stop: CancellationToken,
    ) {
        let mut delivery = first;
        loop {
            let settlement = self.work(delivery, &stop).await;
            let (answer, answered) = oneshot::channel();
            if outcomes.send(Done { settlement, answer }).await.is_err() {
                return;
            }
            // The settler has ended: the claim runs out, and the events come again.
            let Ok(settled) = answered.await else { return };
            receipts.drain(..).for_each(Receipt::give);
            match settled {
                Settled::Next(next) => delivery = *next,
                Settled::Idle => return,
            }
        }
    }

    /// Takes the turns one after the other, until one has to be repeated or the time is up.
    async fn work(&self, delivery: Delivery, stop: &CancellationToken) -> Settlement {
        let began = Instant::now();
        let mut external = delivery.external;
        let mut turns = delivery.turns.into_iter();
        let mut attempts = Vec::new();
        for turn in turns.by_ref() {
            let action = self.act(&mut external, &turn).await;
            let failed = matches!(
                action,
                Action::Called {
                    disposition: Disposition::Retry { .. },
                    ..
                }
            );
            attempts.push(Attempt { turn, action });
            if failed || stop.is_cancelled() || began.elapsed() >= self.settings.run_for {
                break;
            }
        }
        Settlement {
            stock_id: delivery.stock_id,
            claim: delivery.claim,
            external,
            attempts,
            undone: turns.collect(),
            continues: !stop.is_cancelled(),
        }
    }

    async fn act(&self, external: &mut ExternalStock, turn: &Turn) -> Action {
        let skipped = match external.step(&turn.notification) {
            Step::Deliver => None,
            Step::Supersede => Some(Outcome::Superseded),
            Step::InEffect => Some(Outcome::Delivered),
        };
        if let Some(outcome) = skipped {
            self.count(outcome.as_str());
            return Action::Skipped(outcome);
        }
        let started_at = self.clock.now();
        let report = self.call(external, &turn.notification).await;
        if external.external_id.is_none() {
            external.external_id.clone_from(&report.external_id);
        }
        if report.verdict == Verdict::Accepted {
            external.acknowledge(external.picture_for(&turn.notification).version);
        }
        let disposition = self.disposition(turn, &report.verdict);
        self.log(turn, &report, &disposition);
        Action::Called {
            report,
            disposition,
            started_at,
        }
    }

    /// Tells the partner; a stock that it does not know yet is created there first, from the event's own state.
    async fn call(&self, external: &ExternalStock, notification: &Notification) -> CallReport {
        let event = PartnerCall {
            idempotency_key: notification.event_id.to_string(),
            effect: notification.effect.clone(),
            external_id: external.external_id.clone(),
            stock_id: notification.stock_id.clone(),
            picture: external.picture_for(notification).clone(),
            correlation_id: notification.correlation_id.clone(),
            traceparent: notification.traceparent.clone(),
        };
        if event.external_id.is_some() {
            return self.partner.call(&event).await;
        }
        // Whichever event needs it first, the effect is the same one, so its key is made of the stock and not of the
        // event.
        let creation = PartnerCall {
            idempotency_key: format!("{}:created", notification.stock_id),
            effect: Effect::Created,
            ..event.clone()
        };
        let created = self.partner.call(&creation).await;
        if notification.effect == Effect::Created || created.external_id.is_none() {
            return created;
        }
        let external_id = created.external_id;
        let event = PartnerCall {
            external_id: external_id.clone(),
            ..event
        };
        CallReport {
            external_id,
            ..self.partner.call(&event).await
        }
    }

    fn disposition(&self, turn: &Turn, verdict: &Verdict) -> Disposition {
        match verdict {
            Verdict::Accepted => Disposition::Delivered,
            Verdict::Rejected { cause } => Disposition::Dead {
                reason: cause.clone(),
            },
            Verdict::Transient { cause, retry_after } => {
                let attempt = turn.attempts.saturating_add(1);
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

    fn log(&self, turn: &Turn, report: &CallReport, disposition: &Disposition) {
        let notification = &turn.notification;
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
                    attempt = turn.attempts.saturating_add(1),
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
