//! Errors of commands and of the store.

use application::{
    Causes,
    ports::RepositoryError,
    stock::{CommandError, LineOutcome, Rejection},
};
use domain::stock::StockError;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    contract::v1::StockView,
    http::{Problem, problem::kind},
};

/// A moment as JSON has it.
fn moment(at: OffsetDateTime) -> Value {
    at.format(&Rfc3339).map_or(Value::Null, Into::into)
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => (&rejection).into(),
            CommandError::Overloaded => {
                Self::new(&kind::OVERLOADED, "Too many commands are waiting.").retry_after(1)
            }
            CommandError::ShuttingDown => Self::unavailable("The service is shutting down."),
            CommandError::KeyInUse(_) => {
                Self::new(&kind::KEY_IN_USE, kind::KEY_IN_USE.meaning).retry_after(1)
            }
            CommandError::Unavailable(source) => {
                log(source.as_ref());
                Self::unavailable("The stock store is not available; nothing was changed.")
            }
            CommandError::OutcomeUnknown(source) => {
                log(source.as_ref());
                Self::new(&kind::OUTCOME_UNKNOWN, kind::OUTCOME_UNKNOWN.meaning).retry_after(1)
            }
            CommandError::Unencodable(source) => {
                log(source.as_ref());
                Self::new(&kind::INTERNAL, kind::INTERNAL.meaning)
            }
            CommandError::Inconsistent(source) => {
                log(source.as_ref());
                Self::new(&kind::INTERNAL, kind::INTERNAL.meaning)
            }
        }
    }
}

impl From<RepositoryError> for Problem {
    fn from(error: RepositoryError) -> Self {
        CommandError::from(error).into()
    }
}

fn log(error: &(dyn std::error::Error + 'static)) {
    tracing::error!(code = "STOCK_STORE_FAILED", error = %Causes(error), "a request failed");
}

impl From<&Rejection> for Problem {
    fn from(rejection: &Rejection) -> Self {
        let say = |kind| Self::new(kind, format!("{rejection}."));
        match rejection {
            Rejection::UnknownStock(id) => Self::unknown_stock(id.as_str()),
            Rejection::UnknownReservation(id) => Self::unknown_reservation(id.as_str()),
            Rejection::DuplicateProduct(product) => {
                say(&kind::DUPLICATE_PRODUCT).with("productId", product.as_str())
            }
            Rejection::DuplicateStock(id) => {
                say(&kind::DUPLICATE_STOCK).with("stockId", id.as_str())
            }
            Rejection::DuplicateOrder(order) => {
                say(&kind::DUPLICATE_ORDER).with("clientOrderId", order.as_str())
            }
            Rejection::Insufficient {
                stock_id,
                available,
                requested,
                soonest_expiry,
            } => {
                let problem = say(&kind::INSUFFICIENT_STOCK)
                    .with("stockId", stock_id.as_str())
                    .with("available", available.get())
                    .with("requested", requested.get());
                match soonest_expiry {
                    Some(at) => problem.with("soonestExpiry", moment(*at)),
                    None => problem,
                }
            }
            Rejection::NotAsExpected(stock) => say(&kind::PRECONDITION_FAILED)
                .with("currentVersion", stock.version.get())
                .with("current", json!(StockView::from(stock.as_ref()))),
            Rejection::Lines(lines) => {
                let lines: Vec<Value> = lines.iter().map(line).collect();
                say(&kind::LINES_REFUSED).with("lines", lines)
            }
            Rejection::KeyReused => say(&kind::KEY_REUSED),
            Rejection::Rule(rule) => of_rule(rule),
        }
    }
}

fn of_rule(rule: &StockError) -> Problem {
    let say = |kind| Problem::new(kind, format!("{rule}."));
    match rule {
        StockError::InsufficientStock {
            available,
            requested,
        } => say(&kind::INSUFFICIENT_STOCK)
            .with("available", available.get())
            .with("requested", requested.get()),
        StockError::BelowReserved {
            reserved,
            requested,
        } => say(&kind::BELOW_RESERVED)
            .with("reserved", reserved.get())
            .with("requested", requested.get()),
        StockError::Discontinued => say(&kind::DISCONTINUED),
        StockError::ReservationEnded { state } => {
            say(&kind::RESERVATION_STATE).with("state", state.as_str())
        }
        StockError::ConfirmsMore { held, requested } => say(&kind::CONFIRMS_MORE)
            .with("held", held.get())
            .with("requested", requested.get()),
        StockError::TooManyUnits => say(&kind::TOO_MANY_UNITS),
        StockError::ForeignReservation => say(&kind::FOREIGN_RESERVATION),
    }
}

/// A line of an order: what kept it from being held, or that nothing did.
pub(in crate::http) fn line(line: &LineOutcome) -> Value {
    let mut shown = json!({
        "stockId": line.stock_id.as_str(),
        "quantity": line.quantity.get().get(),
    });
    if let Err(rejection) = &line.held {
        let problem = Problem::from(rejection);
        shown["code"] = problem.kind.code.into();
        shown["detail"] = problem.detail.into();
        for (name, value) in problem.more {
            shown[name] = value;
        }
    }
    shown
}
