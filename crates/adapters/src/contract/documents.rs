//! The contract of events as documents for others, made of the types that write them.

use domain::stock::Operation;
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::contract::{header, v1::StockUpdated};

/// The JSON Schema (2020-12) of an event's value in contract version 1.
///
/// # Errors
/// A schema that is no JSON.
pub fn event_schema() -> Result<Value, serde_json::Error> {
    let mut types = vec![(StockUpdated::name().into_owned(), StockUpdated::schema())];
    StockUpdated::schemas(&mut types);
    let mut definitions = Map::new();
    for (name, schema) in types {
        definitions.insert(name, serde_json::to_value(schema)?);
    }
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:virtual-stock:stock-updated:v1",
        "title": "The value of a StockUpdatedEvent, version 1",
        "$ref": format!("#/components/schemas/{}", StockUpdated::name()),
        "$defs": definitions,
    });
    redirect(&mut document);
    Ok(document)
}

/// References point into the document itself, not into a description of an API.
fn redirect(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/components/schemas/") {
                *text = format!("#/$defs/{name}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redirect),
        Value::Object(members) => members.values_mut().for_each(redirect),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A topic and what it carries.
const TOPICS: [(&str, &str, &str); 4] = [
    (
        "highPriority",
        "high-priority-updates",
        "What partners must know first: valuable creations and price updates, and everything about reservations.",
    ),
    (
        "normal",
        "virtual-stock-updates",
        "Every event that is not of high priority.",
    ),
    (
        "critical",
        "critical-stock-events",
        "A copy of every event that brings a stock into LOW_STOCK or OUT_OF_STOCK.",
    ),
    (
        "audit",
        "stock-audit-logs",
        "A copy of every event: the one stream that is in order per stock.",
    ),
];

/// The events and their topics as an `AsyncAPI` 3.0 document, with the names of the shipped configuration.
#[must_use]
pub fn asyncapi() -> Value {
    let mut channels = Map::new();
    let mut operations = Map::new();
    for (name, address, description) in TOPICS {
        let channel = json!({
            "address": address,
            "description": description,
            "messages": {"stockUpdated": {"$ref": "#/components/messages/stockUpdated"}},
            "bindings": {"kafka": {"topic": address}},
        });
        channels.insert(name.to_owned(), channel);
        let send = json!({
            "action": "send",
            "channel": {"$ref": format!("#/channels/{name}")},
            "messages": [{"$ref": format!("#/channels/{name}/messages/stockUpdated")}],
        });
        operations.insert(format!("send-{address}"), send);
    }
    let types: Vec<String> = Operation::ALL
        .map(|operation| header::event_type(operation.as_str()))
        .into();
    let text = || json!({"type": "string"});
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "virtual-stock events",
            "version": "1",
            "description": "CloudEvents 1.0.2 in Kafka's binary mode. Every event reaches its topics at least once; per \
                            stock and topic, first occurrences are in the order of the versions, and a repeat is \
                            byte-identical. Within version 1 only optional members and new types of events are added: \
                            a reader ignores what it does not know.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": {"stockUpdated": {
            "title": "StockUpdatedEvent",
            "contentType": "application/json",
            "headers": {
                "type": "object",
                "properties": {
                    header::SPEC_VERSION: {"const": "1.0"},
                    header::ID: {"type": "string", "format": "uuid"},
                    header::SOURCE: text(),
                    header::TYPE: {"enum": types},
                    header::SUBJECT: text(),
                    header::TIME: {"type": "string", "format": "date-time"},
                    header::STOCK_VERSION: {"type": "string", "pattern": "^[1-9][0-9]*$"},
                    header::CORRELATION_ID: text(),
                    header::CONTENT_TYPE: {"const": "application/json"},
                    header::TRACEPARENT: text(),
                },
                "required": [
                    header::SPEC_VERSION, header::ID, header::SOURCE, header::TYPE, header::SUBJECT, header::TIME,
                    header::STOCK_VERSION, header::CORRELATION_ID, header::CONTENT_TYPE, header::TRACEPARENT,
                ],
            },
            "payload": {
                "schemaFormat": "application/schema+json;version=draft-2020-12",
                "schema": {"$ref": "stock-updated.v1/schema.json"},
            },
            "bindings": {"kafka": {"key": {"type": "string", "description": "The stock's id."}}},
        }}},
    })
}
