//! What is behind a subscription.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use application::ports::{PartnerCall, PartnerGateway};
use serde::Deserialize;
use serde_json::json;

use crate::{
    config::ConfigError,
    partner::{
        HttpPartner, HttpSettings, MailPartner, MailSettings, Preview, SearchPartner,
        SearchSettings,
        profile::{ProfileSettings, Show},
        search::document,
    },
};

/// A target of one of these kinds.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TargetSettings {
    /// A JSON API.
    Http(HttpSettings),
    /// A mail server.
    Mail(MailSettings),
    /// A cluster of Elasticsearch or OpenSearch.
    Search(SearchSettings),
}

/// An event cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The settings are wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no call for this event.
    #[error("{0}")]
    Untold(String),
}

impl TargetSettings {
    /// Longest time for a call.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Http(http) => http.client.timeout,
            Self::Mail(mail) => mail.timeout,
            Self::Search(search) => search.client.timeout,
        }
    }

    /// Whether the partner has names of its own for stocks.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn creates(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<bool, ConfigError> {
        match self {
            Self::Http(http) => Ok(http.masked_profile(setting, profiles)?.creates()),
            Self::Mail(_) | Self::Search(_) => Ok(false),
        }
    }

    /// Checks what can be checked without reading secrets; every one of these operations has to be told.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong.
    pub fn check(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
        operations: &[&str],
    ) -> Result<(), ConfigError> {
        match self {
            Self::Http(http) => {
                http.client.check(&format!("{setting}.client"))?;
                let profile = http.masked_profile(setting, profiles)?;
                match operations
                    .iter()
                    .find(|operation| !profile.tells(operation))
                {
                    None => Ok(()),
                    Some(operation) => {
                        let setting = format!("profiles.{}.calls", http.profile);
                        let why = format!("has no call for {operation}, and no default");
                        Err(ConfigError::invalid(&setting, &why))
                    }
                }
            }
            Self::Mail(mail) => mail.check(setting),
            Self::Search(search) => search.check(setting),
        }
    }

    /// The way to the partner; reads its secrets.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub fn connect(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
    ) -> Result<Arc<dyn PartnerGateway>, ConfigError> {
        Ok(match self {
            Self::Http(http) => Arc::new(HttpPartner::new(setting, http, profiles)?),
            Self::Mail(mail) => Arc::new(MailPartner::new(setting, mail)?),
            Self::Search(search) => Arc::new(SearchPartner::new(setting, search)?),
        })
    }

    /// What the partner would be sent, without secrets; nothing is sent.
    ///
    /// # Errors
    /// [`TargetError`].
    pub fn preview(
        &self,
        setting: &str,
        profiles: &BTreeMap<String, ProfileSettings>,
        call: &PartnerCall,
    ) -> Result<Preview, TargetError> {
        match self {
            Self::Http(http) => {
                let profile = http.masked_profile(setting, profiles)?;
                let translated = profile.translate(call, Show::NoSecrets);
                let translated = translated.map_err(TargetError::Untold)?;
                Ok(Preview {
                    method: translated.method.to_string(),
                    path: format!("/{}", translated.path.join("/")),
                    body: translated.body,
                })
            }
            Self::Mail(mail) => {
                let (subject, text) = mail.templates(setting)?;
                let written = json!({
                    "subject": subject.text(call, Show::NoSecrets),
                    "text": text.text(call, Show::NoSecrets),
                });
                Ok(Preview {
                    method: "MAIL".to_owned(),
                    path: mail.to.join(", "),
                    body: written,
                })
            }
            Self::Search(search) => {
                let document = document(&search.index, call).map_err(TargetError::Untold)?;
                Ok(Preview {
                    method: "CREATE".to_owned(),
                    path: format!("/{}/_doc/{}", document.index, document.id),
                    body: document.source,
                })
            }
        }
    }
}
