//! Bearer tokens: signed JSON Web Tokens of one issuer (RFC 7519, RFC 9068).

use std::{sync::Arc, time::Duration};

use domain::stock::Actor;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, errors::ErrorKind};
use serde::Deserialize;
use time::OffsetDateTime;
use url::Url;

use super::{Principal, Scopes, jwks::Jwks, unauthenticated};
use crate::{config::ConfigError, http::Problem};

/// Tokens of an identity provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// Where its keys are (a JSON Web Key Set); empty: tokens are not taken.
    pub jwks_url: String,
    /// What `iss` has to be.
    pub issuer: String,
    /// What `aud` has to be, or contain.
    pub audience: String,
    /// The algorithms that are taken; never more than the key of a token is made for.
    pub algorithms: Vec<Algorithm>,
    /// How far clocks may be apart.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// Shortest time between two fetches of the keys.
    #[serde(with = "humantime_serde")]
    pub refresh: Duration,
}

impl JwtSettings {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.jwks_url.is_empty() {
            return Ok(());
        }
        let url = Url::parse(&self.jwks_url)
            .map_err(|error| ConfigError::invalid("auth.jwt.jwks_url", &error))?;
        let local = url
            .host_str()
            .is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host));
        if url.scheme() != "https" && !(local && url.scheme() == "http") {
            let why = "must be an https URL: who can change the keys can be anybody";
            return Err(ConfigError::invalid("auth.jwt.jwks_url", &why));
        }
        let symmetric = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
        if self.algorithms.is_empty() || self.algorithms.iter().any(|a| symmetric.contains(a)) {
            let why = "must name algorithms with public keys, for example RS256 and ES256";
            return Err(ConfigError::invalid("auth.jwt.algorithms", &why));
        }
        for (setting, value) in [
            ("auth.jwt.issuer", &self.issuer),
            ("auth.jwt.audience", &self.audience),
        ] {
            if value.is_empty() {
                return Err(ConfigError::invalid(setting, &"must not be empty"));
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    /// RFC 8693.
    #[serde(default)]
    scope: Names,
    /// Some providers call it so.
    #[serde(default)]
    scp: Names,
}

/// Names, separated by spaces or in a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Names {
    Text(String),
    List(Vec<String>),
}

impl Default for Names {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Names {
    fn scopes(&self) -> Scopes {
        match self {
            Self::Text(text) => Scopes::named(text.split(' ')),
            Self::List(list) => Scopes::named(list.iter().map(String::as_str)),
        }
    }
}

pub(super) struct JwtVerifier {
    jwks: Arc<Jwks>,
    issuer: String,
    audience: String,
    leeway: Duration,
    /// Names that are somebody else's.
    taken: Vec<Actor>,
}

impl JwtVerifier {
    pub(super) fn new(settings: &JwtSettings, taken: Vec<Actor>) -> Result<Self, reqwest::Error> {
        Ok(Self {
            taken,
            jwks: Jwks::new(
                &settings.jwks_url,
                settings.algorithms.clone(),
                settings.refresh,
            )?,
            issuer: settings.issuer.clone(),
            audience: settings.audience.clone(),
            leeway: settings.leeway,
        })
    }

    pub(super) async fn verify(&self, token: &str) -> Result<Principal, Problem> {
        let refused = |detail: &str| unauthenticated("invalid_token", detail);
        let header = decode_header(token).map_err(|_| refused("The token is no signed JWT."))?;
        if header.crit.is_some() {
            return Err(refused(
                "The token has critical headers that are not known.",
            ));
        }
        let id = header
            .kid
            .ok_or_else(|| refused("The token names no key."))?;
        let key = self.jwks.key(&id).await?;
        let key = key.ok_or_else(|| refused("The token's key is not one of the issuer's."))?;
        // The key says which algorithm; the token only has to agree.
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let token = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| refused(explain(error.kind())))?;
        let claims = token.claims;
        let actor = claims.sub.parse();
        let actor: Actor = actor.map_err(|_| refused("The token's subject cannot be used."))?;
        if self.taken.contains(&actor) {
            return Err(refused("The token's subject is the name of somebody else."));
        }
        Ok(Principal {
            actor,
            scopes: claims.scope.scopes().and(claims.scp.scopes()),
            until: OffsetDateTime::from_unix_timestamp(claims.exp.cast_signed()).ok(),
        })
    }
}

fn explain(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "The token has expired.",
        ErrorKind::ImmatureSignature => "The token is not valid yet.",
        ErrorKind::InvalidIssuer => "The token is of another issuer.",
        ErrorKind::InvalidAudience => "The token is meant for another service.",
        ErrorKind::MissingRequiredClaim(_) => "The token must have exp, iss, aud and sub.",
        ErrorKind::InvalidAlgorithm => "The token's algorithm is not its key's.",
        _ => "The token's signature or its claims cannot be used.",
    }
}
