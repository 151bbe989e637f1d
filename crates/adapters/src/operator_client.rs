//! The operators' API from the command line.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;
use url::Url;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// The variable with a bearer token.
const TOKEN: &str = "ACL_TOKEN";
/// The variable with an API key.
const API_KEY: &str = "ACL_API_KEY";

/// Asks a running acl. Who asks is said by the variables `ACL_TOKEN` or `ACL_API_KEY`.
pub struct OperatorClient {
    client: Client,
    base: Url,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// The segments of the path below the API's base.
    pub path: Vec<String>,
    /// Parameters.
    pub query: Vec<(&'static str, String)>,
    /// The body.
    pub body: Option<Value>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The URL takes no path.
    #[error("{0} is not the URL of an acl")]
    Url(Url),
    /// It cannot be reached.
    #[error("acl cannot be reached")]
    Unreachable(#[from] reqwest::Error),
    /// It refuses.
    #[error("{status}: {detail}")]
    Refused {
        /// The status.
        status: u16,
        /// Why.
        detail: String,
    },
}

impl OperatorClient {
    /// A client of the acl at this URL.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub fn new(base: Url) -> Result<Self, OperatorError> {
        let client = Client::builder()
            .timeout(PATIENCE)
            .no_proxy()
            // Credentials are for the host that was named.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, base })
    }

    /// The answer, for people.
    ///
    /// # Errors
    /// [`OperatorError`].
    pub async fn ask(&self, question: Question) -> Result<String, OperatorError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| OperatorError::Url(self.base.clone()))?
            .pop_if_empty()
            .extend(["api", "v1", "acl"])
            .extend(&question.path);
        if !question.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&question.query);
        }
        let mut request = self.client.request(question.method, url);
        if let Ok(token) = std::env::var(TOKEN) {
            request = request.bearer_auth(token);
        }
        if let Ok(key) = std::env::var(API_KEY) {
            request = request.header("x-api-key", key);
        }
        if let Some(body) = &question.body {
            request = request.json(body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let answer: Option<Value> = serde_json::from_str(&text).ok();
        if status.is_success() {
            let pretty = answer.as_ref().map(|answer| format!("{answer:#}"));
            return Ok(pretty.unwrap_or(text));
        }
        let detail = answer.as_ref().and_then(|answer| {
            let errors = answer["errors"].as_array().into_iter().flatten();
            let errors = errors.map(|error| format!(" {} {};", error["pointer"], error["message"]));
            let errors: String = errors.collect();
            Some(format!("{}{errors}", answer["detail"].as_str()?))
        });
        Err(OperatorError::Refused {
            status: status.as_u16(),
            detail: detail.unwrap_or(text),
        })
    }
}
