//! Who we are to a partner.

mod oauth2;

use reqwest::{RequestBuilder, header::HeaderName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    config::ConfigError,
    partner::{ClientSettings, Failure, Secret},
};
use oauth2::OAuth2Settings;
use oauth2::Tokens;

/// How calls are authenticated; mutual TLS is a matter of the connection ([`crate::partner::TlsSettings`]).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthSettings {
    /// Not at all.
    #[default]
    None,
    /// RFC 7617.
    Basic {
        /// The name.
        username: String,
        /// The password.
        password: Secret,
    },
    /// RFC 6750, with a token that stays the same.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// A key in a header.
    ApiKey {
        /// The header.
        header: String,
        /// The key.
        key: Secret,
    },
    /// RFC 6749, 4.4: client credentials.
    Oauth2(OAuth2Settings),
}

/// Adds what authenticates a call.
pub(super) enum Credentials {
    None,
    Basic(String, SecretString),
    Bearer(SecretString),
    Header(HeaderName, SecretString),
    Tokens(Box<Tokens>),
}

impl AuthSettings {
    /// The credentials.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn credentials(
        &self,
        setting: &str,
        client: &ClientSettings,
    ) -> Result<Credentials, ConfigError> {
        let named = |name: &str| format!("{setting}.{name}");
        Ok(match self {
            Self::None => Credentials::None,
            Self::Basic { username, password } => {
                Credentials::Basic(username.clone(), password.read(&named("password"))?)
            }
            Self::Bearer { token } => Credentials::Bearer(token.read(&named("token"))?),
            Self::ApiKey { header, key } => {
                let name = header.parse().map_err(|_| {
                    ConfigError::invalid(&named("header"), &"must be the name of a header")
                })?;
                Credentials::Header(name, key.read(&named("key"))?)
            }
            Self::Oauth2(settings) => {
                Credentials::Tokens(Box::new(settings.tokens(setting, client)?))
            }
        })
    }
}

impl Credentials {
    /// The request with credentials.
    ///
    /// # Errors
    /// [`Failure::Token`] if there are none to be had.
    pub(super) async fn add(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        Ok(match self {
            Self::None => request,
            Self::Basic(name, password) => request.basic_auth(name, Some(password.expose_secret())),
            Self::Bearer(token) => request.bearer_auth(token.expose_secret()),
            Self::Header(name, key) => request.header(name, key.expose_secret()),
            Self::Tokens(tokens) => request.bearer_auth(tokens.get().await?.expose_secret()),
        })
    }

    /// The partner refused the credentials; true: others can be had, so that one more call is worth it.
    pub(super) async fn refused(&self) -> bool {
        match self {
            Self::Tokens(tokens) => {
                tokens.forget().await;
                true
            }
            Self::None | Self::Basic(..) | Self::Bearer(_) | Self::Header(..) => false,
        }
    }
}
