//! What an instance tells the others of a partner, and what it learns from them.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Flow, Mode};
use crate::{
    Causes, metric,
    ports::{PartnerState, StoreError},
};

/// What a call has changed.
pub(super) enum News<'a> {
    None,
    /// The partner wants no more events.
    Gone(&'a str),
    /// It is down.
    Tripped(&'a str),
    /// It answers again.
    Back,
}

impl Flow {
    pub(super) async fn tell(&self, news: News<'_>) {
        match news {
            News::None => {}
            News::Gone(cause) => {
                tracing::error!(
                    code = "SUBSCRIPTION_DISABLED",
                    subscription = self.settings.name,
                    cause = crate::delivery::cause(cause),
                    "the partner wants no more events"
                );
                self.disable(cause).await;
            }
            News::Tripped(cause) => {
                tracing::error!(
                    code = "API_CIRCUIT_BREAKER_OPENED",
                    subscription = self.settings.name,
                    cause = crate::delivery::cause(cause),
                    "the partner is left alone"
                );
                self.open(cause).await;
            }
            News::Back => {
                tracing::info!(
                    code = "API_CIRCUIT_BREAKER_CLOSED",
                    subscription = self.settings.name,
                    "the partner is back"
                );
                if let Err(error) = self.states.close().await {
                    self.untold(&error);
                }
            }
        }
    }

    async fn open(&self, cause: &str) {
        let told = self.states.open(cause, self.settings.probe_every).await;
        let then = PartnerState::Open { probe_due: false };
        self.told(told, Mode::Opening, then);
    }

    async fn disable(&self, cause: &str) {
        let told = self.states.disable(cause).await;
        self.told(told, Mode::Disabling, PartnerState::Halted);
    }

    /// The others know this news, too, or they will be told at the next look.
    pub(super) fn told(&self, told: Result<(), StoreError>, news: Mode, then: PartnerState) {
        match told {
            Ok(()) => {
                let mut inner = self.inner();
                if inner.mode == news {
                    inner.turn(Mode::Shared(then));
                }
            }
            Err(error) => self.untold(&error),
        }
    }

    fn untold(&self, error: &StoreError) {
        tracing::warn!(
            code = "PARTNER_STATE_UNSHARED",
            subscription = self.settings.name,
            error = %Causes(error),
            "the other instances do not know yet"
        );
    }

    /// Follows what the other instances and operators do, until `stop`.
    pub async fn watch(&self, stop: CancellationToken) {
        let work = async {
            loop {
                let generation = self.inner().generation;
                match self.states.state().await {
                    Ok(state) => self.observe(state, generation).await,
                    Err(error) => tracing::warn!(
                        code = "PARTNER_STATE_UNREADABLE",
                        subscription = self.settings.name,
                        error = %Causes(&error),
                        "the partner's state cannot be read"
                    ),
                }
                // The first failure here may be the last one elsewhere.
                let look = tokio::time::timeout(self.settings.poll, self.doubt.notified());
                look.await.ok();
            }
        };
        stop.run_until_cancelled(work).await;
    }

    pub(super) async fn observe(&self, state: PartnerState, generation: u64) {
        let subscription = self.settings.name.clone();
        let open = matches!(state, PartnerState::Open { .. });
        metrics::gauge!(metric::acl::BREAKER_OPEN.name, "subscription" => subscription.clone())
            .set(if open { 1.0 } else { 0.0 });
        metrics::gauge!(metric::acl::PARTNER_HALTED.name, "subscription" => subscription).set(
            if state == PartnerState::Halted {
                1.0
            } else {
                0.0
            },
        );
        let untold = {
            let mut inner = self.inner();
            match (inner.mode, state) {
                _ if inner.generation != generation => {}
                (_, PartnerState::Halted) => inner.mode = Mode::Shared(state),
                // The store does not know yet.
                (Mode::Opening, PartnerState::Active) | (Mode::Disabling, _) => {}
                (Mode::Probing(until), PartnerState::Open { .. }) if until > Instant::now() => {}
                (
                    Mode::Shared(PartnerState::Open { .. }) | Mode::Probing(_),
                    PartnerState::Active,
                ) => {
                    inner.breaker.ramp_up(Instant::now().into_std());
                    inner.mode = Mode::Shared(state);
                }
                (Mode::Shared(PartnerState::Halted), PartnerState::Active) => {
                    inner.hold_off = None;
                    inner.mode = Mode::Shared(state);
                }
                (_, state) => inner.mode = Mode::Shared(state),
            }
            inner.mode
        };
        match untold {
            Mode::Opening => self.open("failures in a row").await,
            Mode::Disabling => self.disable("it wants no more events").await,
            Mode::Shared(_) | Mode::Probing(_) => {}
        }
        self.changed.notify_one();
    }
}
