//! Says where an event goes, and why.

use domain::stock::{Operation, Price, RoutingFacts, RoutingTable, Status};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::contract::{TopicNames, names};

/// What of an event decides where it goes; its other members do not matter.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ExplainedEvent {
    /// What was done.
    #[schema(schema_with = names::operations)]
    operation: String,
    /// The stock after it.
    stock: ExplainedStock,
    /// The stock before it; absent for a new one.
    #[serde(default)]
    previous: Option<ExplainedPrevious>,
}

/// The stock after the change.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedStock {
    /// Price of one unit, as a decimal string.
    #[schema(pattern = "^[0-9]{1,9}(\\.[0-9]{1,4})?$")]
    unit_price: String,
    /// Where it stands.
    #[schema(schema_with = names::statuses)]
    status: String,
}

/// The stock before the change.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ExplainedPrevious {
    /// Where it stood.
    #[schema(schema_with = names::statuses)]
    status: String,
}

/// Why an event cannot be explained.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// It is not the documented JSON.
    #[error("the event is not usable JSON")]
    Json(#[from] serde_json::Error),
    /// A member has an unusable value.
    #[error("{pointer} {why}")]
    Value {
        /// Which, as a JSON pointer.
        pointer: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// A rule that an event matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MatchedRule {
    /// The rule's name.
    pub rule: String,
    /// The topic that it sends the event to.
    pub topic: String,
    /// A copy, beside the topic that the deciding rule names.
    pub copy: bool,
}

/// Where an event goes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Explanation {
    /// The rules, the deciding one first.
    pub rules: Vec<MatchedRule>,
    /// The topics, each once.
    pub topics: Vec<String>,
}

fn named<T: Copy>(
    pointer: &'static str,
    name: &str,
    all: &[T],
    name_of: fn(T) -> &'static str,
) -> Result<T, ExplainError> {
    let found = all.iter().copied().find(|known| name_of(*known) == name);
    found.ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|known| name_of(*known)).collect();
        let why = format!("must be one of {}", names.join(", "));
        ExplainError::Value { pointer, why }
    })
}

/// Reads an event's value.
///
/// # Errors
/// [`ExplainError`] naming the member.
pub fn read(value: &[u8]) -> Result<RoutingFacts, ExplainError> {
    let event: ExplainedEvent = serde_json::from_slice(value)?;
    let operation = named(
        "/operation",
        &event.operation,
        &Operation::ALL,
        Operation::as_str,
    )?;
    let price: Result<Price, _> = event.stock.unit_price.parse();
    let price = price.map_err(|error| ExplainError::Value {
        pointer: "/stock/unitPrice",
        why: error.to_string(),
    })?;
    let status = |pointer, name: &str| named(pointer, name, &Status::ALL, Status::as_str);
    let after = status("/stock/status", &event.stock.status)?;
    let before = event.previous.as_ref();
    let before = before.map(|previous| status("/previous/status", &previous.status));
    let before = before.transpose()?;
    Ok(RoutingFacts {
        operation,
        unit_price: price.amount(),
        entered: (before != Some(after)).then_some(after),
    })
}

/// Where an event of these facts goes, and why.
#[must_use]
pub fn explain(facts: RoutingFacts, routing: &RoutingTable, topics: &TopicNames) -> Explanation {
    let rules = routing.matches(facts).map(|rule| MatchedRule {
        rule: rule.name.clone(),
        topic: topics.of(rule.stream).to_owned(),
        copy: rule.copy,
    });
    let rules: Vec<MatchedRule> = rules.collect();
    let mut topics: Vec<String> = Vec::new();
    for rule in &rules {
        if !topics.contains(&rule.topic) {
            topics.push(rule.topic.clone());
        }
    }
    Explanation { rules, topics }
}
