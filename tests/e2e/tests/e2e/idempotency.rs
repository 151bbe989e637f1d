//! A request that a client has named is carried out once.

use std::{collections::HashSet, sync::Arc};

use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::credentials;

async fn keyed(world: &World, method: Method, path: &str, key: &str, body: &Value) -> Answer {
    let headers = [("idempotency-key", key)];
    world
        .call_with(method, path, &headers, body.to_string())
        .await
        .unwrap()
}

fn replayed(answer: &Answer) -> bool {
    answer
        .headers
        .get("idempotent-replayed")
        .is_some_and(|value| value == "true")
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_duplicates_of_each_of_200_keys_have_one_effect_and_one_answer() {
    let world = Arc::new(World::new("keys", &[]).await.unwrap());
    let _one = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..10 {
        world.stock(&format!("STK-{n}"), 10_000).await.unwrap();
    }
    let mut answers: Vec<HashSet<(u16, Vec<u8>)>> = vec![HashSet::new(); 200];
    let mut replays = 0;
    // Twenty keys at once, fifty requests of each.
    for keys in (0..200).step_by(20) {
        let mut calls = JoinSet::new();
        for n in 0..20 * 50 {
            let world = Arc::clone(&world);
            calls.spawn(async move {
                let key = keys + n % 20;
                let body = json!({"quantityToReserve": 1, "reason": format!("order {key}")});
                let path = format!("/stocks/STK-{}/reserve", key % 10);
                let name = format!("key-{key}");
                (key, keyed(&world, Method::POST, &path, &name, &body).await)
            });
        }
        for (key, answer) in calls.join_all().await {
            replays += usize::from(replayed(&answer));
            answers[key].insert((answer.status, answer.bytes));
        }
    }
    for same in &answers {
        assert_eq!(same.len(), 1, "{same:?}");
        assert_eq!(same.iter().next().unwrap().0, 200);
    }
    assert_eq!(replays, 200 * 49);
    let kept: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM reservations), (SELECT sum(reserved)::bigint FROM stocks),
             (SELECT count(*) FROM idempotency_keys WHERE fingerprint IS NOT NULL)",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(kept, (200, 200, 200));
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_of_one_client() {
    let (key_a, key_b) = ("a".repeat(40), "b".repeat(40));
    let all = ["stock:read", "stock:write", "stock:reserve"];
    let known = credentials::known(&[("alice", &key_a, &all), ("bob", &key_b, &all)]);
    let settings = [
        ("VIRTUAL_STOCK__AUTH__MODE", "required"),
        ("VIRTUAL_STOCK__AUTH__API_KEYS", known.as_str()),
        ("VIRTUAL_STOCK__DATABASE__LOCK_TIMEOUT", "500ms"),
    ];
    let world = World::new("onekey", &settings).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let call = async |who: &str, key: &str, method: Method, path: &str, body: Value| {
        let headers = [("x-api-key", who), ("idempotency-key", key)];
        world
            .call_with(method, path, &headers, body.to_string())
            .await
            .unwrap()
    };
    let post = Method::POST;
    let new = json!({"stockId": "STK-1", "productId": "P", "quantity": 10, "price": 1});

    let first = call(&key_a, "k1", post.clone(), "/stocks", new.clone()).await;
    let again = call(&key_a, "\"k1\"", post.clone(), "/stocks", new.clone()).await;
    assert_eq!((first.status, replayed(&first)), (201, false));
    assert_eq!((again.status, replayed(&again)), (201, true));
    assert_eq!(again.bytes, first.bytes);
    for header in ["location", "etag", "content-type"] {
        assert_eq!(again.headers[header], first.headers[header]);
    }

    // Another body, path, method or condition is another request.
    let mut other = new.clone();
    other["quantity"] = json!(11);
    let price = json!({"newPrice": "2", "reason": "r"});
    for (method, path, body) in [
        (&post, "/stocks", &other),
        (&Method::PUT, "/stocks/STK-1/price", &price),
    ] {
        let reused = call(&key_a, "k1", method.clone(), path, body.clone()).await;
        assert_eq!(
            (reused.status, reused.text("code")),
            (422, "idempotency-key-reused")
        );
    }
    // Another client's key is another key.
    let bobs = call(&key_b, "k1", post.clone(), "/stocks", new.clone()).await;
    assert_eq!((bobs.status, bobs.text("code")), (409, "duplicate-product"));

    // A refusal is an answer too, and stays one even when it would not be one any more.
    let want = json!({"quantityToReserve": 11, "reason": "r"});
    let path = "/stocks/STK-1/reserve";
    let refused = call(&key_a, "k2", post.clone(), path, want.clone()).await;
    assert_eq!(refused.status, 409);
    let more = json!({"delta": 10, "reason": "r"});
    assert_eq!(
        call(
            &key_a,
            "k3",
            post.clone(),
            "/stocks/STK-1/adjustments",
            more.clone()
        )
        .await
        .status,
        201
    );
    assert_eq!(
        call(
            &key_a,
            "k3",
            post.clone(),
            "/stocks/STK-1/adjustments",
            more
        )
        .await
        .status,
        201
    );
    let still = call(&key_a, "k2", post.clone(), path, want.clone()).await;
    assert_eq!(
        (still.status, replayed(&still), &still.bytes),
        (409, true, &refused.bytes)
    );
    assert_eq!(
        call(&key_a, "k4", post.clone(), path, want.clone())
            .await
            .status,
        200
    );
    // What cannot be read is no request: the key stays free.
    assert_eq!(
        call(&key_a, "k5", post.clone(), path, json!({}))
            .await
            .status,
        422
    );
    assert_eq!(
        call(
            &key_a,
            "k5",
            post.clone(),
            path,
            json!({"quantityToReserve": 1, "reason": "r"})
        )
        .await
        .status,
        200
    );
    for wrong in ["", "a b", "\"\"", &"x".repeat(256)] {
        let answer = call(&key_a, wrong, post.clone(), path, want.clone()).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (400, "bad-header"),
            "{wrong:?}"
        );
    }

    // While another instance carries it out, the answer is 409; when that one fails, the key is free.
    let mut elsewhere = world.stocks_db.begin().await.unwrap();
    sqlx::query("INSERT INTO idempotency_keys (principal, key) VALUES ('alice', 'k6')")
        .execute(&mut *elsewhere)
        .await
        .unwrap();
    let one = json!({"quantityToReserve": 1, "reason": "r"});
    let busy = call(&key_a, "k6", post.clone(), path, one.clone()).await;
    assert_eq!(
        (busy.status, busy.text("code")),
        (409, "idempotency-key-in-use")
    );
    assert_eq!(busy.headers["retry-after"], "1");
    elsewhere.rollback().await.unwrap();
    assert_eq!(
        call(&key_a, "k6", post.clone(), path, one.clone())
            .await
            .status,
        200
    );

    // 5xx is never kept: while the stock is locked the answer is 503, and afterwards the request is carried out.
    let mut locked = world.stocks_db.begin().await.unwrap();
    sqlx::query("SELECT FROM stocks FOR UPDATE")
        .execute(&mut *locked)
        .await
        .unwrap();
    let down = call(&key_a, "k7", post.clone(), path, one.clone()).await;
    assert_eq!(down.status, 503);
    locked.rollback().await.unwrap();
    let up = call(&key_a, "k7", post.clone(), path, one.clone()).await;
    assert_eq!((up.status, replayed(&up)), (200, false));

    // Answers outlive the process.
    drop(stock);
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let after = call(&key_a, "k1", post.clone(), "/stocks", new).await;
    assert_eq!((after.status, replayed(&after)), (201, true));
    world.verify().unwrap();
}
