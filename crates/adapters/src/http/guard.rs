//! Keeps the service from being asked for more than it can do.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use application::metric;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderValue, Response as HttpResponse},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock,
    middleware::StateInformationMiddleware,
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::http::{Problem, auth::Identity, problem::kind};

/// How many requests a client may send.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// Requests per second and client in the long run.
    pub per_second: NonZeroU32,
    /// Requests that may come at once.
    pub burst: NonZeroU32,
}

type Limiter = DefaultKeyedRateLimiter<Arc<str>, StateInformationMiddleware>;

/// Counts the requests of each client (GCRA, by the crate governor).
#[derive(Clone)]
pub struct RateLimit {
    limiter: Arc<Limiter>,
    settings: RateLimitSettings,
}

impl RateLimit {
    /// A limit of these settings.
    #[must_use]
    pub fn new(settings: RateLimitSettings) -> Self {
        let quota = Quota::per_second(settings.per_second).allow_burst(settings.burst);
        let limiter = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        Self {
            limiter: Arc::new(limiter),
            settings,
        }
    }

    /// Forgets clients that have not come for a while. It has to be called now and then.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// draft-ietf-httpapi-ratelimit-headers: what a client may do in the time in which its burst comes back.
    fn policy(&self) -> String {
        let (burst, rate) = (self.settings.burst.get(), self.settings.per_second.get());
        format!("\"default\";q={burst};w={}", burst.div_ceil(rate))
    }

    fn announce<B>(&self, response: &mut HttpResponse<B>, remaining: u32, wait: u64) {
        let headers = [
            ("ratelimit-policy", self.policy()),
            ("ratelimit", format!("\"default\";r={remaining};t={wait}")),
        ];
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Refuses a client that sends too many requests. Who is not known is counted by address.
pub(super) async fn limit_rate(
    State(limit): State<RateLimit>,
    request: Request,
    next: Next,
) -> Response {
    let identity: Option<&Identity> = request.extensions().get();
    let client: Arc<str> = match identity {
        Some(Identity(Ok(principal))) => principal.actor.as_str().into(),
        _ => {
            address(&request).map_or_else(|| "unknown".into(), |ip| format!("address {ip}").into())
        }
    };
    match limit.limiter.check_key(&client) {
        Ok(state) => {
            let mut response = next.run(request).await;
            limit.announce(&mut response, state.remaining_burst_capacity(), 1);
            response
        }
        Err(until) => {
            let wait = until.wait_time_from(limit.limiter.clock().now());
            let seconds = whole_seconds(wait);
            tracing::warn!(
                code = "API_RATE_LIMIT_EXCEEDED",
                client = &*client,
                "a client sends too many requests"
            );
            metrics::counter!(metric::both::RATE_LIMITED.name).increment(1);
            let detail = format!(
                "A client may send {} requests per second.",
                limit.settings.per_second
            );
            let problem = Problem::new(&kind::TOO_MANY_REQUESTS, detail).retry_after(seconds);
            let mut response = problem.into_response();
            limit.announce(&mut response, 0, seconds);
            response
        }
    }
}

fn address(request: &Request) -> Option<IpAddr> {
    let peer: Option<&ConnectInfo<SocketAddr>> = request.extensions().get();
    peer.map(|ConnectInfo(address)| address.ip())
}

fn whole_seconds(wait: Duration) -> u64 {
    let part = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(part).max(1)
}

/// Refuses at once what is too much, so that what is under way can end.
pub(super) async fn shed(
    State(places): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_place) = places.try_acquire() else {
        metrics::counter!(metric::both::SHED.name).increment(1);
        tracing::warn!(code = "REQUEST_SHED", "too many requests are under way");
        let detail = "Too many requests are under way.";
        return Problem::new(&kind::OVERLOADED, detail)
            .retry_after(1)
            .into_response();
    };
    next.run(request).await
}
