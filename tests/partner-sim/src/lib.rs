//! A trading partner: takes the calls of `docs/PARTNER_API.md`, applies each effect once by its idempotency key, keeps a
//! ledger, and fails as scripted.

mod api;
mod fault;
mod ledger;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{net::TcpListener, sync::oneshot};

pub use fault::Fault;
pub use ledger::{Call, Ledger, PartnerStock};

/// A partner that listens until it is dropped.
pub struct Simulator {
    /// Where it listens.
    pub address: SocketAddr,
    state: Shared,
    _stop: oneshot::Sender<()>,
}

#[derive(Default)]
struct State {
    ledger: Ledger,
    faults: Vec<Fault>,
}

type Shared = Arc<Mutex<State>>;

fn lock(state: &Shared) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Simulator {
    /// Listens; port 0 picks a free one.
    ///
    /// # Errors
    /// The system's error.
    pub async fn start(listen: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        let state = Shared::default();
        let routes = api::routes(Arc::clone(&state));
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = async move {
            let served = axum::serve(listener, routes).with_graceful_shutdown(async {
                drop(stopped.await);
            });
            drop(served.await);
        };
        tokio::runtime::Handle::current().spawn(serving);
        Ok(Self {
            address,
            state,
            _stop: stop,
        })
    }

    /// What it has seen.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        lock(&self.state).ledger.clone()
    }

    /// Fails as told from now on.
    pub fn inject(&self, fault: Fault) {
        lock(&self.state).faults.push(fault);
    }

    /// Works again.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }
}
