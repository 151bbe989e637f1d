//! Audit documents in Elasticsearch or OpenSearch, indexed in bulk.
//!
//! Calls that wait while a bulk request is under way form the next one. A document's id is the event's and its index is
//! made of the event's day, and it is only ever created: a repeat finds it there and changes nothing.

mod bulk;
mod document;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use application::{
    metric,
    ports::{CallReport, PartnerCall, PartnerGateway},
};
use async_trait::async_trait;
use domain::delivery::{Reach, Verdict};
use reqwest::{Client, RequestBuilder};
use secrecy::SecretString;
use serde::Deserialize;
use tokio::{
    runtime::Handle,
    sync::{Mutex as Turn, OnceCell, oneshot},
};
use url::Url;

use crate::{
    config::ConfigError,
    partner::{
        Answer, AuthSettings, ClientSettings, Failure, UrlSource,
        auth::Credentials,
        classify,
        client::{Fetched, fetch},
    },
};
use bulk::{Item, Report};
pub(super) use document::document;
pub use document::index_template;

/// Life cycles of the indices, 90 days long, by product: to be put there by whoever administers the cluster.
pub const LIFECYCLE_POLICIES: [(&str, &str); 2] = [
    ("elasticsearch", include_str!("search/ilm-policy.json")),
    ("opensearch", include_str!("search/ism-policy.json")),
];

/// Wait after the cluster said that it is under pressure.
const PRESSURE: Duration = Duration::from_millis(100);
/// No answer of a cluster names a key of ours.
const NO_KEY: &str = "\u{0}";
/// Most bytes of a bulk request's answer that are read: it has a line for every document.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// A cluster of Elasticsearch or OpenSearch.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchSettings {
    /// Where it is.
    pub url: UrlSource,
    /// How it is connected to.
    pub client: ClientSettings,
    /// Who we are.
    #[serde(default)]
    pub auth: AuthSettings,
    /// The start of the indices' names; `-YYYY.MM.DD` follows.
    pub index: String,
    /// Most documents in one request.
    pub max_documents: usize,
    /// Copies of each index besides the first.
    pub replicas: u32,
    /// The life cycle of the indices (Elasticsearch); empty: none is named.
    pub lifecycle_policy: String,
}

/// [`PartnerGateway`] to a search cluster.
pub struct SearchPartner(Arc<Inner>);

struct Inner {
    client: Client,
    url: Url,
    credentials: Credentials,
    secrets: Vec<SecretString>,
    index: String,
    max_documents: usize,
    /// As many of them as the cluster has taken at once of late.
    batch: AtomicUsize,
    /// Longest time for a document, its wait for a request that is under way included.
    patience: Duration,
    template: serde_json::Value,
    /// The index template was put there.
    prepared: OnceCell<()>,
    waiting: Mutex<Vec<Item>>,
    /// Whoever sends holds it.
    turn: Turn<()>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// Every document has its answer.
    Answered,
    /// It was too much at once, and waits again.
    PutBack,
}

impl SearchSettings {
    /// Checks what can be checked without reading secrets.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub(super) fn check(&self, setting: &str) -> Result<(), ConfigError> {
        self.client.check(&format!("{setting}.client"))?;
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let first = self.index.bytes().next();
        if !first.is_some_and(|b| b.is_ascii_lowercase()) || !self.index.bytes().all(legal) {
            let why = "must be lower-case letters, digits and hyphens, a letter first";
            return Err(ConfigError::invalid(&format!("{setting}.index"), &why));
        }
        let most = format!("{setting}.max_documents");
        crate::config::at_least(&most, self.max_documents, 1)
    }
}

impl SearchPartner {
    /// The cluster of these settings.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub fn new(setting: &str, settings: &SearchSettings) -> Result<Self, ConfigError> {
        settings.check(setting)?;
        let url_setting = format!("{setting}.url");
        let url = settings.url.read(&url_setting)?;
        settings.client.network.check(&url_setting, &url)?;
        let auth = format!("{setting}.auth");
        let credentials = settings.auth.credentials(&auth, &settings.client)?;
        Ok(Self(Arc::new(Inner {
            client: settings.client.client(&format!("{setting}.client"))?,
            url,
            secrets: credentials.secrets(),
            credentials,
            index: settings.index.clone(),
            max_documents: settings.max_documents,
            batch: AtomicUsize::new(settings.max_documents),
            patience: settings.client.timeout,
            template: index_template(
                &settings.index,
                settings.replicas,
                &settings.lifecycle_policy,
            ),
            prepared: OnceCell::new(),
            waiting: Mutex::new(Vec::new()),
            turn: Turn::new(()),
        })))
    }
}

impl Inner {
    /// Sends what waits, if nobody else does.
    async fn send_waiting(&self) {
        let _turn = self.turn.lock().await;
        let mut sent = Sent::PutBack;
        while sent == Sent::PutBack {
            let batch: Vec<Item> = {
                let mut waiting = self.waiting();
                // Who does not wait any longer has given the document up, and will bring it again.
                waiting.retain(|item| !item.answer.is_closed());
                let count = waiting.len().min(self.batch.load(Relaxed));
                waiting.drain(..count).collect()
            };
            if batch.is_empty() {
                return;
            }
            sent = self.send(batch).await;
        }
    }

    async fn send(&self, mut batch: Vec<Item>) -> Sent {
        let sent = match self.prepared.get_or_try_init(|| self.prepare()).await {
            Ok(()) => self.bulk(&batch).await,
            Err(failure) => Err(failure),
        };
        let (answer, body) = match sent {
            Ok(Fetched { answer, body }) => (Ok(answer), body),
            Err(failure) => (Err(failure), Vec::new()),
        };
        let status = answer.as_ref().ok().map(|answer| answer.status);
        let much = &self.batch;
        match status {
            Some(200) => {
                much.store(
                    self.max_documents
                        .min(batch.len() * 2)
                        .max(much.load(Relaxed)),
                    Relaxed,
                );
                bulk::answer(batch, &body);
            }
            // More than it takes at once: half of it, and the rest later.
            Some(413 | 429) if batch.len() > 1 => {
                much.store(batch.len() / 2, Relaxed);
                self.waiting().splice(..0, batch.drain(..));
                if status == Some(429) {
                    tokio::time::sleep(PRESSURE).await;
                }
                return Sent::PutBack;
            }
            // With one document left, the verdict is about that document.
            Some(400 | 413) if batch.len() == 1 => {
                bulk::answer_all(batch, &(classify(&answer), status));
            }
            _ => bulk::answer_all(batch, &whole(&answer)),
        }
        Sent::Answered
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Item>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bulk(&self, batch: &[Item]) -> Result<Fetched, Failure> {
        let url = self.path(&["_bulk"])?;
        let body = bulk::body(batch);
        self.fetch(|| {
            self.client
                .post(url.clone())
                .header("content-type", "application/x-ndjson")
                .body(body.clone())
        })
        .await
    }

    /// Puts the index template there: without it, the first document would decide on the types of all others.
    async fn prepare(&self) -> Result<(), Failure> {
        let url = self.path(&["_index_template", &self.index])?;
        let put = || self.client.put(url.clone()).json(&self.template);
        let Fetched { answer, .. } = self.fetch(put).await?;
        if (200..300).contains(&answer.status) {
            return Ok(());
        }
        let why = format!(
            "the index template was refused: {}: {}",
            answer.status, answer.excerpt
        );
        Err(Failure::Connection(why))
    }

    /// Makes a request; once more with another token, if that can be had and the first is refused.
    async fn fetch(&self, request: impl Fn() -> RequestBuilder) -> Result<Fetched, Failure> {
        let once = async || {
            let (request, token) = self.credentials.add(request()).await?;
            let fetched = fetch(request, NO_KEY, MAX_ANSWER, &self.secrets).await?;
            Ok((fetched, token))
        };
        let (first, token) = once().await?;
        match token {
            Some(token) if first.answer.status == 401 => {
                self.credentials.refused(token).await;
                let (second, _) = once().await?;
                Ok(second)
            }
            _ => Ok(first),
        }
    }

    fn path(&self, segments: &[&str]) -> Result<Url, Failure> {
        let mut url = self.url.clone();
        let no_path = |()| Failure::Unusable("the target's URL takes no path".to_owned());
        url.path_segments_mut()
            .map_err(no_path)?
            .pop_if_empty()
            .extend(segments);
        Ok(url)
    }
}

/// The verdict on a request that was not taken as a whole. It says nothing of its documents, so none of them dies of it.
fn whole(answer: &Result<Answer, Failure>) -> Report {
    let verdict = match classify(answer) {
        Verdict::Rejected { cause } | Verdict::Gone { cause } => Verdict::Transient {
            cause,
            reach: Reach::Partner,
            retry_after: None,
            hold_off: None,
        },
        verdict => verdict,
    };
    (verdict, answer.as_ref().ok().map(|answer| answer.status))
}

#[async_trait]
impl PartnerGateway for SearchPartner {
    async fn call(&self, call: &PartnerCall) -> CallReport {
        let started = Instant::now();
        let (answer, answered) = oneshot::channel();
        let item = match document(&self.0.index, call) {
            Ok(document) => Item { document, answer },
            Err(cause) => {
                return CallReport {
                    verdict: Verdict::Rejected { cause },
                    response_code: None,
                    external_id: None,
                    duration: started.elapsed(),
                };
            }
        };
        self.0.waiting().push(item);
        // Others' documents are in the same request: it does not end because one of them is given up.
        let inner = Arc::clone(&self.0);
        let sending = async move { inner.send_waiting().await };
        Handle::current().spawn(sending);
        let answered = tokio::time::timeout(self.0.patience, answered).await;
        let (verdict, response_code) = match answered {
            Ok(Ok(report)) => report,
            Ok(Err(_)) => whole(&Err(Failure::Broken("the request was given up".to_owned()))),
            Err(_) => whole(&Err(Failure::TimedOut)),
        };
        let status = response_code.map_or_else(|| "none".to_owned(), |status| status.to_string());
        metrics::counter!(metric::acl::EXTERNAL_CALLS.name, "endpoint" => "_bulk", "status" => status)
            .increment(1);
        CallReport {
            verdict,
            response_code,
            external_id: None,
            duration: started.elapsed(),
        }
    }
}
