//! Every status that the description of the API promises, given by the running service.

mod refused;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use e2e::{Answer, World};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    credentials,
    operations::{JSON, Operation, operations},
};

/// What was answered, by operation.
#[derive(Default)]
struct Seen(Mutex<BTreeMap<String, BTreeSet<u16>>>);

impl Seen {
    fn note(&self, id: &str, status: u16) {
        let mut seen = self.0.lock().unwrap();
        seen.entry(id.to_owned()).or_default().insert(status);
    }
}

struct Caller<'a> {
    client: Client,
    world: &'a World,
    seen: &'a Seen,
    key: &'a str,
}

impl Caller<'_> {
    /// The operation with another path, body or headers.
    async fn call(
        &self,
        operation: &Operation,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut all = vec![
            ("x-api-key", self.key),
            ("content-type", operation.content_type),
        ];
        for header in headers {
            all.retain(|(name, _)| *name != header.0);
            all.push(*header);
        }
        let all: Vec<_> = all
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        // Pages about errors are not below the base of the API.
        let base = if operation.id == "problemPage" {
            ""
        } else {
            "/api/v1/virtual-stock"
        };
        let url = format!("http://{}{base}{path}", self.world.virtual_stock.http);
        let mut request = self
            .client
            .request(operation.method.clone(), url)
            .body(body);
        for (name, value) in all {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        self.seen.note(operation.id, status);
        // The stream of events does not end.
        let endless = operation.id == "streamEvents" && status == 200;
        let bytes = if endless {
            Vec::new()
        } else {
            response.bytes().await.unwrap().into()
        };
        Answer {
            status,
            headers,
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
            bytes,
        }
    }

    async fn as_it_should_be(&self, operation: &Operation) -> Answer {
        let path = operation.path.replace("HELD", &self.hold().await);
        self.call(operation, &path, &[], operation.text()).await
    }

    async fn hold(&self) -> String {
        let headers = [("x-api-key", self.key)];
        let body = json!({"quantityToReserve": 1, "reason": "r"}).to_string();
        let held = self
            .world
            .call_with(Method::POST, "/stocks/STK-1/reserve", &headers, body)
            .await
            .unwrap();
        held.text("reservationId").to_owned()
    }
}

const SCOPES: [&str; 4] = ["stock:read", "stock:write", "stock:reserve", "stock:admin"];

async fn world(name: &str, key: &str, nobody: &str, more: &[(&str, &str)]) -> World {
    let known = credentials::known(&[("all", key, &SCOPES), ("nobody", nobody, &[])]);
    let mut settings = vec![
        ("VIRTUAL_STOCK__AUTH__MODE", "required"),
        ("VIRTUAL_STOCK__AUTH__API_KEYS", known.as_str()),
        ("VIRTUAL_STOCK__AUTH__JWT__JWKS_URL", "http://127.0.0.1:9/"),
        ("VIRTUAL_STOCK__AUTH__JWT__ISSUER", "i"),
        ("VIRTUAL_STOCK__AUTH__JWT__AUDIENCE", "a"),
        ("VIRTUAL_STOCK__HTTP__BODY_TIMEOUT", "1s"),
    ];
    settings.extend(more);
    World::new(name, &settings).await.unwrap()
}

async fn create(world: &World, key: &str) {
    for n in 1..=2 {
        let body = json!({"stockId": format!("STK-{n}"), "productId": format!("P{n}"), "quantity": 100, "price": 1});
        let headers = [("x-api-key", key)];
        let answer = world
            .call_with(Method::POST, "/stocks", &headers, body.to_string())
            .await;
        assert_eq!(answer.unwrap().status, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_status_that_is_promised_is_given() {
    let (key, nobody) = ("k".repeat(40), "n".repeat(40));
    let seen = Seen::default();
    let one = world("statuses", &key, &nobody, &[]).await;
    let _one = one.start(&one.virtual_stock).await.unwrap();
    create(&one, &key).await;
    let caller = Caller {
        client: Client::builder().build().unwrap(),
        world: &one,
        seen: &seen,
        key: &key,
    };
    let promised: Value = {
        let url = format!("http://{}/api/openapi.json", one.virtual_stock.http);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    };
    let large = "x".repeat(20_000);
    // A token whose key nobody knows, and the issuer is away.
    let unknown = "Bearer eyJhbGciOiJFUzI1NiIsImtpZCI6ImsifQ.e30.AAAA";

    for operation in &operations() {
        let answer = caller.as_it_should_be(operation).await;
        assert_eq!(
            answer.status, operation.success,
            "{}: {answer:?}",
            operation.id
        );
        let path = operation.path.replace("HELD", "RSV-none");
        let text = operation.text();
        for (headers, body) in [
            (("x-correlation-id", "two words"), text.clone()),
            (("x-api-key", ""), text.clone()),
            (("x-api-key", nobody.as_str()), text.clone()),
            (("x-large", large.as_str()), text.clone()),
            (("content-type", "text/plain"), text.clone()),
            (("idempotency-key", "one"), text.clone()),
        ] {
            caller.call(operation, &path, &[headers], body).await;
        }
        caller
            .call(
                operation,
                &path,
                &[("x-api-key", ""), ("authorization", unknown)],
                text.clone(),
            )
            .await;
        if operation.method != Method::GET && operation.id != "import" {
            caller
                .call(operation, &path, &[], json!({"x": 1}).to_string())
                .await;
            caller
                .call(operation, &path, &[], "x".repeat(1_100_000))
                .await;
            refused::half(&caller, operation, &path).await;
        }
        // Of a wrong value, of a member that is known.
        if operation.id == "explainRouting" {
            let made = text.replace("CREATED", "MADE");
            caller.call(operation, &path, &[], made).await;
        }
        let nothing = path
            .replace("STK-1", "STK-none")
            .replace("STK-2", "STK-none")
            .replace("unavailable", "none");
        caller.call(operation, &nothing, &[], text.clone()).await;
        caller
            .call(operation, &path, &[("if-match", "\"999\"")], text.clone())
            .await;
        caller
            .call(operation, &path, &[("if-none-match", "*")], text.clone())
            .await;
        // A position of 1970.
        caller
            .call(operation, &path, &[("last-event-id", "MCAxOjE6")], text)
            .await;
    }
    refused::conflicts(&caller).await;

    let strict = world(
        "strict",
        &key,
        &nobody,
        &[("VIRTUAL_STOCK__STOCK__REQUIRE_PRECONDITION", "true")],
    )
    .await;
    let _strict = strict.start(&strict.virtual_stock).await.unwrap();
    create(&strict, &key).await;
    let limited = world(
        "limited",
        &key,
        &nobody,
        &[
            ("VIRTUAL_STOCK__RATE_LIMIT__PER_SECOND", "1"),
            ("VIRTUAL_STOCK__RATE_LIMIT__BURST", "1"),
        ],
    )
    .await;
    let _limited = limited.start(&limited.virtual_stock).await.unwrap();
    for world in [&strict, &limited] {
        let caller = Caller {
            client: Client::builder().build().unwrap(),
            world,
            seen: &seen,
            key: &key,
        };
        for operation in &operations() {
            // Often enough to be limited, however slow.
            for _ in 0..3 {
                let path = operation.path.replace("HELD", "RSV-none");
                caller.call(operation, &path, &[], operation.text()).await;
            }
        }
    }

    let seen = seen.0.lock().unwrap();
    assert_eq!(differences(&promised, &seen), Vec::<String>::new());
}

/// What is promised and was not given, and what was given and is not promised.
fn differences(promised: &Value, seen: &BTreeMap<String, BTreeSet<u16>>) -> Vec<String> {
    let mut differences = Vec::new();
    for methods in promised["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            let all: BTreeSet<u16> = operation["responses"]
                .as_object()
                .unwrap()
                .keys()
                .map(|status| status.parse().unwrap())
                .collect();
            let given = seen.get(id).cloned().unwrap_or_default();
            for status in all.difference(&given) {
                differences.push(format!("{id} never gave {status}"));
            }
            for status in given.difference(&all) {
                differences.push(format!("{id} gave {status}, which is not promised"));
            }
        }
    }
    differences
}

#[test]
fn a_planted_difference_is_found() {
    let responses = json!({"200": {}, "409": {}});
    let promised = json!({"paths": {"/a": {"get": {"operationId": "a", "responses": responses}}}});
    let seen = |statuses: &[u16]| {
        let statuses = statuses.iter().copied().collect();
        BTreeMap::from([("a".to_owned(), statuses)])
    };

    assert_eq!(
        differences(&promised, &seen(&[200, 409])),
        Vec::<String>::new()
    );
    assert_eq!(
        differences(&promised, &seen(&[200, 500])),
        ["a never gave 409", "a gave 500, which is not promised"]
    );
}
