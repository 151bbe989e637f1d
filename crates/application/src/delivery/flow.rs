//! How many calls a partner gets now: as many as are configured, few while it is not known whether it is down, one probe
//! while it is, none while an operator or the partner itself wants so.

mod others;

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::delivery::{Breaker, Reach, Tripped, Verdict};
use tokio::{sync::Notify, time::Instant};

use crate::ports::{PartnerState, PartnerStates, StoreError};
use others::News;

/// How far a partner is trusted.
#[derive(Debug, Clone)]
pub struct FlowSettings {
    /// The subscription.
    pub name: String,
    /// Calls at once, over different stocks; up to three times as many deliveries are being written down meanwhile.
    pub concurrency: usize,
    /// Calls per second of this instance; none: as many as it takes.
    pub rate: Option<NonZeroU32>,
    /// Longest wait of a call for its turn: once under that rate, once behind others.
    pub patience: Duration,
    /// Failures in a row that open the breaker.
    pub failures: NonZeroU32,
    /// Time between two probes of a partner that is down.
    pub probe_every: Duration,
    /// Between two looks at what the other instances know.
    pub poll: Duration,
}

impl FlowSettings {
    /// Under a rate, more calls at once would only wait for each other while they hold their stocks.
    fn most(&self) -> usize {
        let paced = self.rate.map_or(usize::MAX, |rate| {
            let calls = f64::from(rate.get()) * self.patience.as_secs_f64();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "it saturates"
            )]
            let calls = calls as usize;
            calls
        });
        self.concurrency.min(paced).max(1)
    }
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// So many deliveries at once.
    Deliver(usize),
    /// One, to see whether the partner is back.
    Probe,
    /// None before this moment.
    Wait(Instant),
    /// None, but it is time for a probe.
    ProbeDue,
    /// None.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Shared(PartnerState),
    /// This instance opened it, and the others may not know yet.
    Opening,
    /// The partner wants no more events, and the others may not know yet.
    Disabling,
    /// This instance has the probe, for so long.
    Probing(Instant),
}

struct Inner {
    breaker: Breaker,
    mode: Mode,
    /// Counts what this instance did itself: what was read of the shared state before that is out of date.
    generation: u64,
    hold_off: Option<Instant>,
    /// Calls under way.
    in_flight: usize,
    next_slot: Instant,
}

/// A call under way.
pub(super) struct CallTurn<'a>(&'a Flow);

impl Drop for CallTurn<'_> {
    fn drop(&mut self) {
        self.0.inner().in_flight -= 1;
        self.0.ended.notify_waiters();
    }
}

/// The valve in front of one partner.
pub struct Flow {
    settings: FlowSettings,
    states: Arc<dyn PartnerStates>,
    inner: Mutex<Inner>,
    changed: Notify,
    /// A call has ended, or what is known of the partner has changed.
    ended: Notify,
    /// A call has failed: the others may know more.
    doubt: Notify,
}

impl Inner {
    fn turn(&mut self, mode: Mode) {
        self.mode = mode;
        self.generation += 1;
    }
}

impl Flow {
    /// A flow that calls nobody until it has learnt from `states` that it may.
    #[must_use]
    pub fn new(settings: FlowSettings, states: Arc<dyn PartnerStates>) -> Self {
        let inner = Inner {
            breaker: Breaker::new(
                settings.failures,
                settings.most(),
                Instant::now().into_std(),
            ),
            mode: Mode::Shared(PartnerState::Halted),
            generation: 0,
            hold_off: None,
            in_flight: 0,
            next_slot: Instant::now(),
        };
        Self {
            settings,
            states,
            inner: Mutex::new(inner),
            changed: Notify::new(),
            ended: Notify::new(),
            doubt: Notify::new(),
        }
    }

    /// Calls at once at most, however well the partner is.
    pub(super) fn most(&self) -> usize {
        self.settings.most()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn allowance(&self) -> Allowance {
        let inner = self.inner();
        let now = Instant::now();
        let held_off = inner.hold_off.filter(|until| *until > now);
        let allowed = match inner.mode {
            Mode::Shared(PartnerState::Active) => Allowance::Deliver(inner.breaker.limit()),
            Mode::Probing(until) if until > now => Allowance::Probe,
            Mode::Shared(PartnerState::Open { probe_due: true }) => Allowance::ProbeDue,
            Mode::Shared(_) | Mode::Opening | Mode::Disabling | Mode::Probing(_) => {
                Allowance::Nothing
            }
        };
        match held_off {
            Some(until) if allowed != Allowance::Nothing => Allowance::Wait(until),
            _ => allowed,
        }
    }

    /// Whether a delivery under way may call.
    pub(super) fn flows(&self) -> bool {
        matches!(self.allowance(), Allowance::Deliver(_) | Allowance::Probe)
    }

    /// Waits until the allowance may be another one.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits for a call's turn; none if the partner is to be left alone by then.
    pub(super) async fn turn(&self) -> Option<CallTurn<'_>> {
        if let Some(rate) = self.settings.rate {
            let slot = {
                let mut inner = self.inner();
                let slot = inner.next_slot.max(Instant::now());
                inner.next_slot = slot + Duration::from_secs(1) / rate.get();
                slot
            };
            tokio::time::sleep_until(slot).await;
        }
        let place = async {
            loop {
                let ended = self.ended.notified();
                {
                    let mut inner = self.inner();
                    let limit = match inner.mode {
                        Mode::Shared(PartnerState::Active) => inner.breaker.limit(),
                        Mode::Probing(_) => 1,
                        Mode::Shared(_) | Mode::Opening | Mode::Disabling => return None,
                    };
                    if inner.in_flight < limit {
                        inner.in_flight += 1;
                        return Some(CallTurn(self));
                    }
                }
                ended.await;
            }
        };
        let place = tokio::time::timeout(self.settings.patience, place).await;
        // The turn is given back if it came too late.
        place.ok().flatten().filter(|_| self.flows())
    }

    /// Takes the probe, if no other instance does.
    pub(super) async fn take_probe(&self) -> Result<(), StoreError> {
        let every = self.settings.probe_every;
        let mode = if self.states.take_probe(every).await? {
            tracing::info!(
                code = "API_CIRCUIT_BREAKER_PROBE",
                subscription = self.settings.name,
                "one call probes whether the partner is back"
            );
            Mode::Probing(Instant::now() + every)
        } else {
            Mode::Shared(PartnerState::Open { probe_due: false })
        };
        self.inner().turn(mode);
        Ok(())
    }

    /// Learns from a call. Says whether the partner as a whole is away, so that the attempt does not count.
    pub(super) async fn learn(&self, stock: &str, verdict: &Verdict) -> bool {
        let (news, away) = self.note(stock, verdict);
        self.changed.notify_one();
        self.ended.notify_waiters();
        self.tell(news).await;
        away
    }

    fn note<'a>(&self, stock: &str, verdict: &'a Verdict) -> (News<'a>, bool) {
        let mut inner = self.inner();
        let now = Instant::now();
        match verdict {
            Verdict::Accepted | Verdict::Rejected { .. } => {
                match inner.mode {
                    // However late: who answers is back.
                    Mode::Probing(_) | Mode::Opening | Mode::Shared(PartnerState::Open { .. }) => {
                        inner.breaker.ramp_up(now.into_std());
                        inner.turn(Mode::Shared(PartnerState::Active));
                        (News::Back, false)
                    }
                    Mode::Shared(PartnerState::Active | PartnerState::Halted) | Mode::Disabling => {
                        inner.breaker.succeed(now.into_std());
                        (News::None, false)
                    }
                }
            }
            Verdict::Gone { cause } => {
                inner.turn(Mode::Disabling);
                (News::Gone(cause), true)
            }
            Verdict::Transient {
                cause,
                reach,
                hold_off,
                ..
            } => {
                if let Some(wait) = hold_off {
                    let until = now + *wait;
                    inner.hold_off = inner.hold_off.max(Some(until));
                }
                if *reach != Reach::Event {
                    self.doubt.notify_one();
                }
                let tripped = inner.breaker.fail(stock, *reach) == Some(Tripped);
                let news = match inner.mode {
                    Mode::Shared(PartnerState::Active) if tripped => {
                        inner.turn(Mode::Opening);
                        News::Tripped(cause)
                    }
                    Mode::Probing(_) => {
                        inner.turn(Mode::Shared(PartnerState::Open { probe_due: false }));
                        News::None
                    }
                    _ => News::None,
                };
                let closed = inner.mode == Mode::Shared(PartnerState::Active);
                let away = *reach == Reach::Partner || (*reach == Reach::Unclear && !closed);
                (news, away)
            }
        }
    }
}

#[cfg(test)]
#[cfg(feature = "fakes")]
mod tests;
