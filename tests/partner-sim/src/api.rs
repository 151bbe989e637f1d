//! The partner's API, and the operator's view of it below `/simulator`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use crate::{
    Fault, Shared, State as SimulatorState, elapsed_ms,
    fault::Injected,
    ledger::{Call, TRADING},
    lock,
    page::page,
    server::Reset,
};

pub(crate) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/oauth/token", post(token))
        .route("/simulator", get(overview))
        .route("/simulator/summary", get(summary))
        .route("/simulator/calls", get(calls))
        .route("/simulator/stocks", get(stocks))
        .route("/simulator/faults", get(faults).post(inject).delete(heal))
        .fallback(call)
        .with_state(state)
}

/// Ends the call however its handling ends: a caller that hangs up counts as answered.
struct Open {
    state: Shared,
    place: usize,
    status: u16,
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        let now = elapsed_ms(state.began);
        state.ledger.end(self.place, self.status, now);
    }
}

async fn call(
    State(state): State<Shared>,
    Extension(reset): Extension<Reset>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Ok(mut call) = read(&method, uri.path(), &headers, &body) else {
        let why = "the call lacks a header or is no JSON";
        return (StatusCode::BAD_REQUEST, why).into_response();
    };
    let (fault, refused, mut open) = {
        let mut locked = lock(&state);
        call.at_ms = elapsed_ms(locked.began);
        let refused = refusal(&mut locked, &headers, &body);
        let mut faults = locked.faults.iter_mut();
        let fault = faults.find_map(|fault| fault.strikes(&call.endpoint, &call.stock_id));
        if refused == Some(REFUSED_SIGNATURE) {
            let violation = format!("{}: the signature is wrong", call.path);
            locked.ledger.violations.push(violation);
        }
        let place = locked.ledger.begin(call);
        let open = Open {
            state: Arc::clone(&state),
            place,
            status: 0,
        };
        (fault.unwrap_or_default(), refused, open)
    };
    if let Some(status) = refused {
        open.status = status;
        return failure(status, None);
    }
    if fault.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
    }
    let fails = fault.hang || fault.reset || fault.status.is_some();
    let applied = if fails && !fault.after_effect {
        Ok(Value::Null)
    } else {
        lock(&state).ledger.apply(open.place)
    };
    if fault.hang {
        // Until the caller hangs up.
        return std::future::pending().await;
    }
    if fault.reset {
        reset.now();
        return std::future::pending().await;
    }
    match (fault.status, applied) {
        (Some(status), _) => {
            open.status = status;
            failure(status, fault.retry_after)
        }
        (None, Err(status)) => {
            open.status = status;
            failure(status, None)
        }
        (None, Ok(answer)) => {
            open.status = 200;
            Json(answer).into_response()
        }
    }
}

/// The status of a call that is not signed with any of the secrets.
const REFUSED_SIGNATURE: u16 = 400;

/// The status of a call that is not as the partner demands.
fn refusal(state: &mut SimulatorState, headers: &HeaderMap, body: &[u8]) -> Option<u16> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some((name, wanted)) = &state.header
        && value(name) != Some(wanted.as_str())
    {
        return Some(401);
    }
    if let Some(tokens) = &mut state.tokens
        && !tokens.admits(value("authorization"))
    {
        return Some(401);
    }
    let signed = |webhook: &standardwebhooks::Webhook| webhook.verify(body, headers).is_ok();
    if !state.webhooks.is_empty() && !state.webhooks.iter().any(signed) {
        return Some(REFUSED_SIGNATURE);
    }
    None
}

fn failure(status: u16, retry_after: Option<u64>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(json!({"error": "as scripted"}))).into_response();
    if let Some(seconds) = retry_after {
        response
            .headers_mut()
            .insert("retry-after", HeaderValue::from(seconds));
    }
    response
}

fn read(method: &Method, path: &str, headers: &HeaderMap, body: &[u8]) -> Result<Call, ()> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let body: Value = serde_json::from_slice(body).map_err(drop)?;
    let trading = path.strip_prefix(TRADING).map(|rest| rest.split('/'));
    let (endpoint, external_id) = match trading {
        Some(mut rest) => (rest.next().unwrap_or_default(), rest.next()),
        None => (path, None),
    };
    let stock = body["stockId"].as_str().or(body["stock"]["id"].as_str());
    if stock.is_none() && path.starts_with(TRADING) {
        return Err(());
    }
    Ok(Call {
        method: method.to_string(),
        path: path.to_owned(),
        endpoint: endpoint.to_owned(),
        external_id: external_id.map(str::to_owned),
        stock_id: stock.unwrap_or(path).to_owned(),
        key: header("idempotency-key").ok_or(())?,
        version: header("x-stock-version")
            .and_then(|text| text.parse().ok())
            .ok_or(())?,
        correlation_id: header("x-correlation-id").ok_or(())?,
        traceparent: header("traceparent"),
        authorization: header("authorization"),
        signature: header("webhook-signature"),
        body,
        at_ms: 0,
        answered_ms: None,
        status: 0,
        applied: false,
    })
}

async fn token(State(state): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let basic = headers.contains_key("authorization");
    let granted = body.contains("grant_type=client_credentials");
    match &mut lock(&state).tokens {
        Some(tokens) if basic && granted => {
            let token = tokens.issue();
            let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600});
            Json(answer).into_response()
        }
        _ => failure(401, None),
    }
}

async fn overview(State(state): State<Shared>) -> Html<String> {
    page(&state)
}

async fn summary(State(state): State<Shared>) -> Json<Value> {
    let ledger = &lock(&state).ledger;
    Json(json!({
        "calls": ledger.calls.len(),
        "effects": ledger.effects,
        "stocks": ledger.stocks.len(),
        "violations": ledger.violations,
    }))
}

async fn calls(State(state): State<Shared>) -> Json<Value> {
    Json(json!(lock(&state).ledger.calls))
}

async fn stocks(State(state): State<Shared>) -> Json<Value> {
    Json(json!(lock(&state).ledger.stocks))
}

async fn faults(State(state): State<Shared>) -> Json<Value> {
    let state = lock(&state);
    let faults: Vec<&Fault> = state.faults.iter().map(Injected::fault).collect();
    Json(json!(faults))
}

async fn inject(State(state): State<Shared>, Json(fault): Json<Fault>) -> Response {
    let possible = fault
        .status
        .is_none_or(|status| (200..600).contains(&status));
    if !possible {
        let why = "status must be between 200 and 599";
        return (StatusCode::UNPROCESSABLE_ENTITY, why).into_response();
    }
    lock(&state).faults.push(fault.into());
    StatusCode::NO_CONTENT.into_response()
}

async fn heal(State(state): State<Shared>) -> StatusCode {
    lock(&state).faults.clear();
    StatusCode::NO_CONTENT
}
