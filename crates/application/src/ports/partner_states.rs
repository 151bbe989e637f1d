//! What all instances know of one partner.

use std::time::Duration;

use async_trait::async_trait;

use crate::ports::StoreError;

/// Whether a partner is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartnerState {
    /// It is.
    #[default]
    Active,
    /// An operator wants it left alone, or it wants no more events.
    Halted,
    /// The breaker is open.
    Open {
        /// It is time for a probe.
        probe_due: bool,
    },
}

/// The shared state of one subscription's partner.
#[async_trait]
pub trait PartnerStates: Send + Sync {
    /// The state now. An operator's pause and a partner's wish come before the breaker.
    async fn state(&self) -> Result<PartnerState, StoreError>;

    /// Opens the breaker; an open one stays as it is. The first probe is due after `probe_after`.
    async fn open(&self, cause: &str, probe_after: Duration) -> Result<(), StoreError>;

    /// Takes the probe that is due; the next one is due after `again_after`. MUST be true for one caller at most.
    async fn take_probe(&self, again_after: Duration) -> Result<bool, StoreError>;

    /// Closes the breaker.
    async fn close(&self) -> Result<(), StoreError>;

    /// The partner wants no more events: it is halted until an operator resumes it.
    async fn disable(&self, cause: &str) -> Result<(), StoreError>;
}
