//! The keys of an identity provider.

use std::{collections::HashMap, sync::Arc, time::Duration};

use application::Causes;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use tokio::{
    runtime::Handle,
    sync::{Mutex, RwLock},
    time::Instant,
};

use crate::http::Problem;

/// Longest time for the provider's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// After this time the keys are asked for again.
const OLD: Duration = Duration::from_mins(10);
/// Most bytes of it.
const MAX_BODY: usize = 1_048_576;

/// A key, and the one algorithm that it may be used with.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

type Keys = HashMap<String, Arc<Key>>;

/// The provider's keys, by their ids, fetched when a token names one that is not known, and again when they are old.
pub(super) struct Jwks {
    url: String,
    client: reqwest::Client,
    algorithms: Vec<Algorithm>,
    /// Between two fetches at least.
    refresh: Duration,
    keys: RwLock<Keys>,
    fetched: Arc<Mutex<Option<Instant>>>,
}

fn unavailable() -> Problem {
    Problem::unavailable("The keys of tokens are not available.")
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("the keys of auth.jwt.jwks_url could not be fetched")]
    Http(#[from] reqwest::Error),
    #[error("the answer of auth.jwt.jwks_url is too large")]
    TooLarge,
    #[error("the answer of auth.jwt.jwks_url is no JSON Web Key Set")]
    Json(#[from] serde_json::Error),
}

impl Jwks {
    pub(super) fn new(
        url: &str,
        algorithms: Vec<Algorithm>,
        refresh: Duration,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Arc::new(Self {
            url: url.to_owned(),
            client,
            algorithms,
            refresh,
            keys: RwLock::default(),
            fetched: Arc::default(),
        }))
    }

    /// The key of this id, or `None` if the provider has none.
    ///
    /// # Errors
    /// 503 if the provider could not be asked.
    pub(super) async fn key(self: &Arc<Self>, id: &str) -> Result<Option<Arc<Key>>, Problem> {
        if let Some(key) = self.keys.read().await.get(id).map(Arc::clone) {
            self.renew_if_old();
            return Ok(Some(key));
        }
        // A client that goes away must not keep the others from knowing the keys: the fetch is a task of its own.
        let this = Arc::clone(self);
        let renewed = Handle::current().spawn(async move {
            let mut fetched = this.fetched.lock().await;
            this.renew(&mut fetched).await;
        });
        if renewed.await.is_err() {
            return Err(unavailable());
        }
        let keys = self.keys.read().await;
        match keys.get(id) {
            Some(key) => Ok(Some(Arc::clone(key))),
            None if keys.is_empty() => Err(unavailable()),
            None => Ok(None),
        }
    }

    /// Asks for the keys behind the scenes, so that those that the provider has withdrawn are not believed for ever.
    fn renew_if_old(self: &Arc<Self>) {
        // Somebody who has it is asking already.
        let Ok(fetched) = Arc::clone(&self.fetched).try_lock_owned() else {
            return;
        };
        if fetched.is_some_and(|at| at.elapsed() < OLD.max(self.refresh)) {
            return;
        }
        let (this, mut fetched) = (Arc::clone(self), fetched);
        Handle::current().spawn(async move { this.renew(&mut fetched).await });
    }

    /// Asks for the keys, unless that was done just now.
    async fn renew(&self, fetched: &mut Option<Instant>) {
        if fetched.is_some_and(|at| at.elapsed() < self.refresh) {
            return;
        }
        *fetched = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => *self.keys.write().await = keys,
            Err(error) => tracing::error!(
                code = "JWKS_FETCH_FAILED",
                error = %Causes(&error),
                "the keys of tokens are not known, or old"
            ),
        }
    }

    async fn fetch(&self) -> Result<Keys, FetchError> {
        let mut response = self
            .client
            .get(&self.url)
            .send()
            .await?
            .error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BODY {
                return Err(FetchError::TooLarge);
            }
        }
        let set: JwkSet = serde_json::from_slice(&body)?;
        let usable = set.keys.iter().filter_map(|jwk| {
            let id = jwk.common.key_id.clone()?;
            let algorithm = algorithm(jwk).filter(|known| self.algorithms.contains(known))?;
            let key = DecodingKey::from_jwk(jwk).ok()?;
            Some((id, Arc::new(Key { algorithm, key })))
        });
        Ok(usable.collect())
    }
}

/// The one algorithm of a key: the one it names, or the usual one of its kind. Never a secret one: a public key would be
/// its secret.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let signs = jwk
        .common
        .public_key_use
        .as_ref()
        .is_none_or(|use_| *use_ == PublicKeyUse::Signature);
    if !signs {
        return None;
    }
    let usual = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => Algorithm::ES256,
            EllipticCurve::P384 => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(_) => Algorithm::EdDSA,
        _ => return None,
    };
    match jwk.common.key_algorithm {
        Some(named) => Algorithm::try_from(named).ok(),
        None => Some(usual),
    }
}
