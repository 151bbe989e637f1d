//! A partner: takes the calls of `docs/PARTNER_API.md` and any other JSON call, applies each effect once by its idempotency
//! key, checks signatures and credentials, keeps a ledger, and fails as scripted.

mod api;
mod fault;
mod ledger;
mod page;
mod server;
mod tls;
mod tokens;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use fault::Fault;
pub use ledger::{Call, Ledger, PartnerStock};
pub use tls::Tls;

/// A partner that listens until it is dropped.
pub struct Simulator {
    /// Where it listens.
    pub address: SocketAddr,
    state: Shared,
    _stop: DropGuard,
}

/// What a partner asks of its callers.
#[derive(Default)]
pub struct Demands {
    /// Calls have to be signed with one of these secrets (`whsec_…`); none: signatures are not looked at.
    pub secrets: Vec<String>,
    /// Calls have to carry this header with this value.
    pub header: Option<(String, String)>,
    /// Calls have to carry a token of `POST /oauth/token`; it is good for so many calls.
    pub tokens_last: Option<u32>,
    /// How it is connected to; none: without TLS.
    pub tls: Option<Tls>,
}

pub(crate) struct State {
    pub(crate) ledger: Ledger,
    pub(crate) faults: Vec<fault::Injected>,
    pub(crate) began: Instant,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) header: Option<(String, String)>,
    pub(crate) tokens: Option<tokens::Tokens>,
}

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// Listens and asks nothing of its callers; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(listen: SocketAddr) -> anyhow::Result<Self> {
        Self::demanding(listen, Demands::default()).await
    }

    /// Listens and refuses calls that are not as it demands.
    ///
    /// # Errors
    /// The system's error, or what is wrong with a demand.
    pub async fn demanding(listen: SocketAddr, demands: Demands) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let webhooks = demands.secrets.iter().map(|secret| Webhook::new(secret));
        let state = State {
            ledger: Ledger::default(),
            faults: Vec::new(),
            began: Instant::now(),
            webhooks: webhooks.collect::<Result<_, _>>()?,
            header: demands.header,
            tokens: demands.tokens_last.map(tokens::Tokens::lasting),
        };
        let state = Arc::new(Mutex::new(state));
        let routes = api::routes(Arc::clone(&state));
        let stop = CancellationToken::new();
        let acceptor = demands.tls.map(|tls| tls.acceptor()).transpose()?;
        let serving = server::serve(listener, acceptor, routes, stop.clone());
        tokio::runtime::Handle::current().spawn(serving);
        Ok(Self {
            address,
            state,
            _stop: stop.drop_guard(),
        })
    }

    /// What it has seen.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        lock(&self.state).ledger.clone()
    }

    /// Looks at what it has seen without copying it; meanwhile its calls wait.
    pub fn look<T>(&self, at: impl FnOnce(&Ledger) -> T) -> T {
        at(&lock(&self.state).ledger)
    }

    /// Milliseconds since it began to listen, as the ledger counts them.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        elapsed_ms(lock(&self.state).began)
    }

    /// Tokens that were handed out.
    #[must_use]
    pub fn tokens_issued(&self) -> u32 {
        let state = lock(&self.state);
        state.tokens.as_ref().map_or(0, tokens::Tokens::issued)
    }

    /// Fails as told from now on.
    pub fn inject(&self, fault: Fault) {
        lock(&self.state).faults.push(fault.into());
    }

    /// Works again.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }
}

pub(crate) fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
