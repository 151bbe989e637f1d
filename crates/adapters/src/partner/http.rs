//! Partners with a JSON API over HTTP, each in its own words.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use application::{
    metric,
    ports::{CallReport, Clock, PartnerCall, PartnerGateway},
    trace::{Span, SpanKind, attribute},
};
use async_trait::async_trait;
use domain::delivery::{Effect, Reach, Verdict};
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    clock::SystemClock,
    config::ConfigError,
    partner::{
        AuthSettings, ClientSettings, Failure, Secret, SignatureSettings, UrlSource,
        auth::{Credentials, TokenNumber},
        classify,
        client::{Fetched, fetch},
        profile::{Profile, ProfileSettings, Show, Translated},
        signature::Signer,
    },
};

/// A partner with a JSON API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSettings {
    /// Where its API begins.
    pub url: UrlSource,
    /// The translation profile.
    pub profile: String,
    /// How it is connected to.
    pub client: ClientSettings,
    /// Who we are.
    #[serde(default)]
    pub auth: AuthSettings,
    /// What calls are signed with.
    #[serde(default)]
    pub signature: SignatureSettings,
    /// Secrets that the profile names.
    #[serde(default)]
    pub secrets: BTreeMap<String, Secret>,
}

/// [`PartnerGateway`] to a JSON API.
pub struct HttpPartner {
    client: Client,
    url: Url,
    profile: Profile,
    credentials: Credentials,
    signer: Signer,
    max_answer: usize,
    timeout: Duration,
    /// What nobody may read.
    secrets: Vec<SecretString>,
}

/// What a partner would be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// The method.
    pub method: String,
    /// The path below the target's URL.
    pub path: String,
    /// The body, without secrets.
    pub body: Value,
}

impl HttpSettings {
    /// The profile that the settings name, with masks instead of secrets.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub(super) fn masked_profile(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<Profile, ConfigError> {
        let unread = |name: &String| (name.clone(), SecretString::from(String::new()));
        self.profile(
            setting,
            profiles,
            &self.secrets.keys().map(unread).collect(),
        )
    }

    fn profile(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Profile, ConfigError> {
        let name = &self.profile;
        let profile = profiles.get(name).ok_or_else(|| {
            let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
            let why = format!("must be one of {}, not {name}", known.join(", "));
            ConfigError::invalid(&format!("{setting}.profile"), &why)
        })?;
        profile.profile(&format!("profiles.{name}"), secrets)
    }
}

impl HttpPartner {
    /// The partner of these settings.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub fn new(
        setting: &str,
        settings: &HttpSettings,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<Self, ConfigError> {
        let url_setting = format!("{setting}.url");
        let url = settings.url.read(&url_setting)?;
        settings.client.network.check(&url_setting, &url)?;
        let mut secrets = BTreeMap::new();
        for (name, secret) in &settings.secrets {
            let read = secret.read(&format!("{setting}.secrets.{name}"))?;
            secrets.insert(name.clone(), read);
        }
        let credentials = settings
            .auth
            .credentials(&format!("{setting}.auth"), &settings.client)?;
        let mut unreadable = credentials.secrets();
        unreadable.extend(secrets.values().cloned());
        if let UrlSource::Secret(_) = settings.url {
            unreadable.push(url.as_str().to_owned().into());
            unreadable.push(url.path().to_owned().into());
        }
        // The root is no secret, and is in every text.
        unreadable.retain(|secret| secret.expose_secret().len() > 1);
        Ok(Self {
            client: settings.client.client(&format!("{setting}.client"))?,
            url,
            profile: settings.profile(setting, profiles, &secrets)?,
            credentials,
            signer: settings.signature.signer(&format!("{setting}.signature"))?,
            max_answer: settings.client.max_answer,
            timeout: settings.client.timeout,
            secrets: unreadable,
        })
    }

    fn url(&self, path: &[String]) -> Result<Url, Failure> {
        let mut url = self.url.clone();
        let no_path = |()| Failure::Unusable("the target's URL takes no path".to_owned());
        // Percent-encoded: what a partner calls a stock must not become a path. A path of one empty segment is none.
        let path = path.iter().filter(|segment| !segment.is_empty());
        url.path_segments_mut()
            .map_err(no_path)?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    async fn send(
        &self,
        call: &PartnerCall,
        translated: &Translated<'_>,
    ) -> Result<Fetched, Failure> {
        // The token, the call, and the call once more with another token: all within the time of a call.
        let deadline = Instant::now() + self.timeout;
        let (first, token) = self.send_once(call, translated, deadline).await?;
        match token {
            // It may have ended before its time: one more call with another one.
            Some(token) if first.answer.status == 401 => {
                self.credentials.refused(token).await;
                let (second, _) = self.send_once(call, translated, deadline).await?;
                Ok(second)
            }
            _ => Ok(first),
        }
    }

    async fn send_once(
        &self,
        call: &PartnerCall,
        translated: &Translated<'_>,
        deadline: Instant,
    ) -> Result<(Fetched, Option<TokenNumber>), Failure> {
        let body = if *translated.method == Method::DELETE {
            Vec::new()
        } else {
            serde_json::to_vec(&translated.body)
                .map_err(|error| Failure::Unusable(error.to_string()))?
        };
        let url = self.url(&translated.path)?;
        let mut request = self
            .client
            .request(translated.method.clone(), url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", &call.idempotency_key)
            .header("x-stock-version", call.picture.version)
            .header("x-correlation-id", &call.correlation_id);
        let now = SystemClock.now().unix_timestamp();
        for (name, value) in self.signer.headers(&call.idempotency_key, now, &body) {
            request = request.header(name, value);
        }
        let added = self.credentials.add(request.body(body));
        let (mut request, token) = within(deadline, added).await?;
        let mut span = span(call, translated, &url);
        let own = span.traceparent();
        if let Some(traceparent) = own.as_ref().or(call.traceparent.as_ref()) {
            request = request.header("traceparent", traceparent);
        }
        let fetched = fetch(
            request,
            &call.idempotency_key,
            self.max_answer,
            &self.secrets,
        );
        let fetched = within(deadline, fetched).await;
        match fetched.as_ref().map(|fetched| fetched.answer.status) {
            Ok(status) => {
                span.set(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(status));
                if status >= 400 {
                    span.fail(status.to_string());
                }
            }
            Err(Failure::TimedOut) => span.fail("timeout"),
            Err(_) => span.fail("no answer"),
        }
        Ok((fetched?, token))
    }
}

/// What comes in time.
async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let done = tokio::time::timeout_at(deadline.into(), work).await;
    done.unwrap_or(Err(Failure::TimedOut))
}

/// One request in the event's trace. The URL itself may hold a secret.
fn span(call: &PartnerCall, translated: &Translated<'_>, url: &Url) -> Span {
    let parent = call.traceparent.as_deref();
    let (method, template) = (translated.method.as_str(), translated.endpoint);
    let mut span = Span::within(parent, SpanKind::Client, || {
        format!("{method} {template}").into()
    });
    if span.is_recorded() {
        span.set(attribute::HTTP_REQUEST_METHOD, method.to_owned());
        span.set(attribute::URL_TEMPLATE, template.to_owned());
        if let Some(host) = url.host_str() {
            span.set(attribute::SERVER_ADDRESS, host.to_owned());
        }
        if let Some(port) = url.port_or_known_default() {
            span.set(attribute::SERVER_PORT, i64::from(port));
        }
    }
    span
}

#[async_trait]
impl PartnerGateway for HttpPartner {
    async fn call(&self, call: &PartnerCall) -> CallReport {
        let started = Instant::now();
        let translated = match self.profile.translate(call, Show::Everything) {
            Ok(translated) => translated,
            Err(cause) => {
                return CallReport {
                    verdict: Verdict::Rejected { cause },
                    response_code: None,
                    external_id: None,
                    duration: started.elapsed(),
                };
            }
        };
        let sent = self.send(call, &translated).await;
        let duration = started.elapsed();
        let (answer, body) = match sent {
            Ok(Fetched { answer, body }) => (Ok(answer), body),
            Err(failure) => (Err(failure), Vec::new()),
        };
        let response_code = answer.as_ref().ok().map(|answer| answer.status);
        let endpoint = translated.endpoint.to_owned();
        let status = response_code.map_or_else(|| "none".to_owned(), |status| status.to_string());
        metrics::counter!(metric::acl::EXTERNAL_CALLS.name, "endpoint" => endpoint.clone(), "status" => status)
            .increment(1);
        metrics::histogram!(metric::acl::EXTERNAL_CALL_DURATION.name, "endpoint" => endpoint)
            .record(duration);
        let mut verdict = classify(&answer);
        let creates = self.profile.creates() && call.effect == Effect::Created;
        // Only what was accepted is believed.
        let external_id = match &verdict {
            Verdict::Accepted if creates => self.profile.external_id(&body),
            _ => None,
        };
        if creates && verdict == Verdict::Accepted && external_id.is_none() {
            verdict = Verdict::Transient {
                cause: "the answer does not name the stock".to_owned(),
                reach: Reach::Event,
                retry_after: None,
                hold_off: None,
            };
        }
        CallReport {
            verdict,
            response_code,
            external_id,
            duration,
        }
    }
}
