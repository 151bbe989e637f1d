//! What a trading client does with stocks, besides reserving.

use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) async fn call(world: &World, method: Method, path: &str, body: Value) -> Answer {
    world.call(method, path, &body).await.unwrap()
}

async fn get(world: &World, path: &str) -> Answer {
    call(world, Method::GET, path, Value::Null).await
}

pub(crate) async fn with(
    world: &World,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Value,
) -> Answer {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    world
        .call_with(method, path, &[header], body)
        .await
        .unwrap()
}

pub(crate) async fn create(world: &World, n: usize, more: Value) {
    let mut body = json!({"stockId": format!("STK-{n}"), "productId": format!("P{n}"), "quantity": 100, "price": "2.50"});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = call(world, Method::POST, "/stocks", body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_made_at_the_version_the_client_knows_or_not_at_all() {
    let world = World::new("conditions", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    create(&world, 1, json!({})).await;
    let price = json!({"newPrice": "3", "reason": "r"});
    let put = async |tag: &str| {
        with(
            &world,
            Method::PUT,
            "/stocks/STK-1/price",
            ("if-match", tag),
            price.clone(),
        )
        .await
    };

    let first = get(&world, "/stocks/STK-1").await;
    assert_eq!(first.headers["etag"], "\"1\"");
    let second = put("\"1\"").await;
    assert_eq!(
        (second.status, &second.headers["etag"]),
        (200, &"\"2\"".parse().unwrap())
    );
    let stale = put("\"1\"").await;
    assert_eq!(
        (stale.status, stale.text("code")),
        (412, "precondition-failed")
    );
    assert_eq!(stale.body["currentVersion"], 2);
    assert_eq!(
        stale.body["current"],
        get(&world, "/stocks/STK-1").await.body
    );
    for (tag, status) in [
        ("*", 200),
        ("\"1\", \"3\"", 200),
        ("W/\"4\"", 412),
        ("\"x\"", 412),
        ("4", 400),
    ] {
        assert_eq!(put(tag).await.status, status, "{tag}");
    }
    let threshold = json!({"lowStockThreshold": 200});
    let patched = with(
        &world,
        Method::PATCH,
        "/stocks/STK-1",
        ("if-match", "\"4\""),
        threshold,
    )
    .await;
    assert_eq!((patched.status, patched.text("status")), (200, "LOW_STOCK"));

    // For clients that cannot send headers.
    let set = |expected| json!({"newQuantity": 90, "reason": "r", "expectedQuantity": expected});
    let path = "/stocks/STK-1/quantity";
    assert_eq!(call(&world, Method::PUT, path, set(99)).await.status, 412);
    assert_eq!(call(&world, Method::PUT, path, set(100)).await.status, 200);

    for (tag, status) in [
        ("\"6\"", 304),
        ("W/\"6\"", 304),
        ("\"5\", \"6\"", 304),
        ("*", 304),
        ("\"5\"", 200),
    ] {
        let answer = with(
            &world,
            Method::GET,
            "/stocks/STK-1",
            ("if-none-match", tag),
            Value::Null,
        )
        .await;
        assert_eq!(
            (answer.status, &answer.headers["etag"]),
            (status, &"\"6\"".parse().unwrap()),
            "{tag}"
        );
        assert_eq!(answer.bytes.is_empty(), status == 304);
    }

    let mut strict = world.virtual_stock.another().unwrap();
    strict.set("VIRTUAL_STOCK__STOCK__REQUIRE_PRECONDITION", "true");
    let _strict = world.start(&strict).await.unwrap();
    let at = async |method, path: &str, body| {
        world
            .call_at(strict.http, method, path, &body)
            .await
            .unwrap()
    };
    for (method, path, body) in [
        (Method::PUT, "/stocks/STK-1/price", price.clone()),
        (Method::PUT, path, json!({"newQuantity": 80, "reason": "r"})),
        (Method::PATCH, "/stocks/STK-1", json!({})),
    ] {
        let answer = at(method, path, body).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (428, "precondition-required")
        );
    }
    assert_eq!(at(Method::PUT, path, set(90)).await.status, 200);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_ledgers_figures_and_the_past() {
    let world = World::new("lists", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..7 {
        create(
            &world,
            n,
            json!({"productId": format!("P{}", 9 - n), "symbol": format!("S{}", n % 2)}),
        )
        .await;
    }
    // Page by page, by following the links.
    let mut path = "/stocks?limit=2&sort=-productId&symbol=S0".to_owned();
    let mut seen = Vec::new();
    loop {
        let page = get(&world, &path).await;
        assert_eq!(page.status, 200, "{page:?}");
        let items = page.body["items"].as_array().unwrap();
        seen.extend(
            items
                .iter()
                .map(|item| item["productId"].as_str().unwrap().to_owned()),
        );
        let Some(link) = page.headers.get("link") else {
            assert_eq!(page.body["nextCursor"], Value::Null);
            break;
        };
        let link = link.to_str().unwrap();
        let next = link.strip_prefix("</api/v1/virtual-stock").unwrap();
        path = next.strip_suffix(">; rel=\"next\"").unwrap().to_owned();
        assert!(path.contains(page.text("nextCursor")));
    }
    assert_eq!(seen, ["P9", "P7", "P5", "P3"]);
    let cursor = get(&world, "/stocks?limit=2")
        .await
        .text("nextCursor")
        .to_owned();
    for wrong in [
        format!("/stocks?sort=symbol&cursor={cursor}"),
        format!("/stocks/STK-1/movements?cursor={cursor}"),
        "/stocks?cursor=abc".to_owned(),
    ] {
        let answer = get(&world, &wrong).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (400, "bad-cursor"),
            "{wrong}"
        );
    }
    for wrong in [
        "/stocks?updatedSince=yesterday",
        "/stocks?sort=price",
        "/stocks?limit=501",
        "/stocks?limit=1&limit=2",
    ] {
        assert_eq!(
            get(&world, wrong).await.text("code"),
            "bad-query",
            "{wrong}"
        );
    }

    // A life, and every moment of it.
    let change = async |method, path: &str, body| {
        let answer = call(&world, method, path, body).await;
        assert!(answer.status < 300, "{answer:?}");
        answer
    };
    let adjusted = change(
        Method::POST,
        "/stocks/STK-1/adjustments",
        json!({"delta": -95, "reason": "damaged", "referenceUri": "claim:1"}),
    )
    .await;
    assert_eq!(
        (adjusted.status, &adjusted.body["quantityAfter"]),
        (201, &json!(5))
    );
    let details = json!({"symbol": "NEW", "productName": "New", "lowStockThreshold": 3});
    change(Method::PATCH, "/stocks/STK-1", details).await;
    change(
        Method::PUT,
        "/stocks/STK-1/quantity",
        json!({"newQuantity": 0, "reason": "sold"}),
    )
    .await;
    change(
        Method::POST,
        "/stocks/STK-1/discontinue",
        json!({"reason": "delisted"}),
    )
    .await;
    let again = call(
        &world,
        Method::POST,
        "/stocks/STK-1/discontinue",
        json!({"reason": "r"}),
    )
    .await;
    assert_eq!((again.status, again.text("code")), (409, "discontinued"));
    let ledger = get(&world, "/stocks/STK-1/movements?limit=500").await;
    let lines = ledger.body["items"].as_array().unwrap();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        (&lines[3]["reason"], &lines[3]["referenceUri"]),
        (&json!("damaged"), &json!("claim:1"))
    );
    let statuses = [
        "DISCONTINUED",
        "OUT_OF_STOCK",
        "AVAILABLE",
        "LOW_STOCK",
        "AVAILABLE",
    ];
    for (line, status) in lines.iter().zip(statuses) {
        let at = line["occurredAt"].as_str().unwrap();
        let then = get(&world, &format!("/stocks/STK-1?asOf={at}")).await;
        assert_eq!(then.body["version"], line["version"]);
        assert_eq!(then.text("status"), status);
        assert_eq!(then.text("updatedAt"), at);
        let new_name = line["version"].as_u64().unwrap() >= 3;
        assert_eq!(
            then.text("productName"),
            if new_name { "New" } else { "P8" }
        );
    }
    assert_eq!(
        get(&world, "/stocks/STK-1?asOf=2020-01-01T00:00:00Z")
            .await
            .status,
        404
    );
    assert_eq!(
        get(&world, "/stocks/STK-none?asOf=2020-01-01T00:00:00Z")
            .await
            .status,
        404
    );
    assert_eq!(get(&world, "/stocks/STK-none/movements").await.status, 404);

    change(
        Method::PUT,
        "/stocks/STK-2/quantity",
        json!({"newQuantity": 9, "reason": "r"}),
    )
    .await;
    change(
        Method::PUT,
        "/stocks/STK-3/quantity",
        json!({"newQuantity": 0, "reason": "r"}),
    )
    .await;
    change(
        Method::POST,
        "/stocks/STK-4/reserve",
        json!({"quantityToReserve": 7, "reason": "r"}),
    )
    .await;
    let low = get(&world, "/low-stock").await;
    let ids: Vec<_> = low.body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["stockId"])
        .collect();
    assert_eq!(ids, ["STK-2", "STK-3"]);
    let both = get(&world, "/stocks?status=OUT_OF_STOCK,DISCONTINUED").await;
    assert_eq!(both.body["items"].as_array().unwrap().len(), 2);
    let stats = get(&world, "/stats").await;
    assert_eq!(
        stats.body,
        json!({
            "stocks": 7,
            "byStatus": {"AVAILABLE": 4, "LOW_STOCK": 1, "OUT_OF_STOCK": 1, "DISCONTINUED": 1},
            "unitsReserved": 7,
            "totalValue": [{"amount": "1022.50", "currency": "USD"}],
        })
    );
    world.verify().unwrap();
}
