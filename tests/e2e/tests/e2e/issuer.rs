//! An identity provider: keys of its own, tokens, and the document that shows the keys.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use axum::{Json, Router, routing::get};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ISSUER: &str = "https://login.example";
pub(crate) const AUDIENCE: &str = "virtual-stock";

/// A key of the provider.
#[derive(Clone)]
pub(crate) struct Key {
    id: String,
    key: EncodingKey,
}

impl Key {
    pub(crate) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        Self {
            id: id.to_owned(),
            key: EncodingKey::from_ec_der(pkcs8.unwrap().as_ref()),
        }
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.id.clone());
        encode(&header, claims, &self.key).unwrap()
    }

    fn shown(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        json!(jwk)
    }
}

/// The provider.
pub(crate) struct Issuer {
    pub(crate) jwks_url: String,
    keys: Arc<Mutex<Vec<Key>>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start(keys: Vec<Key>) -> Self {
        let keys = Arc::new(Mutex::new(keys));
        let fetches = Arc::new(AtomicUsize::new(0));
        let (shown, count) = (Arc::clone(&keys), Arc::clone(&fetches));
        let jwks = move || async move {
            count.fetch_add(1, Ordering::SeqCst);
            let keys: Vec<Value> = shown.lock().unwrap().iter().map(Key::shown).collect();
            Json(json!({"keys": keys}))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let jwks_url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let routes = Router::new().route("/jwks", get(jwks));
        let serving = async move { axum::serve(listener, routes).await.unwrap() };
        tokio::runtime::Handle::current().spawn(serving);
        Self {
            jwks_url,
            keys,
            fetches,
        }
    }

    /// Shows these keys from now on.
    pub(crate) fn rotate(&self, keys: Vec<Key>) {
        *self.keys.lock().unwrap() = keys;
    }

    /// How often the keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

/// Claims that are good for an hour.
pub(crate) fn claims(scope: &str) -> Value {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "trading-desk", "scope": scope, "iat": now, "nbf": now, "exp": now + 3600,
    })
}
