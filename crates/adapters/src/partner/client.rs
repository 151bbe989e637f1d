//! The HTTP client of a target: no redirects, no proxies, bounded answers, addresses looked at before they are called.

use std::{
    path::PathBuf,
    time::{Duration, SystemTime},
};

use reqwest::{Certificate, Client, ClientBuilder, Identity, RequestBuilder, Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::{
    config::ConfigError,
    contract::printable,
    partner::{Answer, Failure, NetworkPolicy, address::Guard},
};

/// Most characters of an answer that are kept for people.
const EXCERPT: usize = 200;
/// Longest time of a call that can be set.
const LONGEST_CALL: Duration = Duration::from_mins(10);
/// Fewest bytes of an answer that can be set.
const LEAST_ANSWER: usize = 1024;
/// Longest `Retry-After` that is followed.
const LONGEST_WISH: Duration = Duration::from_hours(24);

/// How a target is connected to.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSettings {
    /// Longest time for a call, the answer's body included.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
    /// Most bytes of an answer that are read.
    #[serde(default = "default_max_answer")]
    pub max_answer: usize,
    /// What it may be.
    #[serde(default)]
    pub network: NetworkPolicy,
    /// Whom to trust, and who we are.
    #[serde(default)]
    pub tls: TlsSettings,
}

fn default_max_answer() -> usize {
    65_536
}

/// Whom to trust, and who we are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// A file with the certificates of authorities to trust instead of the system's (PEM).
    pub authorities: Option<PathBuf>,
    /// A file with our certificate and its key (PEM), for mutual TLS.
    pub identity: Option<PathBuf>,
}

impl ClientSettings {
    /// Checks what can be checked without reading files.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn check(&self, setting: &str) -> Result<(), ConfigError> {
        check_timeout(&format!("{setting}.timeout"), self.timeout)?;
        let max_answer = format!("{setting}.max_answer");
        crate::config::at_least(&max_answer, self.max_answer, LEAST_ANSWER)
    }

    /// The client.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn client(&self, setting: &str) -> Result<Client, ConfigError> {
        let built = self.builder(setting)?.build();
        built.map_err(|error| unusable(setting, &error))
    }

    /// The client, but for what somebody wants to add.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn builder(&self, setting: &str) -> Result<ClientBuilder, ConfigError> {
        let mut builder = Client::builder()
            .timeout(self.timeout)
            // That nobody is there is found out before the time of the call is up.
            .connect_timeout(self.timeout / 2)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Guard(self.network))
            .user_agent(concat!("virtual-stock-acl/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &self.tls.authorities {
            let setting = format!("{setting}.tls.authorities");
            let trusted = Certificate::from_pem_bundle(&read(&setting, path)?);
            let trusted = trusted.map_err(|error| unusable(&setting, &error))?;
            if trusted.is_empty() {
                return Err(ConfigError::invalid(
                    &setting,
                    &"names a file without a certificate",
                ));
            }
            builder = builder.tls_certs_only(trusted);
        }
        if let Some(path) = &self.tls.identity {
            let setting = format!("{setting}.tls.identity");
            let identity = Identity::from_pem(&read(&setting, path)?);
            builder = builder.identity(identity.map_err(|error| unusable(&setting, &error))?);
        }
        Ok(builder)
    }
}

/// A time for a call that leaves room for claims and drains.
pub(super) fn check_timeout(setting: &str, timeout: Duration) -> Result<(), ConfigError> {
    crate::config::at_least(setting, timeout, Duration::from_millis(1))?;
    crate::config::at_most(setting, timeout, LONGEST_CALL)
}

fn read(setting: &str, path: &PathBuf) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(path).map_err(|error| {
        ConfigError::invalid(
            setting,
            &format!("names the file {}: {error}", path.display()),
        )
    })
}

fn unusable(setting: &str, error: &reqwest::Error) -> ConfigError {
    ConfigError::invalid(setting, &format!("cannot be used: {}", innermost(error)))
}

/// An answer and its body's start.
pub(super) struct Fetched {
    pub(super) answer: Answer,
    pub(super) body: Vec<u8>,
}

/// Makes a call and reads at most `max_answer` bytes of what comes back; `secrets` are kept out of what people read.
pub(super) async fn fetch(
    request: RequestBuilder,
    key: &str,
    max_answer: usize,
    secrets: &[SecretString],
) -> Result<Fetched, Failure> {
    let response = request.send().await.map_err(|error| failure(&error))?;
    let status = response.status().as_u16();
    let retry_after = retry_after(&response);
    let body = start_of_body(response, max_answer).await?;
    let text = String::from_utf8_lossy(&body);
    let excerpt = if matches!(status, 401 | 403) {
        // It may repeat what we are refused for.
        String::new()
    } else {
        let words = secrets.iter().fold(printable(&text), |words, secret| {
            words.replace(secret.expose_secret(), "<secret>")
        });
        words.chars().take(EXCERPT).collect()
    };
    let answer = Answer {
        status,
        retry_after,
        excerpt,
        conflicts_with_ours: text.contains(key),
    };
    Ok(Fetched { answer, body })
}

fn failure(error: &reqwest::Error) -> Failure {
    let why = innermost(error);
    if error.is_timeout() {
        // That nobody is there is known; that an answer is late is not the same.
        if error.is_connect() {
            Failure::Connection(why)
        } else {
            Failure::TimedOut
        }
    } else if error.is_connect() {
        Failure::Connection(why)
    } else {
        Failure::Broken(why)
    }
}

/// The cause at the bottom: it names no URL, which may hold a secret.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) {
        return "the request cannot be sent".to_owned();
    }
    printable(&cause.to_string())
}

/// In seconds, or until a date (RFC 9110, 10.2.3).
fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = text.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = httpdate::parse_http_date(text).ok()?;
        date.duration_since(SystemTime::now()).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WISH))
}

async fn start_of_body(mut response: Response, most: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failure(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > most {
            body.truncate(most);
            break;
        }
    }
    Ok(body)
}
