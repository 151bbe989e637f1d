//! What every request gets: an id, a correlation id, a trace, a line in the log, a place in the metrics, problem details
//! for every error, and headers that keep browsers from being clever.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use application::{
    metric,
    ports::IdSource,
    trace::{Span, attribute, trace_id},
};
use axum::{
    extract::{ConnectInfo, MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use metrics::SharedString;
use tracing::Instrument;
use uuid::Uuid;

use crate::{
    clock::UuidSource,
    http::{
        Problem,
        caller::RequestNames,
        problem::{Names, kind},
    },
};

const CORRELATION_ID: HeaderName = HeaderName::from_static("x-correlation-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Most bytes of the names and values of a request's headers.
const MAX_HEADER_BYTES: usize = 16_384;
/// What answers say to browsers and scanners, unless a route says something else.
static SAFE: [(HeaderName, HeaderValue); 7] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static("max-age=31536000"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

fn new_id() -> Arc<str> {
    let mut text = Uuid::encode_buffer();
    let text = UuidSource.next().hyphenated().encode_lower(&mut text);
    (&*text).into()
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
        None => Err(Problem::bad_header(
            "X-Correlation-Id",
            "pattern",
            "must be 1 to 128 printable ASCII characters without spaces",
        )),
    }
}

/// The trace context that the client sent, if it is one, as version 00 (W3C Trace Context, 3.2 and 4.3): what a later version
/// may have behind the first four fields is left out.
fn traceparent(headers: &HeaderMap) -> Option<Arc<str>> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let hex = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let nonzero = |part: &str| part.bytes().any(|byte| byte != b'0');
    let legal = hex(version, 2)
        && version != "ff"
        && (version != "00" || parts.next().is_none())
        && hex(trace, 32)
        && nonzero(trace)
        && hex(span, 16)
        && nonzero(span)
        && hex(flags, 2);
    legal.then(|| format!("00-{trace}-{span}-{flags}").into())
}

/// A trace that begins here; nobody asked to have it sampled.
fn new_traceparent() -> Arc<str> {
    let (mut trace, mut span) = (Uuid::encode_buffer(), Uuid::encode_buffer());
    let trace = UuidSource.next().simple().encode_lower(&mut trace);
    let span = UuidSource.next().simple().encode_lower(&mut span);
    // The end of a UUID of version 7 is random.
    ["00-", trace, "-", &span[16..], "-00"].concat().into()
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

/// The server's part of the request's trace.
fn trace(method: &'static str, endpoint: &str, sent: Option<&str>) -> Span {
    // Probes and scrapes come every few seconds and cause nothing.
    if endpoint == "/metrics" || endpoint.starts_with("/actuator/") {
        return Span::default();
    }
    let name = || format!("{method} {endpoint}").into();
    let mut span = Span::of_request(sent, name);
    if span.is_recorded() {
        span.set(attribute::HTTP_REQUEST_METHOD, method);
        span.set(attribute::HTTP_ROUTE, endpoint.to_owned());
    }
    span
}

fn within_limits(headers: &HeaderMap) -> Result<(), Problem> {
    let bytes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    if bytes.sum::<usize>() <= MAX_HEADER_BYTES {
        return Ok(());
    }
    let detail = format!("The headers have more than {MAX_HEADER_BYTES} bytes.");
    Err(Problem::new(&kind::HEADERS_TOO_LARGE, detail))
}

/// The middleware around all routes.
pub(super) async fn track(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = method(request.method());
    let endpoint: Option<&MatchedPath> = request.extensions().get();
    let endpoint: Arc<str> = endpoint.map_or("unmatched", MatchedPath::as_str).into();
    let client: Option<&ConnectInfo<SocketAddr>> = request.extensions().get();
    let client = client.map(|ConnectInfo(address)| address.ip());
    let headers = request.headers();
    let (legal, correlation_id) = match correlation_id(headers) {
        Ok(sent) => (within_limits(headers), sent.unwrap_or_else(new_id)),
        Err(problem) => (Err(problem), new_id()),
    };
    let sent = traceparent(headers);
    let mut trace = trace(method, &endpoint, sent.as_deref());
    let own = trace.traceparent().map(Into::into);
    let names = RequestNames {
        request_id: new_id(),
        correlation_id,
        traceparent: own.or(sent).unwrap_or_else(new_traceparent),
    };
    let span = tracing::info_span!(
        "request",
        "requestId" = &*names.request_id,
        "correlationId" = &*names.correlation_id,
        "traceId" = trace_id(&names.traceparent),
    );
    let mut response = match legal {
        Ok(()) => {
            request.extensions_mut().insert(names.clone());
            next.run(request).instrument(span.clone()).await
        }
        Err(problem) => problem.into_response(),
    };
    let problem = response.extensions().get::<Problem>();
    if let Some(problem) = problem.filter(|problem| problem.is_of_access()) {
        span.in_scope(|| {
            tracing::warn!(
                code = "AUTHORIZATION_FAILED",
                client.address = client.map(tracing::field::display),
                http.route = &*endpoint,
                http.status = problem.status().as_u16(),
                "who asks is not known, or may not do that"
            );
        });
    }
    if problem.is_some_and(Problem::is_of_form) {
        metrics::counter!(metric::both::VALIDATION_FAILURES.name, "endpoint" => SharedString::from(endpoint.clone()))
            .increment(1);
    }
    response = with_problem(response, names.in_answers());
    let headers = response.headers_mut();
    headers.reserve(SAFE.len() + 2);
    for (name, value) in [
        (REQUEST_ID, &names.request_id),
        (CORRELATION_ID, &names.correlation_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &SAFE {
        headers.entry(name).or_insert_with(|| value.clone());
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    span.in_scope(|| {
        tracing::info!(
            code = "HTTP_REQUEST",
            http.method = method,
            http.route = &*endpoint,
            http.status = status,
            client.address = client
                .filter(|_| status >= 400)
                .map(tracing::field::display),
            duration_ms = elapsed.as_secs_f64() * 1000.0,
            "request answered"
        );
    });
    trace.set(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
    if status >= 500 {
        trace.fail(status.to_string());
    }
    measure(method, endpoint, status, elapsed);
    response
}

fn measure(method: &'static str, endpoint: Arc<str>, status: u16, elapsed: Duration) {
    let endpoint = SharedString::from(endpoint);
    metrics::histogram!(
        metric::both::HTTP_REQUEST_DURATION.name,
        "method" => method,
        "endpoint" => endpoint.clone(),
    )
    .record(elapsed);
    metrics::counter!(
        metric::both::HTTP_REQUESTS.name,
        "method" => method,
        "endpoint" => endpoint,
        "status" => status.to_string(),
    )
    .increment(1);
}

/// Gives every error its body, those that the framework made included.
fn with_problem(mut response: Response, names: Names<'_>) -> Response {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/"));
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        // Health answers 503 with a body of its own.
        None if is_json => return response,
        None => Problem::of_status(status),
    };
    let mut rendered = problem.render(names);
    // What layers below have added, `Allow` for example, stays.
    let body = [header::CONTENT_TYPE, header::CONTENT_LENGTH];
    for (name, value) in response.headers() {
        if !body.contains(name) {
            rendered.headers_mut().insert(name, value.clone());
        }
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
        let later = legal.replacen("00", "01", 1) + "-more";
        assert_eq!(with(&later).as_deref(), Some(legal));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(with(wrong), None, "{wrong}");
        }
    }
}
