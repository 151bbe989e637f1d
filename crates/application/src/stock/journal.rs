//! What came of a batch, for those who watch the service: metrics, and a line of the log for each change and each refusal.

use std::sync::Arc;

use domain::stock::{Operation, StockError, StockUpdatedEvent};

use crate::{
    metric::virtual_stock as metric,
    ports::Decided,
    stock::{Answer, Command, CommandError, Executed, Rejection, Request, RequestContext},
    trace::trace_id,
};

/// Counts and logs what was committed, and what was refused.
pub(super) fn write(requests: &[Arc<Request>], decided: &Decided) {
    for change in &decided.changes {
        if let Some(request) = requests.get(change.request) {
            changed(&change.event, &request.context);
        }
    }
    for (request, decision) in requests.iter().zip(&decided.decisions) {
        match decision {
            Ok(Executed::Replayed(_)) => {
                metrics::counter!(metric::IDEMPOTENT_REPLAYS.name).increment(1);
            }
            Ok(Executed::Answer(Answer::Batch(results))) => {
                if let Command::Batch(commands) = &request.command {
                    for (command, result) in commands.iter().zip(results) {
                        refused(command, result.as_ref().err(), &request.context);
                    }
                }
            }
            Ok(Executed::Answer(_)) => {}
            Err(error) => refused(&request.command, Some(error), &request.context),
        }
    }
}

fn changed(event: &StockUpdatedEvent, context: &RequestContext) {
    let (code, counter) = match event.operation() {
        Operation::Created => ("STOCK_CREATED", metric::STOCK_CREATED),
        Operation::Reserved => ("STOCK_RESERVED", metric::STOCK_RESERVED),
        Operation::QuantityUpdated => ("STOCK_QUANTITY_UPDATED", metric::STOCK_UPDATED),
        Operation::PriceUpdated => ("STOCK_PRICE_UPDATED", metric::STOCK_UPDATED),
        Operation::DetailsUpdated => ("STOCK_DETAILS_UPDATED", metric::STOCK_UPDATED),
        Operation::ReservationConfirmed => ("RESERVATION_CONFIRMED", metric::STOCK_UPDATED),
        Operation::ReservationReleased => ("RESERVATION_RELEASED", metric::STOCK_UPDATED),
        Operation::ReservationExpired => ("RESERVATION_EXPIRED", metric::STOCK_UPDATED),
        Operation::Discontinued => ("STOCK_DISCONTINUED", metric::STOCK_UPDATED),
    };
    metrics::counter!(counter.name).increment(1);
    tracing::info!(
        code,
        "stockId" = event.stock.id.as_str(),
        stock.version = event.stock.version.get(),
        "eventId" = %event.id,
        actor = context.actor.as_str(),
        "requestId" = &*context.request_id,
        "correlationId" = &*context.correlation_id,
        "traceId" = trace_id(&context.traceparent),
        "a stock was changed"
    );
}

/// Counts and logs a command that a rule refused.
fn refused(command: &Command, error: Option<&CommandError>, context: &RequestContext) {
    let Some(CommandError::Rejected(rejection)) = error else {
        return;
    };
    tracing::info!(
        code = "BUSINESS_VALIDATION_FAILED",
        reason = %rejection,
        actor = context.actor.as_str(),
        "requestId" = &*context.request_id,
        "correlationId" = &*context.correlation_id,
        "traceId" = trace_id(&context.traceparent),
        "a rule refused a command"
    );
    if !matches!(command, Command::Reserve(_) | Command::ReserveOne(_)) {
        return;
    }
    let reason = match rejection {
        Rejection::Insufficient { .. } => "insufficient-stock",
        Rejection::Rule(StockError::Discontinued) => "discontinued",
        Rejection::DuplicateOrder(_) => "duplicate-order",
        Rejection::Lines(_) => "lines",
        _ => "other",
    };
    metrics::counter!(metric::RESERVATIONS_REJECTED.name, "reason" => reason).increment(1);
}
