//! The partner's side.

use std::time::Duration;

use async_trait::async_trait;
use domain::delivery::{Effect, ExternalId, Picture, Verdict};

/// One call to a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCall {
    /// The same for every repetition of this effect, for ever.
    pub idempotency_key: String,
    /// What happened.
    pub effect: Effect,
    /// The partner's name of the stock; none in the call that creates it there.
    pub external_id: Option<ExternalId>,
    /// Our name of the stock.
    pub stock_id: String,
    /// The newest state that may be told.
    pub picture: Picture,
    /// Goes through all logs.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallReport {
    /// What it means.
    pub verdict: Verdict,
    /// The answer's status code, if there was an answer.
    pub response_code: Option<u16>,
    /// The partner's name of the stock, if the answer told it.
    pub external_id: Option<ExternalId>,
    /// How long it took.
    pub duration: Duration,
}

/// A partner's API.
#[async_trait]
pub trait PartnerGateway: Send + Sync {
    /// Makes one call, within the configured time. Every failure is a verdict: there is no error beside it. MUST answer
    /// the creation of a stock with [`Verdict::Accepted`] only together with an external id.
    async fn call(&self, call: &PartnerCall) -> CallReport;
}
