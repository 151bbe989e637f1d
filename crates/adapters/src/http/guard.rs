//! Keeps the service from being asked for more than it can do.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use application::metric;
use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::stock::Actor;
use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter, clock::Clock,
    middleware::StateInformationMiddleware,
};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::http::{
    Problem,
    auth::{Authenticator, Principal},
    caller::Identity,
    problem::kind,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// How many requests a client may send.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimitSettings {
    /// Requests per second and client in the long run.
    pub per_second: NonZeroU32,
    /// Requests that may come at once.
    pub burst: NonZeroU32,
}

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Client {
    /// Somebody who is known.
    Known(Actor),
    /// Somebody who is not.
    Address(Option<IpAddr>),
}

impl Client {
    fn of(identity: &Result<Principal, Problem>, request: &Request) -> Self {
        if let Ok(principal) = identity {
            return Self::Known(principal.actor.clone());
        }
        let peer: Option<&ConnectInfo<SocketAddr>> = request.extensions().get();
        Self::Address(peer.map(|ConnectInfo(address)| address.ip()))
    }
}

impl Display for Client {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(actor) => actor.fmt(f),
            Self::Address(Some(address)) => write!(f, "address {address}"),
            Self::Address(None) => f.write_str("unknown"),
        }
    }
}

type Limiter = DefaultKeyedRateLimiter<Client, StateInformationMiddleware>;

/// Counts the requests of each client (GCRA, by the crate governor).
#[derive(Clone)]
pub struct RateLimit {
    limiter: Arc<Limiter>,
    settings: RateLimitSettings,
    /// draft-ietf-httpapi-ratelimit-headers: what a client may do in the time in which its burst comes back.
    policy: Option<HeaderValue>,
}

impl RateLimit {
    /// A limit of these settings.
    #[must_use]
    pub fn new(settings: RateLimitSettings) -> Self {
        let quota = Quota::per_second(settings.per_second).allow_burst(settings.burst);
        let limiter = RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>();
        let (burst, rate) = (settings.burst.get(), settings.per_second.get());
        let policy = format!("\"default\";q={burst};w={}", burst.div_ceil(rate));
        Self {
            limiter: Arc::new(limiter),
            settings,
            policy: HeaderValue::try_from(policy).ok(),
        }
    }

    /// Forgets clients that have not come for a while. It has to be called now and then.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }

    /// Takes one request of the client; returns how many more it may send at once, or the answer that it gets instead.
    fn take(&self, client: &Client) -> Result<u32, Box<Response>> {
        let until = match self.limiter.check_key(client) {
            Ok(state) => return Ok(state.remaining_burst_capacity()),
            Err(until) => until,
        };
        let seconds = whole_seconds(until.wait_time_from(self.limiter.clock().now()));
        tracing::warn!(
            code = "API_RATE_LIMIT_EXCEEDED",
            client = %client,
            "a client sends too many requests"
        );
        metrics::counter!(metric::both::RATE_LIMITED.name).increment(1);
        let detail = format!(
            "A client may send {} requests per second.",
            self.settings.per_second
        );
        let problem = Problem::new(&kind::TOO_MANY_REQUESTS, detail).retry_after(seconds);
        let mut response = problem.into_response();
        self.announce(&mut response, 0, seconds);
        Err(Box::new(response))
    }

    fn announce(&self, response: &mut Response, remaining: u32, wait: u64) {
        let limit = format!("\"default\";r={remaining};t={wait}");
        let limit = HeaderValue::try_from(limit).ok();
        for (name, value) in [(POLICY, self.policy.clone()), (LIMIT, limit)] {
            if let Some(value) = value {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// What stands before the routes.
#[derive(Clone)]
pub(super) struct Gate {
    /// Finds out who asks.
    pub(super) authenticator: Authenticator,
    /// Counts their requests.
    pub(super) rate: RateLimit,
    /// Requests that may be under way at once; none: as many as come.
    pub(super) places: Option<Arc<Semaphore>>,
}

/// Who it is comes before how much that one may do, and both before anything else is looked at; who waits to be known takes no
/// place. One middleware, because each copies all that is behind it for every request.
pub(super) async fn admit(
    State(gate): State<Arc<Gate>>,
    mut request: Request,
    next: Next,
) -> Response {
    let identity = gate.authenticator.identify(request.headers()).await;
    let remaining = match gate.rate.take(&Client::of(&identity, &request)) {
        Ok(remaining) => remaining,
        Err(refused) => return *refused,
    };
    request.extensions_mut().insert(Identity(identity));
    let places = gate.places.as_ref();
    let mut response = match places.map(|places| places.try_acquire()).transpose() {
        Ok(_place) => next.run(request).await,
        // Refused at once, so that what is under way can end.
        Err(_) => shed(),
    };
    gate.rate.announce(&mut response, remaining, 1);
    response
}

fn shed() -> Response {
    metrics::counter!(metric::both::SHED.name).increment(1);
    tracing::warn!(code = "REQUEST_SHED", "too many requests are under way");
    let detail = "Too many requests are under way.";
    Problem::new(&kind::OVERLOADED, detail)
        .retry_after(1)
        .into_response()
}

fn whole_seconds(wait: Duration) -> u64 {
    let part = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(part).max(1)
}
