//! The trading partner: our words in its language (`docs/PARTNER_API.md`).

use std::time::{Duration, Instant};

use application::{
    metric,
    ports::{CallReport, PartnerCall, PartnerGateway},
};
use async_trait::async_trait;
use domain::delivery::{Effect, ExternalId, Picture, Verdict};
use reqwest::{Client, Method, Response, redirect};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::{
    contract::printable,
    partner::{Answer, Failure, classify},
};

/// Most bytes of an answer that are read.
const MAX_BODY: usize = 20_000;
/// Most characters of an answer that are kept for people.
const EXCERPT: usize = 200;

/// Longest `Retry-After` that is followed.
const LONGEST_WISH: Duration = Duration::from_hours(24);

/// Where the partner is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartnerSettings {
    /// Its base URL; the contract's paths are appended.
    pub base_url: Url,
    /// Longest time for a call, the answer's body included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// The partner's client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TradingPartnerError {
    /// The URL cannot be extended by a path.
    #[error("configuration: partner.base_url must be an http or https URL")]
    BaseUrl,
    /// The HTTP client refused its settings.
    #[error("the partner's HTTP client cannot be made")]
    Client(#[from] reqwest::Error),
}

/// [`PartnerGateway`] to the trading partner.
pub struct TradingPartner {
    client: Client,
    base_url: Url,
}

/// A call in the partner's words.
struct Request {
    method: Method,
    /// The path's template, which names the endpoint in metrics.
    endpoint: &'static str,
    body: Value,
}

impl TradingPartner {
    /// A client of the partner.
    ///
    /// # Errors
    /// [`TradingPartnerError`].
    pub fn new(settings: &PartnerSettings) -> Result<Self, TradingPartnerError> {
        if !matches!(settings.base_url.scheme(), "http" | "https") {
            return Err(TradingPartnerError::BaseUrl);
        }
        let client = Client::builder()
            .timeout(settings.timeout)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("virtual-stock-acl/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            client,
            base_url: settings.base_url.clone(),
        })
    }

    fn url(&self, endpoint: &str, external_id: Option<&ExternalId>) -> Result<Url, Failure> {
        let mut url = self.base_url.clone();
        let no_path = |()| Failure::Connection("the base URL takes no path".to_owned());
        let mut path = url.path_segments_mut().map_err(no_path)?;
        path.pop_if_empty()
            .extend(["api", "v1", "trading", endpoint])
            // Percent-encoded: what a partner calls a stock must not become a path.
            .extend(external_id.map(ExternalId::as_str));
        drop(path);
        Ok(url)
    }

    async fn send(
        &self,
        call: &PartnerCall,
        request: &Request,
    ) -> Result<(Answer, Value), Failure> {
        let with_id = (request.method == Method::PUT)
            .then_some(call.external_id.as_ref())
            .flatten();
        let url = self.url(request.endpoint, with_id)?;
        let mut http = self
            .client
            .request(request.method.clone(), url)
            .header("idempotency-key", &call.idempotency_key)
            .header("x-stock-version", call.picture.version)
            .header("x-correlation-id", &call.correlation_id)
            .json(&request.body);
        if let Some(traceparent) = &call.traceparent {
            http = http.header("traceparent", traceparent);
        }
        let response = http.send().await.map_err(|error| failure(&error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let body = body(response).await?;
        let text = String::from_utf8_lossy(&body);
        let conflicts_with_ours = text.contains(&call.idempotency_key);
        let answer = Answer {
            status,
            retry_after,
            excerpt: printable(&text).chars().take(EXCERPT).collect(),
            conflicts_with_ours,
        };
        Ok((answer, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }
}

#[async_trait]
impl PartnerGateway for TradingPartner {
    async fn call(&self, call: &PartnerCall) -> CallReport {
        let request = request(call);
        let started = Instant::now();
        let sent = self.send(call, &request).await;
        let duration = started.elapsed();
        let (answer, body) = match sent {
            Ok((answer, body)) => (Ok(answer), body),
            Err(failure) => (Err(failure), Value::Null),
        };
        let response_code = answer.as_ref().ok().map(|answer| answer.status);
        count(request.endpoint, response_code, duration);
        let mut verdict = classify(&answer);
        // Only what was accepted is believed.
        let external_id = match &verdict {
            Verdict::Accepted => body["externalId"].as_str().and_then(|id| id.parse().ok()),
            Verdict::Transient { .. } | Verdict::Rejected { .. } => None,
        };
        if call.effect == Effect::Created && verdict == Verdict::Accepted && external_id.is_none() {
            verdict = Verdict::Transient {
                cause: "the partner's answer names no externalId".to_owned(),
                retry_after: None,
            };
        }
        CallReport {
            verdict,
            response_code,
            external_id,
            duration,
        }
    }
}

/// Every call carries the full picture, so that the newest one a partner has is always whole.
fn request(call: &PartnerCall) -> Request {
    let picture = &call.picture;
    let mut body = full(picture);
    let mut add = |name: &str, value: Value| {
        body[name] = value;
    };
    add("stockId", json!(call.stock_id));
    add("operation", json!(call.effect.operation()));
    if let Some(external_id) = &call.external_id {
        add("externalId", json!(external_id.as_str()));
    }
    let (method, endpoint) = match &call.effect {
        Effect::Created => (Method::POST, "stock-created"),
        Effect::QuantityUpdated | Effect::DetailsUpdated | Effect::Discontinued => {
            (Method::PUT, "stock-updated")
        }
        Effect::PriceUpdated => (Method::PUT, "stock-price-updated"),
        Effect::Reserved { .. } => (Method::POST, "stock-reserved"),
        Effect::ReservationConfirmed { .. } => (Method::POST, "stock-confirmed"),
        Effect::ReservationReleased { .. } => (Method::POST, "stock-released"),
        Effect::ReservationExpired { .. } => (Method::POST, "stock-expired"),
    };
    match &call.effect {
        Effect::Reserved {
            reservation_id,
            units,
        } => {
            add("reserved", json!(units));
            add("remaining", json!(picture.available));
            add("clientReservationId", json!(reservation_id));
        }
        Effect::ReservationConfirmed {
            reservation_id,
            units,
        }
        | Effect::ReservationReleased {
            reservation_id,
            units,
        }
        | Effect::ReservationExpired {
            reservation_id,
            units,
        } => {
            add("units", json!(units));
            add("remaining", json!(picture.available));
            add("clientReservationId", json!(reservation_id));
        }
        Effect::Created
        | Effect::QuantityUpdated
        | Effect::PriceUpdated
        | Effect::DetailsUpdated
        | Effect::Discontinued => {}
    }
    Request {
        method,
        endpoint,
        body,
    }
}

fn full(picture: &Picture) -> Value {
    json!({
        "symbol": picture.symbol,
        "productId": picture.product_id,
        "productName": picture.product_name,
        "quantity": picture.quantity,
        "totalReserved": picture.reserved,
        "available": picture.available,
        "price": picture.unit_price.to_string(),
        "currency": picture.currency,
        "status": picture.status,
    })
}

fn count(endpoint: &'static str, status: Option<u16>, duration: Duration) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    metrics::counter!(metric::EXTERNAL_CALLS, "endpoint" => endpoint, "status" => status)
        .increment(1);
    metrics::histogram!(metric::EXTERNAL_CALL_DURATION, "endpoint" => endpoint).record(duration);
}

fn failure(error: &reqwest::Error) -> Failure {
    if error.is_timeout() {
        return Failure::TimedOut;
    }
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    if error.is_body() || error.is_decode() {
        Failure::Body(why)
    } else {
        Failure::Connection(why)
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let header = response.headers().get("retry-after")?;
    let seconds: u64 = header.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WISH))
}

/// The start of the body.
async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_BODY {
            body.truncate(MAX_BODY);
            break;
        }
    }
    Ok(body)
}
