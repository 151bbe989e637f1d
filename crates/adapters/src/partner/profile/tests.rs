//! What a profile makes of events, and what it refuses.

use domain::delivery::{ExternalStock, Ordering};
use serde_json::json;

use super::*;
use crate::contract::{decode, samples};

fn call(operation: &str, external: &ExternalStock) -> PartnerCall {
    let samples = samples().unwrap();
    let mut notifications = samples.iter().map(|record| decode(record).unwrap());
    let notification = notifications.find(|n| n.effect.operation() == operation);
    PartnerCall::of(&notification.unwrap(), external, Ordering::EveryEvent)
}

fn known() -> ExternalStock {
    ExternalStock {
        external_id: Some("EXT/1".parse().unwrap()),
        ..ExternalStock::default()
    }
}

fn profile(settings: Value) -> Result<Profile, String> {
    let settings: ProfileSettings = serde_json::from_value(settings).unwrap();
    let secrets = [("key".to_owned(), "s3cret".to_owned().into())].into();
    let profile = settings.profile("p", &secrets);
    profile.map_err(|error| error.to_string())
}

#[test]
fn names_become_values_with_their_types_and_what_has_none_is_left_out() {
    let profile = profile(json!({
        "creates": true,
        "external_id": "/id",
        "enrich": {"desk": {"by": "symbol", "values": {"AAPL": "tech"}, "otherwise": "other"}},
        "body": {"id": "{stockId}", "external": "{externalId}", "fixed": [1, true, null]},
        "calls": {"CREATED": {"method": "POST", "path": "/stocks", "body": {"deep": {"key": "{secret.key}"}}}, "default": {
            "method": "PUT",
            "path": "/stocks/{externalId}/{operation}",
            "body": {
                "units": "{units}",
                "text": "{{{symbol}}}: {units} units",
                "deep": {"desk": "{desk}", "price": "{unitPrice}", "key": "{secret.key}"},
            },
        }},
    }))
    .unwrap();
    let reserved = call("RESERVED", &known());
    let created = call("CREATED", &known());

    let translated = profile.translate(&reserved, Show::Everything).unwrap();

    assert_eq!(translated.path, ["stocks", "EXT/1", "RESERVED"]);
    assert_eq!(translated.endpoint, "/stocks/{externalId}/{operation}");
    assert_eq!(
        translated.body,
        json!({
            "id": "STK-001",
            "external": "EXT/1",
            "fixed": [1, true, null],
            "units": 50,
            "text": "{AAPL}: 50 units",
            "deep": {"desk": "tech", "price": "99.50", "key": "s3cret"},
        })
    );
    let shown = profile.translate(&created, Show::NoSecrets).unwrap().body;
    assert_eq!(shown["deep"]["key"], "<secret>");
    assert_eq!(shown.get("units"), None);
}

#[test]
fn a_path_without_a_value_makes_no_call() {
    let profile = profile(json!({
        "creates": true,
        "external_id": "/id",
        "calls": {
            "CREATED": {"method": "POST", "path": "/stocks"},
            "default": {"method": "PUT", "path": "/stocks/{externalId}"},
        },
    }))
    .unwrap();
    let named = |id: &str| ExternalStock {
        external_id: Some(id.parse().unwrap()),
        ..ExternalStock::default()
    };

    for external in [ExternalStock::default(), named("."), named("..")] {
        let call = call("PRICE_UPDATED", &external);
        let refused = profile.translate(&call, Show::Everything).unwrap_err();
        assert!(refused.contains("{externalId}"), "{refused}");
    }
}

#[test]
fn the_partners_name_is_where_the_profile_says() {
    let profile = profile(json!({
        "creates": true,
        "external_id": "/data/0/id",
        "calls": {"CREATED": {"method": "POST", "path": "/stocks"}},
    }))
    .unwrap();
    let name = |answer: Value| {
        let id = profile.external_id(answer.to_string().as_bytes());
        id.map(|id| id.to_string())
    };

    assert_eq!(
        name(json!({"data": [{"id": "X-1"}]})),
        Some("X-1".to_owned())
    );
    assert_eq!(name(json!({"data": [{"id": 17}]})), Some("17".to_owned()));
    assert_eq!(name(json!({"data": [{"id": null}]})), None);
    assert_eq!(name(json!({"data": []})), None);
    assert!(profile.tells("CREATED") && !profile.tells("RESERVED"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let calls = |call: Value| json!({"calls": {"default": call}});
    for (settings, named) in [
        (
            calls(json!({"method": "GET", "path": "/"})),
            "p.calls.default.method",
        ),
        (
            calls(json!({"method": "PUT", "path": "x"})),
            "p.calls.default.path",
        ),
        (
            calls(json!({"method": "PUT", "path": "/{nothing}"})),
            "p.calls.default.path knows no {nothing}",
        ),
        (
            calls(json!({"method": "PUT", "path": "/", "body": {"a": [{"b": "{c"}]}})),
            "p.calls.default.body.a.0.b has a brace",
        ),
        (
            calls(json!({"method": "PUT", "path": "/", "body": {"a": "{secret.other}"}})),
            "knows no {secret.other}",
        ),
        (
            calls(json!({"method": "PUT", "path": "/{externalId}"})),
            "p.calls.default.path cannot name {externalId}",
        ),
        (
            calls(json!({"method": "PUT", "path": "/a?b=c"})),
            "p.calls.default.path must have no query",
        ),
        (
            json!({"creates": true, "external_id": "id", "calls": {}}),
            "p.external_id must be a JSON pointer",
        ),
        (
            json!({"calls": {"SOLD": {"method": "PUT", "path": "/"}}}),
            "p.calls.SOLD is no operation",
        ),
        (json!({"creates": true, "calls": {}}), "p.external_id"),
        (
            json!({"creates": true, "external_id": "/id", "calls": {}}),
            "p.calls.CREATED",
        ),
        (
            json!({"enrich": {"x": {"by": "y", "values": {}}}, "calls": {}}),
            "p.enrich.x.by",
        ),
    ] {
        let error = profile(settings.clone()).unwrap_err();
        assert!(error.contains(named), "{settings}: {error}");
    }
}
