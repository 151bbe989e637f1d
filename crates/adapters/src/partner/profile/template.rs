//! Texts and bodies with names between braces.
//!
//! `"{quantity}"` alone is the value with its type, and a member without a value is left out; `"{symbol} is {status}"`
//! is text; `{{` and `}}` are braces.

use std::collections::BTreeMap;

use application::ports::PartnerCall;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::{config::ConfigError, partner::profile::field::Field};

/// What is shown instead of a secret.
const MASK: &str = "<secret>";

/// Values that are looked up by a member of the event.
#[derive(Debug, Clone)]
pub(super) struct Enrichment {
    pub(super) by: Field,
    pub(super) values: BTreeMap<String, String>,
    pub(super) otherwise: Option<String>,
}

impl Enrichment {
    fn value(&self, call: &PartnerCall) -> Option<Value> {
        let key = text_of(&self.by.value(call)?);
        let found = self.values.get(&key).or(self.otherwise.as_ref());
        found.cloned().map(Value::String)
    }
}

/// What names in a template can mean, besides members of the event.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) enrichments: BTreeMap<String, Enrichment>,
    pub(super) secrets: Option<&'a BTreeMap<String, SecretString>>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Field(Field),
    Enriched(Enrichment),
    Secret(SecretString),
}

/// Text with names in it.
#[derive(Debug, Clone)]
pub(in crate::partner) struct Template {
    source: String,
    parts: Vec<Part>,
}

/// Whether secrets are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::partner) enum Show {
    /// To the partner.
    Everything,
    /// To people.
    NoSecrets,
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// [`ConfigError`] naming `setting` and the name that means nothing.
    pub(super) fn parse(setting: &str, text: &str, names: &Names<'_>) -> Result<Self, ConfigError> {
        let wrong = |why: String| ConfigError::invalid(setting, &why);
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                literal.push_str(&from[..1]);
                rest = after;
                continue;
            }
            let inner = from.strip_prefix('{').and_then(|open| open.split_once('}'));
            let (name, after) = inner.ok_or_else(|| {
                wrong("has a brace without its other half (write {{ or }} for a brace)".to_owned())
            })?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(names.find(name).ok_or_else(|| wrong(names.unknown(name)))?);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self {
            source: text.to_owned(),
            parts,
        })
    }

    /// Reads a template that names members of events only.
    ///
    /// # Errors
    /// [`ConfigError`] naming `setting` and the name that means nothing.
    pub(in crate::partner) fn plain(setting: &str, text: &str) -> Result<Self, ConfigError> {
        Self::parse(setting, text, &Names::default())
    }

    /// As it was written.
    pub(in crate::partner) fn source(&self) -> &str {
        &self.source
    }

    fn part(part: &Part, call: &PartnerCall, show: Show) -> Option<Value> {
        match part {
            Part::Text(text) => Some(Value::String(text.clone())),
            Part::Field(field) => field.value(call),
            Part::Enriched(enrichment) => enrichment.value(call),
            Part::Secret(secret) => Some(Value::String(match show {
                Show::Everything => secret.expose_secret().to_owned(),
                Show::NoSecrets => MASK.to_owned(),
            })),
        }
    }

    /// The text in a call; a name without a value gives nothing.
    pub(in crate::partner) fn text(&self, call: &PartnerCall, show: Show) -> String {
        let parts = self.parts.iter();
        parts
            .filter_map(|part| Self::part(part, call, show))
            .map(|value| text_of(&value))
            .collect()
    }

    /// The text in a call, if every name in it has a value.
    pub(super) fn whole(&self, call: &PartnerCall, show: Show) -> Option<String> {
        let parts = self.parts.iter();
        parts
            .map(|part| Some(text_of(&Self::part(part, call, show)?)))
            .collect()
    }

    fn value(&self, call: &PartnerCall, show: Show) -> Option<Value> {
        match self.parts.as_slice() {
            [part] => Self::part(part, call, show),
            _ => Some(Value::String(self.text(call, show))),
        }
    }
}

impl Names<'_> {
    fn find(&self, name: &str) -> Option<Part> {
        let field = Field::ALL.iter().find(|field| field.name() == name);
        if let Some(field) = field {
            return Some(Part::Field(*field));
        }
        if let Some(enrichment) = self.enrichments.get(name) {
            return Some(Part::Enriched(enrichment.clone()));
        }
        let secret = self.secrets?.get(name.strip_prefix("secret.")?)?;
        Some(Part::Secret(secret.clone()))
    }

    fn unknown(&self, name: &str) -> String {
        let fields = Field::ALL.iter().map(|field| field.name().to_owned());
        let enrichments = self.enrichments.keys().cloned();
        let secrets = self.secrets.into_iter().flat_map(BTreeMap::keys);
        let secrets = secrets.map(|name| format!("secret.{name}"));
        let known: Vec<String> = fields.chain(enrichments).chain(secrets).collect();
        format!("knows no {{{name}}}, only {}", known.join(", "))
    }
}

/// A JSON value with names in it.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Text(Template),
    Fixed(Value),
    List(Vec<Shape>),
    Object(Vec<(String, Shape)>),
}

impl Shape {
    /// Reads a value with names in it.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting below `setting`.
    pub(super) fn parse(
        setting: &str,
        value: &Value,
        names: &Names<'_>,
    ) -> Result<Self, ConfigError> {
        Ok(match value {
            Value::String(text) => Self::Text(Template::parse(setting, text, names)?),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let items = items
                    .map(|(index, item)| Self::parse(&format!("{setting}.{index}"), item, names));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Value::Object(members) => Self::Object(Self::members(setting, members, names)?),
            fixed => Self::Fixed(fixed.clone()),
        })
    }

    /// Reads the members of an object.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting below `setting`.
    pub(super) fn members(
        setting: &str,
        members: &Map<String, Value>,
        names: &Names<'_>,
    ) -> Result<Vec<(String, Self)>, ConfigError> {
        let member = |(name, value): (&String, &Value)| {
            let shape = Self::parse(&format!("{setting}.{name}"), value, names)?;
            Ok((name.clone(), shape))
        };
        members.iter().map(member).collect()
    }

    /// The value in a call; none if it is a name without a value.
    pub(super) fn value(&self, call: &PartnerCall, show: Show) -> Option<Value> {
        match self {
            Self::Text(template) => template.value(call, show),
            Self::Fixed(value) => Some(value.clone()),
            Self::List(items) => {
                let items = items.iter().filter_map(|item| item.value(call, show));
                Some(Value::Array(items.collect()))
            }
            Self::Object(members) => {
                let members = members
                    .iter()
                    .filter_map(|(name, shape)| Some((name.clone(), shape.value(call, show)?)));
                Some(Value::Object(members.collect()))
            }
        }
    }
}
