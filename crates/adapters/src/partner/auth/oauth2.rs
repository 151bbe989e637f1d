//! Tokens of the client credentials grant (RFC 6749, 4.4): kept, fetched again before they end, by one call at a time.

use std::time::{Duration, Instant};

use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::{Url, form_urlencoded::byte_serialize};

use crate::partner::{
    Failure,
    client::{Fetched, fetch},
};

/// Longest time that a token is kept.
const LONGEST: Duration = Duration::from_hours(24);
/// A failure to fetch one is told to whoever asks within so long.
const FAILED_FOR: Duration = Duration::from_secs(1);
/// A token that does not say how long it lasts is fetched again after so long.
const UNSAID: Duration = Duration::from_mins(5);

/// Where tokens come from.
pub(super) struct Grant {
    /// The token endpoint.
    pub(super) token_url: Url,
    /// Who we are.
    pub(super) client_id: String,
    /// The secret between us.
    pub(super) client_secret: SecretString,
    /// What the token is for.
    pub(super) scope: Option<String>,
}

/// The token of one target.
pub(in crate::partner) struct Tokens {
    client: Client,
    grant: Grant,
    max_answer: usize,
    /// Whoever fetches holds it, so that the others wait for the same token.
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    failed: Option<(Instant, Failure)>,
}

/// Tells one token from those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::partner) struct TokenNumber(Instant);

struct Token {
    value: SecretString,
    number: TokenNumber,
    fresh_until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    expires_in: Option<u64>,
}

impl Tokens {
    pub(super) fn new(client: Client, grant: Grant, max_answer: usize) -> Self {
        Self {
            client,
            grant,
            max_answer,
            kept: Mutex::new(Kept::default()),
        }
    }

    /// The secret that tokens are had for.
    pub(super) fn secret(&self) -> SecretString {
        self.grant.client_secret.clone()
    }

    /// A token that is still good.
    pub(super) async fn get(&self) -> Result<(SecretString, TokenNumber), Failure> {
        let mut kept = self.kept.lock().await;
        if let Some(token) = kept
            .token
            .as_ref()
            .filter(|t| Instant::now() < t.fresh_until)
        {
            return Ok((token.value.clone(), token.number));
        }
        let began = Instant::now();
        if let Some((at, failure)) = &kept.failed
            && at.elapsed() < FAILED_FOR
        {
            return Err(failure.clone());
        }
        let answer = match self.fetch().await {
            Ok(answer) => answer,
            Err(failure) => {
                kept.failed = Some((Instant::now(), failure.clone()));
                return Err(failure);
            }
        };
        let lasts = answer.expires_in.map_or(UNSAID, Duration::from_secs);
        let lasts = lasts.min(LONGEST);
        let token = Token {
            value: answer.access_token,
            number: TokenNumber(began),
            // A fifth of its time is left for calls that are under way, and for clocks that differ.
            fresh_until: began + lasts * 4 / 5,
        };
        let token = kept.token.insert(token);
        Ok((token.value.clone(), token.number))
    }

    /// The token is no good.
    pub(super) async fn forget(&self, number: TokenNumber) {
        let mut kept = self.kept.lock().await;
        kept.token.take_if(|token| token.number == number);
    }

    async fn fetch(&self) -> Result<TokenAnswer, Failure> {
        let mut form = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.grant.scope {
            form.push(("scope", scope));
        }
        // RFC 6749, 2.3.1: both are form-encoded first.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let request = self
            .client
            .post(self.grant.token_url.clone())
            .basic_auth(
                encoded(&self.grant.client_id),
                Some(encoded(self.grant.client_secret.expose_secret())),
            )
            .form(&form);
        let fetched = fetch(request, &self.grant.client_id, self.max_answer, &[]).await;
        let Fetched { answer, body } = fetched.map_err(|failure| {
            Failure::Token(match failure {
                Failure::TimedOut => "the token endpoint did not answer in time".to_owned(),
                Failure::Connection(why)
                | Failure::Broken(why)
                | Failure::Token(why)
                | Failure::Unusable(why) => why,
            })
        })?;
        if answer.status != 200 {
            // Its words may repeat what was sent.
            return Err(Failure::Token(format!(
                "the token endpoint answered {}",
                answer.status
            )));
        }
        serde_json::from_slice(&body).map_err(|_| {
            Failure::Token("the token endpoint's answer has no access_token".to_owned())
        })
    }
}
