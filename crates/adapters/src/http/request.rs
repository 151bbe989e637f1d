//! What every request gets: an id, a correlation id, a line in the log, a place in the metrics, and problem details
//! for every error.

use std::{sync::Arc, time::Instant};

use application::{metric, ports::IdSource, stock::RequestContext};
use axum::{
    extract::{FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::stock::Actor;
use tracing::Instrument;

use crate::{
    clock::UuidSource,
    http::{FieldError, Problem},
};

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The names under which a request is followed.
#[derive(Debug, Clone)]
struct Names {
    correlation_id: Arc<str>,
    traceparent: Option<Arc<str>>,
}

/// Who asks, for handlers that change something.
pub(super) struct Caller(pub(super) RequestContext);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let names = parts.extensions.get::<Names>();
        let actor: Actor = "anonymous"
            .parse()
            .map_err(|_| Problem::malformed("The request has no caller."))?;
        Ok(Self(RequestContext {
            actor,
            correlation_id: names.map_or_else(new_id, |names| names.correlation_id.to_string()),
            traceparent: names.and_then(|names| names.traceparent.as_deref().map(str::to_owned)),
        }))
    }
}

fn new_id() -> String {
    UuidSource.next().to_string()
}

/// The correlation id that the client sent: 1 to 128 printable ASCII characters without spaces.
fn correlation_id(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let Some(value) = headers.get(CORRELATION_ID) else {
        return Ok(None);
    };
    let legal = |text: &&str| {
        (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match value.to_str().ok().filter(legal) {
        Some(text) => Ok(Some(text.into())),
        None => Err(Problem::bad_request(
            "bad-header",
            FieldError {
                pointer: "X-Correlation-Id".to_owned(),
                code: "pattern".to_owned(),
                message: "must be 1 to 128 printable ASCII characters without spaces".to_owned(),
            },
        )),
    }
}

/// The trace context that the client sent, if it is one (W3C Trace Context, version 00); the specification wants any
/// other one ignored.
fn traceparent(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let hex = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return None;
    };
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let legal = version == "00"
        && hex(trace, 32)
        && nonzero(trace)
        && hex(span, 16)
        && nonzero(span)
        && hex(flags, 2);
    legal.then(|| text.into())
}

/// The method as a label: clients may invent others.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The middleware around all routes.
pub(super) async fn track(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = new_id();
    let method = method(request.method());
    let endpoint = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let (legal, correlation_id) = match correlation_id(request.headers()) {
        Ok(sent) => (Ok(()), sent.unwrap_or_else(|| new_id().into())),
        Err(problem) => (Err(problem), new_id().into()),
    };
    let span = tracing::info_span!("request", request_id, correlation_id = %correlation_id);
    let mut response = match legal {
        Ok(()) => {
            let names = Names {
                correlation_id: Arc::clone(&correlation_id),
                traceparent: traceparent(request.headers()),
            };
            request.extensions_mut().insert(names);
            next.run(request).instrument(span.clone()).await
        }
        Err(problem) => problem.into_response(),
    };
    response = with_problem(response, &request_id);
    for (name, value) in [
        (REQUEST_ID, request_id.as_str()),
        (CORRELATION_ID, &correlation_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.in_scope(|| {
        tracing::info!(
            code = "HTTP_REQUEST",
            http.method = method,
            http.route = endpoint,
            http.status = status,
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "request answered"
        );
    });
    metrics::histogram!(
        metric::HTTP_REQUEST_DURATION,
        "method" => method,
        "endpoint" => endpoint.clone(),
    )
    .record(elapsed);
    metrics::counter!(
        metric::HTTP_REQUESTS,
        "method" => method,
        "endpoint" => endpoint,
        "status" => status.to_string(),
    )
    .increment(1);
    response
}

/// Gives every error its body, those that the framework made included.
fn with_problem(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_json = response
        .headers()
        .get("content-type")
        .is_some_and(|value| value.as_bytes().starts_with(b"application/"));
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // Health answers 503 with a body of its own.
        None if is_json => return response,
        None => Problem::of_status(status),
    };
    let allow = response.headers_mut().remove("allow");
    let mut rendered = problem.render(request_id);
    if let Some(allow) = allow {
        rendered.headers_mut().insert("allow", allow);
    }
    rendered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_legal_trace_context_is_passed_on() {
        let legal = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let with = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", value.parse().unwrap());
            traceparent(&headers)
        };

        assert_eq!(with(legal).as_deref(), Some(legal));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
    }
}
