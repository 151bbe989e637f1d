//! Translation profiles: our words in a partner's language, as settings.

mod field;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use application::ports::PartnerCall;
use domain::delivery::{Effect, ExternalId};
use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::ConfigError;
use field::Field;
use template::{Enrichment, Names, Shape};
pub(super) use template::{Show, Template};

/// The call for operations that have none of their own.
const DEFAULT: &str = "default";

/// A partner's language.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileSettings {
    /// The partner has names of its own for stocks: one that it does not know is created there first.
    #[serde(default)]
    pub creates: bool,
    /// Where the answer to a creation has the partner's name of the stock: a JSON pointer.
    pub external_id: Option<String>,
    /// Values to be looked up, by name.
    #[serde(default)]
    pub enrich: BTreeMap<String, EnrichmentSettings>,
    /// Members of every body.
    #[serde(default)]
    pub body: Map<String, Value>,
    /// The calls by operation; `default` for those that are not named.
    pub calls: BTreeMap<String, CallSettings>,
}

/// Values that are looked up by a member of the event.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrichmentSettings {
    /// The member.
    pub by: String,
    /// What its values stand for.
    pub values: BTreeMap<String, String>,
    /// What all other values stand for; none: nothing.
    pub otherwise: Option<String>,
}

/// How an operation is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallSettings {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The path below the target's URL, with names between braces.
    pub path: String,
    /// Members of the body besides those of every body.
    #[serde(default)]
    pub body: Map<String, Value>,
}

/// A profile that can be used.
#[derive(Debug)]
pub struct Profile {
    creates: bool,
    external_id: Option<String>,
    calls: BTreeMap<String, CallTemplate>,
}

#[derive(Debug)]
struct CallTemplate {
    method: Method,
    /// Its path names the endpoint in metrics.
    endpoint: String,
    segments: Vec<Template>,
    body: Vec<(String, Shape)>,
}

/// A call in the partner's words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Translated<'a> {
    pub(super) method: &'a Method,
    pub(super) endpoint: &'a str,
    /// The segments of the path, not encoded.
    pub(super) path: Vec<String>,
    pub(super) body: Value,
}

impl ProfileSettings {
    /// The profile; `secrets` can be named in it as `{secret.NAME}`.
    ///
    /// # Errors
    /// [`ConfigError`] naming what is wrong below `setting`.
    pub fn profile(
        &self,
        setting: &str,
        secrets: &BTreeMap<String, SecretString>,
    ) -> Result<Profile, ConfigError> {
        if self.creates && self.external_id.is_none() {
            let why = "must say where the answer names the stock, because creates = true";
            return Err(ConfigError::invalid(
                &format!("{setting}.external_id"),
                &why,
            ));
        }
        if self
            .external_id
            .as_ref()
            .is_some_and(|pointer| !pointer.starts_with('/'))
        {
            let why = "must be a JSON pointer, which begins with a slash";
            return Err(ConfigError::invalid(
                &format!("{setting}.external_id"),
                &why,
            ));
        }
        if self.creates && !self.calls.contains_key("CREATED") {
            let why = "must say how a stock is created, because creates = true";
            return Err(ConfigError::invalid(
                &format!("{setting}.calls.CREATED"),
                &why,
            ));
        }
        let mut names = Names {
            secrets: Some(secrets),
            ..Names::default()
        };
        for (name, enrichment) in &self.enrich {
            let setting = format!("{setting}.enrich.{name}");
            names
                .enrichments
                .insert(name.clone(), enrichment.read(&setting)?);
        }
        let mut calls = BTreeMap::new();
        for (operation, call) in &self.calls {
            let call_setting = format!("{setting}.calls.{operation}");
            let known = Effect::OPERATIONS.contains(&operation.as_str());
            if !known && operation != Effect::RESYNCHRONIZED && operation != DEFAULT {
                let why = format!(
                    "is no operation: they are {}, {} and {DEFAULT}",
                    Effect::OPERATIONS.join(", "),
                    Effect::RESYNCHRONIZED
                );
                return Err(ConfigError::invalid(&call_setting, &why));
            }
            let has_name = self.creates && operation != "CREATED";
            if call.path.contains("{externalId}") && !has_name {
                let why = "cannot name {externalId}: the stock has no name of the partner's then";
                return Err(ConfigError::invalid(&format!("{call_setting}.path"), &why));
            }
            let mut body = self.body.clone();
            body.extend(call.body.clone());
            calls.insert(operation.clone(), call.read(&call_setting, &body, &names)?);
        }
        Ok(Profile {
            creates: self.creates,
            external_id: self.external_id.clone(),
            calls,
        })
    }
}

impl EnrichmentSettings {
    fn read(&self, setting: &str) -> Result<Enrichment, ConfigError> {
        let by = Field::ALL.iter().find(|field| field.name() == self.by);
        let by = by.ok_or_else(|| {
            let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
            let why = format!("must be one of {}", names.join(", "));
            ConfigError::invalid(&format!("{setting}.by"), &why)
        })?;
        Ok(Enrichment {
            by: *by,
            values: self.values.clone(),
            otherwise: self.otherwise.clone(),
        })
    }
}

impl CallSettings {
    fn read(
        &self,
        setting: &str,
        body: &Map<String, Value>,
        names: &Names<'_>,
    ) -> Result<CallTemplate, ConfigError> {
        let method = match self.method.as_str() {
            "POST" => Method::POST,
            "PUT" => Method::PUT,
            "PATCH" => Method::PATCH,
            "DELETE" => Method::DELETE,
            _ => {
                let why = "must be POST, PUT, PATCH or DELETE";
                return Err(ConfigError::invalid(&format!("{setting}.method"), &why));
            }
        };
        let path = format!("{setting}.path");
        let Some(relative) = self.path.strip_prefix('/') else {
            return Err(ConfigError::invalid(&path, &"must begin with a slash"));
        };
        if relative.contains(['?', '#']) {
            return Err(ConfigError::invalid(
                &path,
                &"must have no query and no fragment",
            ));
        }
        let segments = relative
            .split('/')
            .map(|segment| Template::parse(&path, segment, names));
        Ok(CallTemplate {
            method,
            endpoint: self.path.clone(),
            segments: segments.collect::<Result<_, _>>()?,
            body: Shape::members(&format!("{setting}.body"), body, names)?,
        })
    }
}

impl Profile {
    /// Whether the partner has names of its own for stocks.
    #[must_use]
    pub fn creates(&self) -> bool {
        self.creates
    }

    /// Whether there is a call for this operation.
    #[must_use]
    pub fn tells(&self, operation: &str) -> bool {
        self.call(operation).is_some()
    }

    fn call(&self, operation: &str) -> Option<&CallTemplate> {
        self.calls
            .get(operation)
            .or_else(|| self.calls.get(DEFAULT))
    }

    /// The call in the partner's words.
    ///
    /// # Errors
    /// Why it cannot be made of this event.
    pub(super) fn translate(
        &self,
        call: &PartnerCall,
        show: Show,
    ) -> Result<Translated<'_>, String> {
        let operation = call.effect.operation();
        let template = self
            .call(operation)
            .ok_or_else(|| format!("there is no call for {operation}"))?;
        let segment = |segment: &Template| match segment.whole(call, show) {
            // A URL would leave these out.
            Some(text) if !matches!(text.as_str(), "." | "..") => Ok(text),
            _ => Err(format!(
                "{} of the path has no usable value",
                segment.source()
            )),
        };
        let path = template.segments.iter().map(segment);
        let members = template
            .body
            .iter()
            .filter_map(|(name, shape)| Some((name.clone(), shape.value(call, show)?)));
        Ok(Translated {
            method: &template.method,
            endpoint: &template.endpoint,
            path: path.collect::<Result<_, _>>()?,
            body: Value::Object(members.collect()),
        })
    }

    /// The partner's name of the stock in an answer.
    pub(super) fn external_id(&self, answer: &[u8]) -> Option<ExternalId> {
        let answer: Value = serde_json::from_slice(answer).ok()?;
        match answer.pointer(self.external_id.as_ref()?)? {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.to_string().parse().ok(),
            _ => None,
        }
    }
}
