//! Errors as clients see them: RFC 9457 problem details.

use application::{
    Causes,
    ports::RepositoryError,
    stock::{CommandError, Rejection},
};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::stock::StockError;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What is wrong with one member of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where, as a JSON pointer into the body, or `?name` of the query, or the name of a header.
    pub pointer: String,
    /// What, for machines.
    pub code: String,
    /// What, for people.
    pub message: String,
}

/// An error answer. The names of the request are added where the answer leaves (see [`crate::http::serve`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    more: Map<String, Value>,
    retry_after: Option<u32>,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            title,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            retry_after: None,
        }
    }

    /// The request's values are not what they have to be.
    #[must_use]
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let names: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        let detail = format!("These values cannot be used: {}.", names.join(", "));
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self {
            errors,
            ..Self::new(status, "validation-failed", "Values cannot be used", detail)
        }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        let status = StatusCode::BAD_REQUEST;
        Self::new(
            status,
            "malformed-request",
            "The request cannot be read",
            detail,
        )
    }

    pub(super) fn bad_request(code: &'static str, error: FieldError) -> Self {
        let detail = format!("{} {}.", error.pointer, error.message);
        Self {
            errors: vec![error],
            ..Self::new(
                StatusCode::BAD_REQUEST,
                code,
                "The request cannot be read",
                detail,
            )
        }
    }

    pub(super) fn unknown_stock(id: &str) -> Self {
        let detail = format!("There is no stock {id}.");
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown-stock",
            "Unknown stock",
            detail,
        )
    }

    fn unavailable(detail: &str) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        Self {
            retry_after: Some(1),
            ..Self::new(status, "unavailable", "Not available now", detail)
        }
    }

    fn internal() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let detail = "Something is wrong on our side; it was logged under the request's id.";
        Self::new(status, "internal-error", "Internal error", detail)
    }

    /// The problem of an answer that the framework made.
    pub(super) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::new(
                status,
                "unknown-route",
                "Unknown route",
                "There is nothing at this path.",
            ),
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method-not-allowed",
                "Method not allowed",
                "This path does not take this method; the header Allow names those it takes.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => Self::new(
                status,
                "body-too-large",
                "Body too large",
                "The request's body is larger than this route takes.",
            ),
            StatusCode::REQUEST_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
                Self::unavailable("The request took too long; it may have been carried out.")
            }
            status if status.is_client_error() => Self {
                status,
                ..Self::malformed("The request cannot be read.")
            },
            _ => Self::internal(),
        }
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The answer, with the request's id.
    pub(super) fn render(self, request_id: &str) -> Response {
        let mut body = json!({
            "type": format!("/problems/{}", self.code),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
            "requestId": request_id,
        });
        if let Value::Object(members) = &mut body {
            members.extend(self.more);
            if !self.errors.is_empty() {
                members.insert("errors".to_owned(), json!(self.errors));
            }
        }
        let problem_json = HeaderValue::from_static("application/problem+json");
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, problem_json)],
            body.to_string(),
        )
            .into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Only the status; the body follows in `Problem::render`.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => rejection.into(),
            CommandError::Overloaded => Self::unavailable("Too many commands are waiting."),
            CommandError::ShuttingDown => Self::unavailable("The service is shutting down."),
            CommandError::Unavailable(source) => {
                log(source.as_ref());
                Self::unavailable("The stock store is not available; nothing was changed.")
            }
            CommandError::OutcomeUnknown(source) => {
                log(source.as_ref());
                let detail = "The connection to the store was lost around the commit: the command \
                              may or may not have been carried out. Read the stock before you repeat it.";
                Self {
                    code: "outcome-unknown",
                    title: "Outcome unknown",
                    ..Self::unavailable(detail)
                }
            }
            CommandError::Unencodable(source) => {
                log(source.as_ref());
                Self::internal()
            }
            CommandError::Inconsistent(source) => {
                log(source.as_ref());
                Self::internal()
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

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let detail = format!("{rejection}.");
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title, detail.clone());
        match rejection {
            Rejection::UnknownStock(id) => Self::unknown_stock(id.as_str()),
            Rejection::DuplicateProduct(product) => {
                conflict("duplicate-product", "The product has a stock already")
                    .with("productId", product.as_str())
            }
            Rejection::DuplicateStock(id) => {
                conflict("duplicate-stock", "The stock's id is taken").with("stockId", id.as_str())
            }
            Rejection::Rule(StockError::InsufficientStock {
                available,
                requested,
            }) => conflict("insufficient-stock", "Not enough units")
                .with("available", available.get())
                .with("requested", requested.get()),
            Rejection::Rule(StockError::BelowReserved {
                reserved,
                requested,
            }) => conflict("below-reserved", "Units are reserved")
                .with("reserved", reserved.get())
                .with("requested", requested.get()),
            Rejection::Rule(StockError::Discontinued) => {
                conflict("discontinued", "The stock is discontinued")
            }
            Rejection::Rule(StockError::ReservationEnded { state }) => {
                conflict("reservation-state", "The reservation has ended")
                    .with("state", state.as_str())
            }
            Rejection::Rule(StockError::ForeignReservation) => {
                conflict("foreign-reservation", "The reservation is of another stock")
            }
        }
    }
}
