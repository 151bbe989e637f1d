//! What operators see and do: the consumption log, dead letters, partners, held stocks.

mod letter;
mod log;
mod partner;

use std::num::NonZeroU32;

use async_trait::async_trait;

use crate::ports::{Page, StoreError};
pub use letter::{
    Edit, Letter, LetterDetail, LetterGroup, LetterQuery, LetterState, NotHandled, Operator,
    OperatorAction, ReplayOrder, Replayed,
};
pub use log::{DeliveryQuery, LoggedAttempt};
pub use partner::{HeldQuery, HeldStock, PartnerStatus, Propagation, ResyncProgress, Standing};

/// What operators see and do.
///
/// Every step is written down with its actor, in the transaction that takes it.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Rows of the consumption log, the newest first.
    async fn deliveries(&self, query: &DeliveryQuery) -> Result<Page<LoggedAttempt>, StoreError>;

    /// Dead letters, the oldest first.
    async fn letters(&self, query: &LetterQuery) -> Result<Page<Letter>, StoreError>;

    /// How many dead letters a query would find; its limit and place do not matter.
    async fn count_letters(&self, query: &LetterQuery) -> Result<u64, StoreError>;

    /// One dead letter.
    async fn letter(&self, id: i64) -> Result<Option<LetterDetail>, StoreError>;

    /// Open dead letters by cause, the most first.
    async fn groups(&self) -> Result<Vec<LetterGroup>, StoreError>;

    /// Stocks that are held.
    async fn held(&self, query: &HeldQuery) -> Result<Page<HeldStock>, StoreError>;

    /// The partners of these names, as they stand.
    async fn partners(&self, names: &[String]) -> Result<Vec<PartnerStatus>, StoreError>;

    /// How far a stock has got to the partners of these names; none if no partner knows it.
    async fn propagation(
        &self,
        names: &[String],
        stock_id: &str,
    ) -> Result<Option<Vec<Propagation>>, StoreError>;

    /// Lets these dead letters pass the gate again, so many per second; one that is not open stays as it is. With
    /// `dry_run` nothing is changed.
    async fn replay(&self, order: &ReplayOrder) -> Result<Replayed, StoreError>;

    /// Lets all open dead letters that a query means pass the gate again, so many per second, and returns how many; its
    /// limit and place do not matter. Those that could never be read are left out.
    async fn replay_found(
        &self,
        query: &LetterQuery,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<u64, StoreError>;

    /// Leaves a dead letter for good.
    async fn discard(
        &self,
        id: i64,
        operator: &Operator,
    ) -> Result<Result<(), NotHandled>, StoreError>;

    /// Leaves a partner alone, in all instances.
    async fn pause(&self, partner: &str, operator: &Operator) -> Result<(), StoreError>;

    /// Takes a partner up again that was paused, or that wanted no more events; its breaker is closed.
    async fn resume(&self, partner: &str, operator: &Operator) -> Result<(), StoreError>;

    /// Tells a partner the present state of every stock, so many per second.
    async fn resync(
        &self,
        partner: &str,
        rate: Option<NonZeroU32>,
        operator: &Operator,
    ) -> Result<ResyncProgress, StoreError>;
}
