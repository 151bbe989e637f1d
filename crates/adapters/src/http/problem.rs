//! Errors as clients see them: RFC 9457 problem details.

mod commands;
pub(super) mod kind;
pub(super) mod page;

use application::trace::trace_id;
use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::member::Wrong;
pub(super) use commands::line;
use kind::Kind;

/// The media type of problem details.
pub(super) const PROBLEM_JSON: &str = "application/problem+json";

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

impl From<Wrong> for FieldError {
    fn from(wrong: Wrong) -> Self {
        Self {
            pointer: wrong.pointer,
            code: wrong.code,
            message: wrong.message,
        }
    }
}

/// The names of a request in its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) request_id: &'a str,
    /// W3C trace context.
    pub(super) traceparent: &'a str,
}

/// An error answer. The names of the request are added where the answer leaves (see [`crate::http::serve`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<FieldError>,
    more: Map<String, Value>,
    headers: Vec<(HeaderName, String)>,
}

impl Problem {
    pub(super) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            headers: Vec::new(),
        }
    }

    /// The request's values are not what they have to be.
    pub(super) fn validation(errors: Vec<Wrong>) -> Self {
        let names: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
        let detail = format!("These values cannot be used: {}.", names.join(", "));
        Self {
            errors: errors.into_iter().map(Into::into).collect(),
            ..Self::new(&kind::VALIDATION_FAILED, detail)
        }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(&kind::MALFORMED, detail)
    }

    pub(super) fn bad_query(cursor: bool, errors: Vec<FieldError>) -> Self {
        let kind = if cursor {
            &kind::BAD_CURSOR
        } else {
            &kind::BAD_QUERY
        };
        Self::naming(kind, errors)
    }

    pub(super) fn bad_header(name: &str, code: &str, message: &str) -> Self {
        let error = FieldError {
            pointer: name.to_owned(),
            code: code.to_owned(),
            message: message.to_owned(),
        };
        Self::naming(&kind::BAD_HEADER, vec![error])
    }

    fn naming(kind: &'static Kind, errors: Vec<FieldError>) -> Self {
        let say = |error: &FieldError| format!("{} {}.", error.pointer, error.message);
        let detail: Vec<String> = errors.iter().map(say).collect();
        Self {
            errors,
            ..Self::new(kind, detail.join(" "))
        }
    }

    pub(super) fn unknown_stock(id: &str) -> Self {
        Self::new(&kind::UNKNOWN_STOCK, format!("There is no stock {id}."))
    }

    pub(super) fn unknown_reservation(id: &str) -> Self {
        Self::new(
            &kind::UNKNOWN_RESERVATION,
            format!("There is no reservation {id}."),
        )
    }

    pub(super) fn unavailable(detail: &str) -> Self {
        Self::new(&kind::UNAVAILABLE, detail).retry_after(1)
    }

    /// The problem of an answer that the framework made.
    pub(super) fn of_status(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::NOT_FOUND => &kind::UNKNOWN_ROUTE,
            StatusCode::METHOD_NOT_ALLOWED => &kind::METHOD_NOT_ALLOWED,
            StatusCode::PAYLOAD_TOO_LARGE => &kind::TOO_LARGE,
            StatusCode::REQUEST_TIMEOUT => &kind::TIMED_OUT_READING,
            StatusCode::SERVICE_UNAVAILABLE => {
                return Self::new(
                    &kind::OUTCOME_UNKNOWN,
                    "The request took too long; it may have been carried out, or will be.",
                )
                .retry_after(1);
            }
            status if status.is_client_error() => &kind::MALFORMED,
            _ => &kind::INTERNAL,
        };
        Self::new(kind, kind.meaning)
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        self.header(header::RETRY_AFTER, seconds.to_string())
    }

    pub(super) fn header(mut self, name: HeaderName, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Whether it is not known who asks, or that one may not do what was asked for.
    pub(super) fn is_of_access(&self) -> bool {
        self.kind == &kind::UNAUTHENTICATED || self.kind == &kind::FORBIDDEN
    }

    /// Whether the request itself is wrong, and not what it meets.
    pub(super) fn is_of_form(&self) -> bool {
        !self.errors.is_empty() || self.kind == &kind::MALFORMED
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The body, with the names of the request.
    pub(super) fn body(&self, names: Names<'_>) -> Value {
        let mut body = json!({
            "type": format!("/problems/{}", self.kind.code),
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            "code": self.kind.code,
            "requestId": names.request_id,
        });
        if let Some(trace_id) = trace_id(names.traceparent) {
            body["traceId"] = trace_id.into();
        }
        if let Value::Object(members) = &mut body {
            members.extend(self.more.clone());
            if !self.errors.is_empty() {
                members.insert("errors".to_owned(), json!(self.errors));
            }
        }
        body
    }

    /// The headers that belong to it, besides the content type.
    pub(super) fn headers(&self) -> &[(HeaderName, String)] {
        &self.headers
    }

    /// The answer, with the names of the request.
    pub(super) fn render(&self, names: Names<'_>) -> Response {
        let problem_json = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = (
            self.status(),
            [(header::CONTENT_TYPE, problem_json)],
            self.body(names).to_string(),
        )
            .into_response();
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl IntoResponse for Problem {
    /// Only the status; the body follows in `Problem::render`.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
