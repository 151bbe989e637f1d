//! Who we are to a partner.

mod oauth2;

use reqwest::{
    RequestBuilder,
    header::{HeaderName, HeaderValue},
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::{
    config::ConfigError,
    partner::{ClientSettings, Failure, Secret},
};
pub(super) use oauth2::TokenNumber;
use oauth2::{Grant, Tokens};

/// How calls are authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AuthKind {
    /// Not at all.
    None,
    /// RFC 7617: `username` and `password`.
    Basic,
    /// RFC 6750, with a `token` that stays the same.
    Bearer,
    /// A `key` in a `header`.
    ApiKey,
    /// RFC 6749, 4.4, client credentials: `token_url`, `client_id`, `client_secret`, `scope`.
    Oauth2,
}

/// How calls are authenticated, and what that takes; what the kind does not take is not looked at. Mutual TLS is a matter
/// of the connection ([`crate::partner::TlsSettings`]).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthSettings {
    kind: Option<AuthKind>,
    username: Option<String>,
    password: Option<Secret>,
    token: Option<Secret>,
    header: Option<String>,
    key: Option<Secret>,
    token_url: Option<Url>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    scope: Option<String>,
}

/// Adds what authenticates a call.
pub(super) enum Credentials {
    None,
    Basic(String, SecretString),
    Bearer(SecretString),
    Header(HeaderName, HeaderValue, SecretString),
    Tokens(Box<Tokens>),
}

/// What the kind takes.
fn needed<'a, T>(setting: &str, name: &str, value: Option<&'a T>) -> Result<&'a T, ConfigError> {
    let setting = format!("{setting}.{name}");
    value.ok_or_else(|| ConfigError::invalid(&setting, &"is missing"))
}

fn secret(setting: &str, name: &str, value: Option<&Secret>) -> Result<SecretString, ConfigError> {
    needed(setting, name, value)?.read(&format!("{setting}.{name}"))
}

impl AuthSettings {
    /// The kind; credentials that nobody said how to use are a mistake.
    fn kind(&self, setting: &str) -> Result<AuthKind, ConfigError> {
        let secrets = [&self.password, &self.token, &self.key, &self.client_secret];
        match self.kind {
            Some(kind) => Ok(kind),
            None if secrets.into_iter().all(Option::is_none) => Ok(AuthKind::None),
            None => {
                let why = "is missing: none, basic, bearer, api_key or oauth2";
                Err(ConfigError::invalid(&format!("{setting}.kind"), &why))
            }
        }
    }

    /// The credentials.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn credentials(
        &self,
        setting: &str,
        client: &ClientSettings,
    ) -> Result<Credentials, ConfigError> {
        Ok(match self.kind(setting)? {
            AuthKind::None => Credentials::None,
            AuthKind::Basic => Credentials::Basic(
                needed(setting, "username", self.username.as_ref())?.clone(),
                secret(setting, "password", self.password.as_ref())?,
            ),
            AuthKind::Bearer => Credentials::Bearer(secret(setting, "token", self.token.as_ref())?),
            AuthKind::ApiKey => {
                let header = needed(setting, "header", self.header.as_ref())?;
                let name = header.parse().map_err(|_| {
                    let setting = format!("{setting}.header");
                    ConfigError::invalid(&setting, &"must be the name of a header")
                })?;
                let key = secret(setting, "key", self.key.as_ref())?;
                let mut value = HeaderValue::from_str(key.expose_secret()).map_err(|_| {
                    let setting = format!("{setting}.key");
                    ConfigError::invalid(&setting, &"holds what no header can carry")
                })?;
                value.set_sensitive(true);
                Credentials::Header(name, value, key)
            }
            AuthKind::Oauth2 => {
                let url = needed(setting, "token_url", self.token_url.as_ref())?;
                client.network.check(&format!("{setting}.token_url"), url)?;
                Credentials::Tokens(Box::new(Tokens::new(
                    client.client(setting)?,
                    Grant {
                        token_url: url.clone(),
                        client_id: needed(setting, "client_id", self.client_id.as_ref())?.clone(),
                        client_secret: secret(
                            setting,
                            "client_secret",
                            self.client_secret.as_ref(),
                        )?,
                        scope: self.scope.clone(),
                    },
                    client.max_answer,
                )))
            }
        })
    }
}

impl Credentials {
    /// What nobody may read.
    pub(super) fn secrets(&self) -> Vec<SecretString> {
        match self {
            Self::None => Vec::new(),
            Self::Basic(_, secret) | Self::Bearer(secret) | Self::Header(_, _, secret) => {
                vec![secret.clone()]
            }
            Self::Tokens(tokens) => vec![tokens.secret()],
        }
    }

    /// The request with credentials, and what they are called if they can be replaced.
    ///
    /// # Errors
    /// [`Failure::Token`] if there are none to be had.
    pub(super) async fn add(
        &self,
        request: RequestBuilder,
    ) -> Result<(RequestBuilder, Option<TokenNumber>), Failure> {
        let request = match self {
            Self::None => request,
            Self::Basic(name, password) => request.basic_auth(name, Some(password.expose_secret())),
            Self::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Self::Header(name, value, _) => request.header(name, value),
            Self::Tokens(tokens) => {
                let (token, number) = tokens.get().await?;
                let request = request.bearer_auth(token.expose_secret());
                return Ok((request, Some(number)));
            }
        };
        Ok((request, None))
    }

    /// The partner refused these credentials: they are not used again. Those that others have got meanwhile stay.
    pub(super) async fn refused(&self, number: TokenNumber) {
        if let Self::Tokens(tokens) = self {
            tokens.forget(number).await;
        }
    }
}
