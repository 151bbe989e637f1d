//! One delivery: events of one stock, told one after the other.

use std::{sync::Arc, time::Instant};

use crate::{
    delivery::{Flow, SubscriptionSettings, shown::count},
    metric,
    ports::{
        Action, Attempt, CallReport, Clock, Delivery, Disposition, PartnerCall, PartnerGateway,
        Receipt, Resync, Resynced, Settled, Settlement, Turn,
    },
    trace::Span,
};
use domain::delivery::{AttemptStatus, Effect, ExternalStock, Outcome, Reach, Step, Verdict};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Who tells the present state because an operator wants it.
const OWN_NAME: &str = "acl";

/// What came of a delivery, for whoever writes it down.
pub(super) struct Done {
    pub(super) settlement: Settlement,
    pub(super) answer: oneshot::Sender<Settled>,
}

/// Carries deliveries out.
pub(super) struct Worker {
    pub(super) partner: Arc<dyn PartnerGateway>,
    pub(super) flow: Arc<Flow>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: SubscriptionSettings,
    /// For deliveries that are being told.
    pub(super) places: Arc<Semaphore>,
    /// One of them was given back.
    pub(super) told: Notify,
    pub(super) outcomes: mpsc::Sender<Done>,
    pub(super) stop: CancellationToken,
}

impl Worker {
    /// Delivers events of a stock, and then those that wait for the same stock, under one claim. `place` is given back when they
    /// are told: while they are written down, others are told.
    pub(super) async fn deliver(
        self: Arc<Self>,
        first: Delivery,
        mut receipts: Vec<Receipt>,
        mut place: Option<OwnedSemaphorePermit>,
    ) {
        let mut delivery = first;
        loop {
            // The claim runs while a place is waited for.
            let claimed = Instant::now();
            if place.is_none() {
                // The places are never closed.
                place = Arc::clone(&self.places).acquire_owned().await.ok();
            }
            let settlement = self.work(delivery, claimed).await;
            drop(place.take());
            self.told.notify_one();
            let (answer, answered) = oneshot::channel();
            let done = Done { settlement, answer };
            if self.outcomes.send(done).await.is_err() {
                return;
            }
            // The settler has ended: the claim runs out, and the events come again.
            let Ok(settled) = answered.await else { return };
            receipts.drain(..).for_each(Receipt::give);
            let subscription = self.settings.name.clone();
            metrics::histogram!(metric::acl::PROCESSING_DURATION.name, "subscription" => subscription)
                .record(claimed.elapsed());
            match settled {
                Settled::Next(next) => delivery = *next,
                Settled::Idle => return,
            }
        }
    }

    /// A place, if there is one now.
    pub(super) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Takes the turns one after the other, until one has to be repeated, the partner is to be left alone, or the time since
    /// the stock was claimed is up.
    async fn work(&self, delivery: Delivery, claimed: Instant) -> Settlement {
        let may_go_on = || {
            !self.stop.is_cancelled()
                && claimed.elapsed() < self.settings.run_for
                && self.flow.flows()
        };
        let mut external = delivery.external;
        let mut turns = delivery.turns.into_iter();
        let (mut attempts, mut undone) = (Vec::new(), Vec::new());
        let mut goes_on = may_go_on();
        while goes_on && let Some(turn) = turns.next() {
            let Some(action) = self.act(&mut external, &turn).await else {
                undone.push(turn);
                goes_on = false;
                break;
            };
            let failed = matches!(
                action,
                Action::Called {
                    disposition: Disposition::Retry { .. },
                    ..
                }
            );
            attempts.push(Attempt { turn, action });
            goes_on = !failed && may_go_on();
        }
        let resynced = match delivery.resync {
            Some(resync) if goes_on => self.resync(&mut external, &delivery.stock_id, resync).await,
            _ => None,
        };
        undone.extend(turns);
        Settlement {
            stock_id: delivery.stock_id,
            claim: delivery.claim,
            external,
            attempts,
            undone,
            resynced,
            continues: !self.stop.is_cancelled() && self.flow.flows(),
        }
    }

    /// Does what is to be done about an event; none if the partner is to be left alone.
    async fn act(&self, external: &mut ExternalStock, turn: &Turn) -> Option<Action> {
        let mut span = self.span(turn);
        let action = self.act_within(&mut span, external, turn).await;
        if let Some(Action::Called { disposition, .. }) = &action {
            span.set("delivery.status", disposition.status().as_str());
            if disposition.error().is_some() {
                span.fail(disposition.status().as_str());
            }
        }
        action
    }

    async fn act_within(
        &self,
        span: &mut Span,
        external: &mut ExternalStock,
        turn: &Turn,
    ) -> Option<Action> {
        let skipped = match external.step(&turn.notification, &self.settings.rules) {
            Step::Deliver => None,
            Step::Supersede => Some(Outcome::Superseded),
            Step::InEffect => Some(Outcome::Delivered),
        };
        if let Some(outcome) = skipped {
            span.set("delivery.status", AttemptStatus::Settled(outcome).as_str());
            count(&self.settings.name, AttemptStatus::Settled(outcome));
            return Some(Action::Skipped(outcome));
        }
        let started_at = self.clock.now();
        let ordering = self.settings.rules.ordering;
        let mut call = PartnerCall::of(&turn.notification, external, ordering);
        call.traceparent = span.traceparent().or(call.traceparent);
        let told = self.tell(external, call, turn.attempts, turn.counted);
        let (report, disposition) = told.await?;
        self.log(turn, &report, &disposition);
        Some(Action::Called {
            report,
            disposition,
            started_at,
        })
    }

    /// Tells the present state because an operator wants it.
    async fn resync(
        &self,
        external: &mut ExternalStock,
        stock_id: &str,
        resync: Resync,
    ) -> Option<Resynced> {
        let Resync { id, attempts } = resync;
        let picture = external.told.clone()?;
        if !self.settings.rules.filter.wants(&picture) {
            return Some(Resynced {
                id,
                attempts,
                version: picture.version,
                action: Action::Skipped(Outcome::Filtered),
            });
        }
        let started_at = self.clock.now();
        let version = picture.version;
        let call = PartnerCall {
            idempotency_key: format!("{stock_id}:{id}"),
            event_id: None,
            effect: Effect::Resynchronized,
            external_id: external.external_id.clone(),
            stock_id: stock_id.to_owned(),
            previous_status: Some(picture.status.clone()),
            picture,
            quantity_delta: 0,
            reserved_delta: 0,
            reason: None,
            actor: OWN_NAME.to_owned(),
            occurred_at: started_at,
            correlation_id: id.to_string(),
            traceparent: None,
        };
        let told = self.tell(external, call, attempts, attempts).await;
        let (report, disposition) = told?;
        Some(Resynced {
            id,
            attempts: attempts.saturating_add(1),
            version,
            action: Action::Called {
                report,
                disposition,
                started_at,
            },
        })
    }

    /// Makes the call, and learns from it; none if the partner is to be left alone.
    async fn tell(
        &self,
        external: &mut ExternalStock,
        call: PartnerCall,
        attempts: u32,
        counted: u32,
    ) -> Option<(CallReport, Disposition)> {
        let (stock_id, version) = (call.stock_id.clone(), call.picture.version);
        let report = self.call(call).await?;
        if external.external_id.is_none() {
            external.external_id.clone_from(&report.external_id);
        }
        if report.verdict == Verdict::Accepted {
            external.acknowledge(version);
        }
        let away = self.flow.learn(&stock_id, &report.verdict).await;
        let disposition = self.disposition(&report.verdict, away, attempts, counted);
        Some((report, disposition))
    }

    /// Tells the partner; a stock that it has to have a name for and does not know is created there first, from the
    /// event's own state. None if the partner is to be left alone.
    async fn call(&self, call: PartnerCall) -> Option<CallReport> {
        if call.external_id.is_some() || !self.settings.rules.creates {
            return self.call_once(&call).await;
        }
        // Whichever event needs it first, the effect is the same one, so its key is made of the stock and not of the
        // event.
        let creation = PartnerCall {
            idempotency_key: format!("{}:created", call.stock_id),
            effect: Effect::Created,
            ..call.clone()
        };
        let created = self.call_once(&creation).await?;
        let told = matches!(call.effect, Effect::Created | Effect::Resynchronized);
        if told || created.external_id.is_none() {
            return Some(created);
        }
        let external_id = created.external_id.clone();
        let call = PartnerCall {
            external_id: external_id.clone(),
            ..call
        };
        let report = self.call_once(&call).await.unwrap_or_else(|| CallReport {
            verdict: Verdict::Transient {
                cause: "the stock was created, and then the partner was to be left alone"
                    .to_owned(),
                reach: Reach::Event,
                retry_after: None,
                hold_off: None,
            },
            ..created
        });
        Some(CallReport {
            external_id,
            ..report
        })
    }

    /// One call in its turn. A gateway that does not end in time is not waited for: the claim would run out.
    async fn call_once(&self, call: &PartnerCall) -> Option<CallReport> {
        let turn = self.flow.turn().await?;
        let patience = self.settings.call_for;
        let called = tokio::time::timeout(patience, self.partner.call(call)).await;
        drop(turn);
        Some(called.unwrap_or_else(|_| CallReport {
            verdict: Verdict::Transient {
                cause: "no answer in time".to_owned(),
                reach: Reach::Unclear,
                retry_after: None,
                hold_off: None,
            },
            response_code: None,
            external_id: None,
            duration: patience,
        }))
    }

    /// What follows. `away`: the partner as a whole is, so the attempt does not count.
    fn disposition(
        &self,
        verdict: &Verdict,
        away: bool,
        attempts: u32,
        counted: u32,
    ) -> Disposition {
        let (cause, retry_after) = match verdict {
            Verdict::Accepted => return Disposition::Delivered,
            Verdict::Rejected { cause } => {
                return Disposition::Dead {
                    reason: cause.clone(),
                };
            }
            Verdict::Gone { cause } => (cause, None),
            Verdict::Transient {
                cause, retry_after, ..
            } => (cause, *retry_after),
        };
        let position = if away { 1 } else { counted.saturating_add(1) };
        let jitter = rand::random();
        match self.settings.schedule.wait(position, jitter, retry_after) {
            Some(wait) => Disposition::Retry {
                wait,
                counted: !away,
                cause: cause.clone(),
            },
            None => Disposition::Dead {
                reason: format!(
                    "gave up after {} attempts: {cause}",
                    attempts.saturating_add(1)
                ),
            },
        }
    }
}

#[cfg(test)]
#[cfg(feature = "fakes")]
mod tests;
