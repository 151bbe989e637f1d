//! What an attempt shows to those who watch: its part of the trace, a line of the log, metrics.

use domain::delivery::{AttemptStatus, Outcome};

use crate::{
    delivery::{cause, work::Worker},
    metric,
    ports::{CallReport, Disposition, Turn},
    trace::{Span, SpanKind, attribute, trace_id},
};

impl Worker {
    /// The part of the event's trace that is ours: this attempt.
    pub(super) fn span(&self, turn: &Turn) -> Span {
        let origin = &turn.record.origin;
        let parent = turn.notification.traceparent.as_deref();
        let mut span = Span::within(parent, SpanKind::Consumer, || {
            format!("process {}", origin.topic).into()
        });
        if span.is_recorded() {
            span.set(attribute::MESSAGING_SYSTEM, "kafka");
            span.set(attribute::MESSAGING_OPERATION_NAME, "process");
            span.set(attribute::MESSAGING_OPERATION_TYPE, "process");
            span.set(attribute::MESSAGING_DESTINATION_NAME, origin.topic.clone());
            span.set(
                attribute::MESSAGING_DESTINATION_PARTITION_ID,
                origin.partition.to_string(),
            );
            span.set(attribute::MESSAGING_KAFKA_OFFSET, origin.offset);
            span.set(
                attribute::MESSAGING_MESSAGE_ID,
                turn.notification.event_id.to_string(),
            );
            span.set("delivery.subscription", self.settings.name.clone());
            span.set("delivery.attempt", i64::from(turn.attempts) + 1);
            span.set("stock.id", turn.notification.stock_id.clone());
        }
        span
    }

    /// Says what came of a call.
    pub(super) fn log(&self, turn: &Turn, report: &CallReport, disposition: &Disposition) {
        let notification = &turn.notification;
        count(&self.settings.name, disposition.status());
        let status = disposition.status().as_str();
        match disposition {
            Disposition::Delivered => {
                let age = self.clock.now() - notification.occurred_at;
                let subscription = self.settings.name.clone();
                metrics::histogram!(metric::acl::DELIVERY_AGE.name, "subscription" => subscription)
                    .record(age.as_seconds_f64());
                tracing::info!(
                    code = "EVENT_DELIVERED",
                    subscription = self.settings.name,
                    operation = notification.effect.operation(),
                    response.code = report.response_code,
                    "eventId" = %notification.event_id,
                    "stockId" = notification.stock_id,
                    stock.version = notification.version(),
                    "correlationId" = notification.correlation_id,
                    "traceId" = notification.traceparent.as_deref().and_then(trace_id),
                    "the partner has the event"
                );
            }
            Disposition::Retry { cause: reason, .. } | Disposition::Dead { reason } => {
                tracing::warn!(
                    code = "EXTERNAL_API_CALL_FAILED",
                    subscription = self.settings.name,
                    operation = notification.effect.operation(),
                    response.code = report.response_code,
                    status,
                    cause = cause(reason),
                    attempt = turn.attempts.saturating_add(1),
                    "eventId" = %notification.event_id,
                    "stockId" = notification.stock_id,
                    stock.version = notification.version(),
                    "correlationId" = notification.correlation_id,
                    "traceId" = notification.traceparent.as_deref().and_then(trace_id),
                    "the partner did not take the event"
                );
            }
        }
    }
}

/// Shows that no event has died yet: what is there from the first one on only, is not seen to rise.
pub(super) fn count_no_dead(subscription: &str) {
    let (subscription, status) = (subscription.to_owned(), Outcome::Dead.as_str());
    metrics::counter!(metric::acl::DELIVERIES.name, "subscription" => subscription, "status" => status)
        .increment(0);
}

/// Counts what came of an event.
pub(super) fn count(subscription: &str, status: AttemptStatus) {
    let subscription = subscription.to_owned();
    metrics::counter!(metric::acl::DELIVERIES.name, "subscription" => subscription, "status" => status.as_str())
        .increment(1);
}
