//! Lines of the log: each has a code that the catalogue knows, a request can be followed through both services, and no secret is in any.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use e2e::World;
use reqwest::Method;
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The sources of the services.
fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join("crates"), root().join("services")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() && name != "tests" && name != "fakes" {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]").next().unwrap();
                sources.push((path, code.to_owned()));
            }
        }
    }
    assert!(sources.len() > 100);
    sources
}

/// The lines of the log that a source writes at a level that is shown: what is between the macro's parentheses.
fn lines(source: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    for level in ["info", "warn", "error"] {
        for part in source.split(&format!("tracing::{level}!(")).skip(1) {
            let mut open = 1;
            let end = part.find(|c| {
                open += i32::from(c == '(') - i32::from(c == ')');
                open == 0
            });
            lines.push(&part[..end.unwrap()]);
        }
    }
    lines
}

/// The codes of the catalogue.
fn catalogue() -> BTreeSet<String> {
    let page = std::fs::read_to_string(root().join("docs/LOGGING.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split('`').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_line_has_a_code_and_the_catalogue_knows_it() {
    let catalogue = catalogue();
    let mut found = BTreeSet::new();
    for (path, source) in sources() {
        for line in lines(&source) {
            let line = line.trim();
            let path = path.display();
            assert!(line.starts_with("code"), "{path}: no code: {line}");
            if let Some(code) = line.strip_prefix("code = \"") {
                let code = code.split('"').next().unwrap();
                assert!(
                    catalogue.contains(code),
                    "{path}: {code} is not in docs/LOGGING.md"
                );
                found.insert(code.to_owned());
            }
        }
        // Codes that are chosen by what happened.
        for word in source.split('"').skip(1).step_by(2) {
            if catalogue.contains(word) {
                found.insert(word.to_owned());
            }
        }
    }
    assert_eq!(found, catalogue);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_through_both_services_and_no_secret_is_written() {
    let secret = "planted-secret-6d1f";
    let settings = [
        ("VIRTUAL_STOCK__LOG__FILTER", "debug"),
        ("ACL__LOG__FILTER", "debug"),
    ];
    let world = World::new("logs", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let traceparent = format!("00-{trace}-b7ad6b7169203331-01");
    let authorization = format!("Bearer {secret}");
    let headers = [
        ("x-correlation-id", "followed"),
        ("traceparent", traceparent.as_str()),
        ("authorization", authorization.as_str()),
        ("x-api-key", secret),
    ];
    let body = json!({"stockId": "STK-1", "productId": "P", "quantity": 10, "price": 1, "productName": secret});
    let created = world
        .call_with(Method::POST, "/stocks", &headers, body.to_string())
        .await
        .unwrap();
    assert_eq!(created.status, 201, "{created:?}");
    let body = json!({"quantityToReserve": 100, "reason": secret}).to_string();
    let refused = world
        .call_with(Method::POST, "/stocks/STK-1/reserve", &headers, body)
        .await
        .unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    world.settled().await.unwrap();

    let mut by_code = BTreeMap::<String, Vec<Value>>::new();
    for log in [world.virtual_stock.log(), world.acl.log()] {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(!text.contains(secret), "{text}");
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let line: Value = serde_json::from_str(line).unwrap();
            if let Some(code) = line["code"].as_str() {
                by_code.entry(code.to_owned()).or_default().push(line);
            }
        }
    }
    let codes = [
        "HTTP_REQUEST",
        "STOCK_CREATED",
        "BUSINESS_VALIDATION_FAILED",
        "EVENT_DELIVERED",
    ];
    for code in codes {
        let lines = by_code.get(code).unwrap();
        let followed = lines
            .iter()
            .find(|line| line["correlationId"] == "followed");
        let line = followed.unwrap_or_else(|| panic!("{code}: {lines:?}"));
        assert_eq!(line["traceId"], trace, "{line}");
    }
    assert_eq!(by_code["STOCK_CREATED"][0]["stockId"], "STK-1");
    assert_eq!(by_code["EVENT_DELIVERED"][0]["stockId"], "STK-1");
    assert!(by_code.contains_key("KAFKA_MESSAGE_PUBLISHED"));
    assert!(by_code.contains_key("PARTITIONS_ASSIGNED"));
}
