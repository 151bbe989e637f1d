//! The partner's API, and the operator's view of it below `/simulator`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::{Value, json};

use crate::{Fault, Shared, ledger::Call, lock};

pub(crate) fn routes(state: Shared) -> Router {
    Router::new()
        .route("/api/v1/trading/{endpoint}", post(without_id))
        .route("/api/v1/trading/{endpoint}/{external_id}", put(with_id))
        .route("/simulator", get(summary))
        .route("/simulator/calls", get(calls))
        .route("/simulator/stocks", get(stocks))
        .route("/simulator/faults", post(inject).delete(heal))
        .with_state(state)
}

async fn without_id(
    State(state): State<Shared>,
    Path(endpoint): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&state, endpoint, None, &headers, &body).await
}

async fn with_id(
    State(state): State<Shared>,
    Path((endpoint, external_id)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answer(&state, endpoint, Some(&external_id), &headers, &body).await
}

/// Ends the call however its handling ends: a caller that hangs up counts as answered.
struct Open {
    state: Shared,
    place: usize,
    status: u16,
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.state).ledger.end(self.place, self.status);
    }
}

async fn answer(
    state: &Shared,
    endpoint: String,
    external_id: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let Ok(call) = read(endpoint, headers, body) else {
        return (
            StatusCode::BAD_REQUEST,
            "the call lacks a header or is no JSON",
        )
            .into_response();
    };
    let (fault, mut open) = {
        let mut locked = lock(state);
        let mut faults = locked.faults.iter_mut();
        let fault = faults.find_map(|fault| {
            fault
                .strikes(&call.endpoint, &call.stock_id)
                .then(|| fault.clone())
        });
        let place = locked.ledger.begin(call);
        let open = Open {
            state: Arc::clone(state),
            place,
            status: 0,
        };
        (fault.unwrap_or_default(), open)
    };
    if fault.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(fault.latency_ms)).await;
    }
    let fail = |status: u16, open: &mut Open| {
        open.status = status;
        failure(status, fault.retry_after)
    };
    if let (Some(status), false) = (fault.status, fault.after_effect) {
        return fail(status, &mut open);
    }
    let applied = lock(state).ledger.apply(open.place, external_id);
    match (applied, fault.status) {
        (_, Some(status)) | (Err(status), _) => fail(status, &mut open),
        (Ok(answer), None) => {
            open.status = 200;
            Json(answer).into_response()
        }
    }
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

fn read(endpoint: String, headers: &HeaderMap, body: &[u8]) -> Result<Call, ()> {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let body: Value = serde_json::from_slice(body).map_err(drop)?;
    Ok(Call {
        endpoint,
        stock_id: body["stockId"].as_str().ok_or(())?.to_owned(),
        key: header("idempotency-key").ok_or(())?,
        version: header("x-stock-version")
            .and_then(|text| text.parse().ok())
            .ok_or(())?,
        correlation_id: header("x-correlation-id").ok_or(())?,
        traceparent: header("traceparent"),
        body,
        status: 0,
        applied: false,
    })
}

async fn summary(State(state): State<Shared>) -> Json<Value> {
    let ledger = &lock(&state).ledger;
    Json(json!({
        "calls": ledger.calls.len(),
        "effects": ledger.calls.iter().filter(|call| call.applied).count(),
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

async fn inject(State(state): State<Shared>, Json(fault): Json<Fault>) -> StatusCode {
    lock(&state).faults.push(fault);
    StatusCode::NO_CONTENT
}

async fn heal(State(state): State<Shared>) -> StatusCode {
    lock(&state).faults.clear();
    StatusCode::NO_CONTENT
}
