//! The partner's side.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::delivery::{
    Effect, ExternalId, ExternalStock, Notification, Ordering, Picture, Verdict,
};
use time::OffsetDateTime;
use uuid::Uuid;

/// One call to a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerCall {
    /// The same for every repetition of this effect, for ever.
    pub idempotency_key: String,
    /// The event behind it; none where an operator wants the present state told.
    pub event_id: Option<Uuid>,
    /// What happened.
    pub effect: Effect,
    /// The partner's name of the stock; none in the call that creates it there.
    pub external_id: Option<ExternalId>,
    /// Our name of the stock.
    pub stock_id: String,
    /// The newest state that may be told.
    pub picture: Arc<Picture>,
    /// The status before the event; none for a new stock.
    pub previous_status: Option<String>,
    /// How the event changed the units on hand.
    pub quantity_delta: i64,
    /// How the event changed the units held.
    pub reserved_delta: i64,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// Who did it.
    pub actor: String,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// Goes through all logs.
    pub correlation_id: String,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

impl PartnerCall {
    /// The call that tells of an event.
    #[must_use]
    pub fn of(notification: &Notification, external: &ExternalStock, ordering: Ordering) -> Self {
        Self {
            idempotency_key: notification.event_id.to_string(),
            event_id: Some(notification.event_id),
            effect: notification.effect.clone(),
            external_id: external.external_id.clone(),
            stock_id: notification.stock_id.clone(),
            picture: external.picture_for(notification, ordering).clone(),
            previous_status: notification.previous_status.clone(),
            quantity_delta: notification.quantity_delta,
            reserved_delta: notification.reserved_delta,
            reason: notification.reason.clone(),
            actor: notification.actor.clone(),
            occurred_at: notification.occurred_at,
            correlation_id: notification.correlation_id.clone(),
            traceparent: notification.traceparent.clone(),
        }
    }
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
    /// Makes one call, within the configured time. Every failure is a verdict: there is no error beside it. A gateway to a
    /// partner that has names of its own for stocks MUST answer their creation with [`Verdict::Accepted`] only together
    /// with an external id.
    async fn call(&self, call: &PartnerCall) -> CallReport;
}
