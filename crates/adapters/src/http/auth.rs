//! Who asks, and what they may do.

mod api_key;
mod jwks;
mod jwt;
mod scope;

use std::{net::SocketAddr, sync::Arc};

use axum::http::{HeaderMap, header};
use domain::stock::Actor;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::{
    config::ConfigError,
    http::{Problem, problem::kind},
};
pub use api_key::ApiKeySettings;
use api_key::ApiKeys;
pub use jwt::JwtSettings;
use jwt::JwtVerifier;
pub use scope::Scope;
pub(super) use scope::Scopes;

/// Who may call the REST API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    /// Whether credentials are asked for.
    pub mode: AuthMode,
    /// Lets mode `none` listen on other addresses than loopback.
    pub allow_open: bool,
    /// Tokens of an identity provider.
    pub jwt: JwtSettings,
    /// Keys of machines.
    pub api_keys: Vec<ApiKeySettings>,
}

/// Whether credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMode {
    /// Everybody may do everything.
    None,
    /// A token or a key is required.
    Required,
}

impl AuthSettings {
    /// Checks the settings of a listener at `listen`.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn check(&self, listen: SocketAddr) -> Result<(), ConfigError> {
        match self.mode {
            AuthMode::None => {
                if listen.ip().is_loopback() || self.allow_open {
                    return Ok(());
                }
                let why = format!(
                    "must not be \"none\" while http.listen is {listen}: everybody could change stocks \
                     (auth.allow_open = true allows it)"
                );
                Err(ConfigError::invalid("auth.mode", &why))
            }
            AuthMode::Required => {
                if self.jwt.jwks_url.is_empty() && self.api_keys.is_empty() {
                    let why = "is \"required\", so auth.jwt.jwks_url or auth.api_keys must be set";
                    return Err(ConfigError::invalid("auth.mode", &why));
                }
                self.jwt.check()?;
                ApiKeys::new(&self.api_keys).map(drop)
            }
        }
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Principal {
    /// Its name.
    pub(super) actor: Actor,
    /// What it may do.
    pub(super) scopes: Scopes,
    /// Until when that is so, if there is an end.
    pub(super) until: Option<OffsetDateTime>,
}

/// Finds out who asks.
#[derive(Clone)]
pub struct Authenticator(Arc<Inner>);

struct Inner {
    open: Option<Principal>,
    jwt: Option<JwtVerifier>,
    api_keys: ApiKeys,
}

/// An authenticator cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The HTTP client refused its settings.
    #[error("the client of auth.jwt.jwks_url cannot be made")]
    Client(#[from] reqwest::Error),
}

impl Authenticator {
    /// An authenticator of these settings; nobody may call itself `own_actor`.
    ///
    /// # Errors
    /// [`AuthError`].
    pub fn new(settings: &AuthSettings, own_actor: Actor) -> Result<Self, AuthError> {
        let anonymous = || {
            let actor = "anonymous".parse();
            actor.map_err(|error| ConfigError::invalid("auth", &error))
        };
        let open = match settings.mode {
            AuthMode::None => Some(Principal {
                actor: anonymous()?,
                scopes: Scopes::ALL,
                until: None,
            }),
            AuthMode::Required => None,
        };
        let api_keys = ApiKeys::new(&settings.api_keys)?;
        let taken = api_keys.actors().chain([own_actor]).collect();
        let jwt = (!settings.jwt.jwks_url.is_empty())
            .then(|| JwtVerifier::new(&settings.jwt, taken))
            .transpose()?;
        Ok(Self(Arc::new(Inner {
            open,
            jwt,
            api_keys,
        })))
    }

    /// Who sends a request with these headers.
    pub(super) async fn identify(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        if let Some(open) = &self.0.open {
            return Ok(open.clone());
        }
        if let Some(key) = headers.get("x-api-key") {
            return self
                .0
                .api_keys
                .find(key.as_bytes())
                .ok_or_else(|| unauthenticated("invalid_token", "The API key is not known."));
        }
        let Some(value) = headers.get(header::AUTHORIZATION) else {
            return Err(unauthenticated("", "The request has no credentials."));
        };
        let token = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        match (token, &self.0.jwt) {
            (Some(token), Some(jwt)) => jwt.verify(token).await,
            _ => Err(unauthenticated(
                "invalid_request",
                "Authorization must be a bearer token of the configured issuer.",
            )),
        }
    }
}

/// RFC 6750: `error` says what is wrong with the credentials; none were sent: it is empty.
fn unauthenticated(error: &str, detail: &str) -> Problem {
    let challenge = if error.is_empty() {
        "Bearer realm=\"virtual-stock\"".to_owned()
    } else {
        format!("Bearer realm=\"virtual-stock\", error=\"{error}\"")
    };
    Problem::new(&kind::UNAUTHENTICATED, detail).header(header::WWW_AUTHENTICATE, challenge)
}
