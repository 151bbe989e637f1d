//! Who may do what, and how much of it.

use std::{sync::Arc, time::Duration};

use devstack::eventually;
use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{
    credentials,
    issuer::{AUDIENCE, ISSUER, Issuer, Key, claims},
};

const SCOPES: &str = "stock:read stock:write stock:reserve stock:admin";

async fn get(world: &World, path: &str, token: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    world
        .call_with(Method::GET, path, &headers, String::new())
        .await
        .unwrap()
}

fn changed(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test(flavor = "multi_thread")]
async fn only_good_tokens_of_the_issuer_are_taken_and_unknown_keys_are_fetched_seldom() {
    let (first, second, stranger) = (Key::new("k1"), Key::new("k2"), Key::new("k1"));
    let issuer = Issuer::start(vec![first.clone()]).await;
    let settings = [
        ("VIRTUAL_STOCK__AUTH__MODE", "required"),
        (
            "VIRTUAL_STOCK__AUTH__JWT__JWKS_URL",
            issuer.jwks_url.as_str(),
        ),
        ("VIRTUAL_STOCK__AUTH__JWT__ISSUER", ISSUER),
        ("VIRTUAL_STOCK__AUTH__JWT__AUDIENCE", AUDIENCE),
        ("VIRTUAL_STOCK__AUTH__JWT__LEEWAY", "0s"),
        ("VIRTUAL_STOCK__AUTH__JWT__REFRESH", "2s"),
    ];
    let world = World::new("jwt", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let good = claims(SCOPES);
    let now = good["iat"].as_u64().unwrap();

    assert_eq!(get(&world, "/stocks", &first.sign(&good)).await.status, 200);
    let listed = changed(&good, "aud", json!(["other", AUDIENCE]));
    assert_eq!(
        get(&world, "/stocks", &first.sign(&listed)).await.status,
        200
    );
    let scp = changed(&without(&good, "scope"), "scp", json!(["stock:read"]));
    assert_eq!(get(&world, "/stocks", &first.sign(&scp)).await.status, 200);

    let secret = jsonwebtoken::EncodingKey::from_secret(b"k1");
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.kid = Some("k1".to_owned());
    let symmetric = jsonwebtoken::encode(&header, &good, &secret).unwrap();
    let unsigned = format!(
        "eyJhbGciOiJub25lIiwia2lkIjoiazEifQ.{}.",
        first.sign(&good).split('.').nth(1).unwrap()
    );
    for (what, token) in [
        ("another's key of the same name", stranger.sign(&good)),
        (
            "expired",
            first.sign(&changed(&good, "exp", json!(now - 10))),
        ),
        (
            "not yet",
            first.sign(&changed(&good, "nbf", json!(now + 600))),
        ),
        (
            "another issuer",
            first.sign(&changed(&good, "iss", json!("https://evil.example"))),
        ),
        (
            "another audience",
            first.sign(&changed(&good, "aud", json!("billing"))),
        ),
        ("no audience", first.sign(&without(&good, "aud"))),
        ("no issuer", first.sign(&without(&good, "iss"))),
        ("no end", first.sign(&without(&good, "exp"))),
        ("no subject", first.sign(&without(&good, "sub"))),
        ("a secret", symmetric),
        ("no signature", unsigned),
        ("nonsense", "a.b.c".to_owned()),
        ("nothing", String::new()),
    ] {
        let answer = get(&world, "/stocks", &token).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (401, "unauthenticated"),
            "{what}"
        );
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains("error=\"invalid_"),
            "{what}: {challenge}"
        );
    }
    let anonymous = world
        .call(Method::GET, "/stocks", &Value::Null)
        .await
        .unwrap();
    assert_eq!(anonymous.status, 401);
    assert_eq!(
        anonymous.headers["www-authenticate"],
        "Bearer realm=\"virtual-stock\""
    );

    // A new key of the issuer is found, and however many strange ones come, the issuer is asked seldom.
    issuer.rotate(vec![first.clone(), second.clone()]);
    let token = second.sign(&good);
    eventually(
        Duration::from_secs(20),
        "the new key is known",
        async || (get(&world, "/stocks", &token).await.status == 200).then_some(()),
    )
    .await;
    let before = issuer.fetches();
    let started = std::time::Instant::now();
    for n in 0..200 {
        let strange = Key::new(&format!("strange-{n}")).sign(&good);
        assert_eq!(get(&world, "/stocks", &strange).await.status, 401);
    }
    let most = 1 + usize::try_from(started.elapsed().as_secs() / 2).unwrap();
    let fetched = issuer.fetches() - before;
    assert!(fetched <= most, "{fetched} fetches, at most {most}");
    // Who acted is in the ledger.
    let authorization = format!("Bearer {token}");
    let body = json!({"stockId": "STK-1", "productId": "P", "quantity": 1, "price": 1});
    let headers = [("authorization", authorization.as_str())];
    let created = world
        .call_with(Method::POST, "/stocks", &headers, body.to_string())
        .await;
    assert_eq!(created.unwrap().status, 201);
    let ledger = get(&world, "/stocks/STK-1/movements", &token).await;
    assert_eq!(ledger.body["items"][0]["actor"], "trading-desk");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_asks_too_much_waits_and_others_do_not() {
    let (key_a, key_b) = ("a".repeat(40), "b".repeat(40));
    let known = credentials::known(&[
        ("alice", &key_a, &["stock:read"]),
        ("bob", &key_b, &["stock:read"]),
    ]);
    let settings = [
        ("VIRTUAL_STOCK__AUTH__MODE", "required"),
        ("VIRTUAL_STOCK__AUTH__API_KEYS", known.as_str()),
        ("VIRTUAL_STOCK__RATE_LIMIT__PER_SECOND", "1"),
        ("VIRTUAL_STOCK__RATE_LIMIT__BURST", "5"),
    ];
    let world = World::new("rate", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let list = async |key: &str| {
        let headers = [("x-api-key", key)];
        world
            .call_with(Method::GET, "/stocks", &headers, String::new())
            .await
            .unwrap()
    };

    let mut limited = None;
    for n in 0..20 {
        let answer = list(&key_a).await;
        assert_eq!(answer.headers["ratelimit-policy"], "\"default\";q=5;w=5");
        if answer.status == 429 {
            assert!(n >= 5, "refused after {n}");
            limited = Some(answer);
            break;
        }
        assert_eq!(answer.status, 200);
    }
    let limited = limited.unwrap();
    assert_eq!(limited.text("code"), "too-many-requests");
    assert_eq!(limited.headers["retry-after"], "1");
    assert_eq!(limited.headers["ratelimit"], "\"default\";r=0;t=1");
    assert_eq!(list(&key_b).await.status, 200);
    eventually(
        Duration::from_secs(10),
        "the client may come again",
        async || (list(&key_a).await.status == 200).then_some(()),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused_at_once_and_what_is_under_way_ends() {
    let settings = [
        ("VIRTUAL_STOCK__LIMITS__IN_FLIGHT", "8"),
        ("VIRTUAL_STOCK__DATABASE__LOCK_TIMEOUT", "3s"),
    ];
    let world = Arc::new(World::new("shed", &settings).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let body = json!({"stockId": "STK-1", "productId": "P", "quantity": 100, "price": 1});
    world.call(Method::POST, "/stocks", &body).await.unwrap();
    // Whoever reserves waits for this.
    let mut locked = world.stocks_db.begin().await.unwrap();
    sqlx::query("SELECT FROM stocks FOR UPDATE")
        .execute(&mut *locked)
        .await
        .unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let world = Arc::clone(&world);
        calls.spawn(async move {
            let body = json!({"quantityToReserve": 1, "reason": "r"});
            world
                .call(Method::POST, "/stocks/STK-1/reserve", &body)
                .await
                .unwrap()
        });
    }
    let mut refused = 0;
    while refused < 32 {
        let answer = calls.join_next().await.unwrap().unwrap();
        assert_eq!((answer.status, answer.text("code")), (503, "overloaded"));
        assert_eq!(answer.headers["retry-after"], "1");
        refused += 1;
    }
    locked.rollback().await.unwrap();
    let rest = calls.join_all().await;
    assert_eq!(rest.len(), 8);
    assert!(rest.iter().all(|answer| answer.status == 200), "{rest:?}");
}

/// Sends bytes and reads until the service closes the connection.
async fn raw(world: &World, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(world.virtual_stock.http).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_large_requests_are_cut_off_and_browsers_are_told_what_they_may() {
    let settings = [
        ("VIRTUAL_STOCK__HTTP__HEADER_TIMEOUT", "1s"),
        ("VIRTUAL_STOCK__HTTP__BODY_TIMEOUT", "1s"),
    ];
    let world = World::new("slow", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let base = "/api/v1/virtual-stock/stocks";

    // Headers that never end: the connection is closed.
    assert_eq!(
        raw(
            &world,
            format!("GET {base} HTTP/1.1\r\nhost: x\r\nx-").as_bytes()
        )
        .await,
        ""
    );
    // A body that never comes.
    let slow = format!(
        "POST {base} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    let answer = raw(&world, slow.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.contains("request-timeout"),
        "{answer}"
    );
    // Headers that are too large, to say so and to be cut off.
    let large = |bytes| {
        let header = "x".repeat(bytes);
        format!("GET {base} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-large: {header}\r\n\r\n")
    };
    let answer = raw(&world, large(20_000).as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 431") && answer.contains("headers-too-large"),
        "{answer}"
    );
    let answer = raw(&world, large(100_000).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    // Three are there already.
    let many = |headers: usize| {
        let more = "x-more: 1\r\n".repeat(headers - 3);
        format!("GET {base} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: */*\r\n{more}\r\n")
    };
    let answer = raw(&world, many(100).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = raw(&world, many(101).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");

    let answer = world
        .call(Method::GET, "/stocks", &Value::Null)
        .await
        .unwrap();
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(answer.headers[name], value, "{name}");
    }

    // The pages about the API name no other host, and may load nothing from one.
    let page = async |path: &str| {
        let url = format!("http://{}{path}", world.virtual_stock.http);
        let response = reqwest::get(url).await.unwrap();
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        (
            response.status().as_u16(),
            policy,
            response.text().await.unwrap(),
        )
    };
    let (status, policy, html) = page("/docs/").await;
    assert_eq!(status, 200);
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self'"),
        "{policy}"
    );
    assert!(
        !html.contains("http://") && !html.contains("https://"),
        "{html}"
    );
    let (status, _, start) = page("/docs/swagger-initializer.js").await;
    assert_eq!(status, 200);
    assert!(!start.contains("https://"), "{start}");
    let (status, _, about) = page("/problems/insufficient-stock").await;
    assert!(status == 200 && about.contains("soonestExpiry"), "{about}");
    assert_eq!(page("/problems/none").await.0, 404);
}
