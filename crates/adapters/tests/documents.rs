//! The documents in `docs/contracts`: they are what the code makes of them, and nothing that others rely on is taken away.
//! `UPDATE_DOCUMENTS=1` writes them anew, unless that would break somebody.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::path::PathBuf;

use adapters::{
    contract::documents::{asyncapi, event_schema},
    http::{acl_openapi_document, openapi_document},
};
use serde_json::{Value, json};

fn file(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/contracts");
    PathBuf::from(folder).join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(file(name)).unwrap()).unwrap()
}

/// The document is what the file shows.
fn is_shown(name: &str, document: &Value) {
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        let text = serde_json::to_string_pretty(document).unwrap();
        std::fs::write(file(name), format!("{text}\n")).unwrap();
    }
    assert!(
        read(name) == *document,
        "docs/contracts/{name} is not what the code says: UPDATE_DOCUMENTS=1 writes it anew"
    );
}

/// What readers of values by `old` would miss, or not understand, in values by `new`.
fn breaking(old: &Value, new: &Value, at: &str, found: &mut Vec<String>) {
    for member in ["type", "format", "pattern", "$ref", "oneOf"] {
        if old.get(member) != new.get(member) {
            found.push(format!("{at}: {member} is another one"));
        }
    }
    for required in old["required"].as_array().into_iter().flatten() {
        let still = new["required"].as_array();
        if !still.is_some_and(|still| still.contains(required)) {
            found.push(format!(
                "{at}/{}: may be missing",
                required.as_str().unwrap()
            ));
        }
    }
    for (name, schema) in old["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match new["properties"].get(name) {
            Some(new) => breaking(schema, new, &at, found),
            None => found.push(format!("{at}: is gone")),
        }
    }
}

fn breaks(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, schema) in old["$defs"].as_object().unwrap() {
        match new["$defs"].get(name) {
            Some(new) => breaking(schema, new, name, &mut found),
            None => found.push(format!("{name}: is gone")),
        }
    }
    found
}

#[test]
fn the_descriptions_of_the_apis_are_what_the_code_says() {
    is_shown("openapi.json", &json!(openapi_document()));
    is_shown("acl-openapi.json", &json!(acl_openapi_document()));
}

#[test]
fn every_reference_in_the_descriptions_leads_somewhere_and_every_operation_has_a_name() {
    for document in [json!(openapi_document()), json!(acl_openapi_document())] {
        leads_somewhere(&document);
    }
}

fn leads_somewhere(document: &Value) {
    let mut references = Vec::new();
    collect(document, &mut references);
    assert!(references.len() > 50);
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|path| path.as_object().unwrap().values());
    let mut names: Vec<_> = operations
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            references.extend(reference.map(str::to_owned));
            for value in members.values() {
                collect(value, references);
            }
        }
        Value::Array(items) => {
            for value in items {
                collect(value, references);
            }
        }
        _ => {}
    }
}

#[test]
fn the_contract_of_events_is_what_the_code_says_and_breaks_nobody() {
    let schema = event_schema().unwrap();
    let broken = breaks(&read("stock-updated.v1/schema.json"), &schema);
    assert_eq!(
        broken,
        Vec::<String>::new(),
        "readers of version 1 rely on this"
    );

    is_shown("stock-updated.v1/schema.json", &schema);
    is_shown("asyncapi.json", &asyncapi());
}

#[test]
fn a_planted_break_is_found_and_an_addition_is_none() {
    let schema = event_schema().unwrap();
    let changed = |pointer: &str, value: Value| {
        let mut changed = schema.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        breaks(&schema, &changed)
    };
    let stock = "/$defs/StockView/properties";
    let mut gone = schema.pointer(stock).unwrap().clone();
    gone.as_object_mut().unwrap().remove("available");
    assert_eq!(changed(stock, gone), ["StockView/available: is gone"]);
    let text = json!("string");
    assert_eq!(
        changed(&format!("{stock}/quantity/type"), text),
        ["StockView/quantity: type is another one"]
    );
    let mut fewer = schema
        .pointer("/$defs/StockUpdated/required")
        .unwrap()
        .clone();
    fewer.as_array_mut().unwrap().retain(|name| name != "actor");
    assert_eq!(
        changed("/$defs/StockUpdated/required", fewer),
        ["StockUpdated/actor: may be missing"]
    );
    let mut more = schema.pointer(stock).unwrap().clone();
    more["addedLater"] = json!({"type": "string"});
    assert_eq!(changed(stock, more), Vec::<String>::new());
}

#[test]
fn every_sample_fits_the_schema_and_a_wrong_one_does_not() {
    let validator = jsonschema::validator_for(&read("stock-updated.v1/schema.json")).unwrap();
    let mut samples = 0;
    for entry in std::fs::read_dir(file("stock-updated.v1")).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("schema.json") {
            continue;
        }
        let sample: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let value = &sample["value"];
        let wrong: Vec<String> = validator
            .iter_errors(value)
            .map(|error| error.to_string())
            .collect();
        assert_eq!(wrong, Vec::<String>::new(), "{}", path.display());
        samples += 1;
        for (pointer, planted) in [
            ("/stock/quantity", json!("5")),
            ("/stock/status", json!("FULL")),
            ("/operation", json!("MADE")),
            ("/occurredAt", Value::Null),
        ] {
            let mut wrong = value.clone();
            *wrong.pointer_mut(pointer).unwrap() = planted;
            assert!(!validator.is_valid(&wrong), "{pointer}");
        }
    }
    assert_eq!(samples, domain::stock::Operation::ALL.len());
}
