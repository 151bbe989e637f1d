//! The shared state of a partner, in memory.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::ports::{PartnerState, PartnerStates, StoreError};

/// A partner's state that several flows share.
#[derive(Default)]
pub struct FakePartnerStates(Mutex<State>);

#[derive(Default)]
struct State {
    halted: bool,
    probe_at: Option<Instant>,
}

impl FakePartnerStates {
    fn inner(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As an operator would.
    pub fn resume(&self) {
        *self.inner() = State::default();
    }
}

#[async_trait]
impl PartnerStates for FakePartnerStates {
    async fn state(&self) -> Result<PartnerState, StoreError> {
        let state = self.inner();
        Ok(match state.probe_at {
            _ if state.halted => PartnerState::Halted,
            Some(at) => PartnerState::Open {
                probe_due: at <= Instant::now(),
            },
            None => PartnerState::Active,
        })
    }

    async fn open(&self, _cause: &str, probe_after: Duration) -> Result<(), StoreError> {
        let mut state = self.inner();
        state.probe_at.get_or_insert(Instant::now() + probe_after);
        Ok(())
    }

    async fn take_probe(&self, again_after: Duration) -> Result<bool, StoreError> {
        let mut state = self.inner();
        let now = Instant::now();
        let due = !state.halted && state.probe_at.is_some_and(|at| at <= now);
        if due {
            state.probe_at = Some(now + again_after);
        }
        Ok(due)
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner().probe_at = None;
        Ok(())
    }

    async fn disable(&self, _cause: &str) -> Result<(), StoreError> {
        self.inner().halted = true;
        Ok(())
    }
}
