//! The keys of an identity provider.

use std::{collections::HashMap, sync::Arc, time::Duration};

use application::Causes;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

use crate::http::Problem;

/// Longest time for the provider's answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of it.
const MAX_BODY: usize = 1_048_576;

/// A key, and the one algorithm that it may be used with.
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

type Keys = HashMap<String, Arc<Key>>;

/// The provider's keys, by their ids, fetched when a token names one that is not known.
pub(super) struct Jwks {
    url: String,
    client: reqwest::Client,
    algorithms: Vec<Algorithm>,
    /// Between two fetches at least.
    refresh: Duration,
    keys: RwLock<Keys>,
    fetched: Mutex<Option<Instant>>,
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
    ) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            url: url.to_owned(),
            client,
            algorithms,
            refresh,
            keys: RwLock::default(),
            fetched: Mutex::default(),
        })
    }

    /// The key of this id, or `None` if the provider has none.
    ///
    /// # Errors
    /// 503 if the provider could not be asked.
    pub(super) async fn key(&self, id: &str) -> Result<Option<Arc<Key>>, Problem> {
        if let Some(key) = self.keys.read().await.get(id) {
            return Ok(Some(Arc::clone(key)));
        }
        // Who comes while somebody fetches, waits for what that brings.
        let mut fetched = self.fetched.lock().await;
        if let Some(key) = self.keys.read().await.get(id) {
            return Ok(Some(Arc::clone(key)));
        }
        if fetched.is_some_and(|at| at.elapsed() < self.refresh) {
            return if self.keys.read().await.is_empty() {
                Err(Problem::unavailable(
                    "The keys of tokens are not available.",
                ))
            } else {
                Ok(None)
            };
        }
        *fetched = Some(Instant::now());
        match self.fetch().await {
            Ok(keys) => {
                let key = keys.get(id).map(Arc::clone);
                *self.keys.write().await = keys;
                Ok(key)
            }
            Err(error) => {
                tracing::error!(code = "JWKS_FETCH_FAILED", error = %Causes(&error), "tokens cannot be checked");
                Err(Problem::unavailable(
                    "The keys of tokens are not available.",
                ))
            }
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
