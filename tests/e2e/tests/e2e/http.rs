//! Wrong input: a clear answer that names the field, and nothing half-written.

use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

fn pointers(answer: &Answer) -> Vec<String> {
    let errors = answer.body["errors"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let pointer = |error: Value| error["pointer"].as_str().unwrap().to_owned();
    errors.into_iter().map(pointer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_gets_problem_details_that_name_the_field_and_changes_nothing() {
    let world = World::new("http", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let body = json!({"stockId": "STK-1", "productId": "P", "quantity": 10, "price": "1.00"});
    world.call(Method::POST, "/stocks", &body).await.unwrap();
    world
        .call(
            Method::POST,
            "/stocks/STK-1/reserve",
            &json!({"quantityToReserve": 4, "reason": "r"}),
        )
        .await
        .unwrap();

    let (post, put, get) = (Method::POST, Method::PUT, Method::GET);
    let reason = "r".repeat(300);
    let cases = [
        (
            &post,
            "/stocks",
            json!({}),
            422,
            "validation-failed",
            &["/productId", "/quantity", "/price"][..],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "X", "quantity": -1, "price": 1}),
            422,
            "validation-failed",
            &["/quantity"],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "X", "quantity": 1.5, "price": 1}),
            422,
            "validation-failed",
            &["/quantity"],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "X", "quantity": 1, "price": "1.23456"}),
            422,
            "validation-failed",
            &["/price"],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "a b", "quantity": 1, "price": 1, "currency": "usd"}),
            422,
            "validation-failed",
            &["/productId", "/currency"],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "X", "quantity": 1, "price": 1, "qty": 2}),
            422,
            "validation-failed",
            &["/qty"],
        ),
        (&post, "/stocks", json!([1]), 400, "malformed-request", &[]),
        (
            &post,
            "/stocks",
            json!({"productId": "P", "quantity": 1, "price": 1}),
            409,
            "duplicate-product",
            &[],
        ),
        (
            &post,
            "/stocks",
            json!({"productId": "Q", "quantity": 1, "price": 1, "stockId": "STK-1"}),
            409,
            "duplicate-stock",
            &[],
        ),
        (
            &put,
            "/stocks/STK-1/quantity",
            json!({"newQuantity": 3, "reason": "r"}),
            409,
            "below-reserved",
            &[],
        ),
        (
            &put,
            "/stocks/STK-1/quantity",
            json!({"newQuantity": 30}),
            422,
            "validation-failed",
            &["/reason"],
        ),
        (
            &put,
            "/stocks/STK-1/price",
            json!({"newPrice": "x", "reason": reason}),
            422,
            "validation-failed",
            &["/newPrice", "/reason"],
        ),
        (
            &post,
            "/stocks/STK-1/reserve",
            json!({"quantityToReserve": 7, "reason": "r"}),
            409,
            "insufficient-stock",
            &[],
        ),
        (
            &post,
            "/stocks/STK-1/reserve",
            json!({"quantityToReserve": 0, "reason": "r"}),
            422,
            "validation-failed",
            &["/quantityToReserve"],
        ),
        (
            &post,
            "/stocks/STK-2/reserve",
            json!({"quantityToReserve": 1, "reason": "r"}),
            404,
            "unknown-stock",
            &[],
        ),
        (
            &post,
            "/stocks/nonsense/reserve",
            json!({"quantityToReserve": 1, "reason": "r"}),
            404,
            "unknown-stock",
            &[],
        ),
        (
            &get,
            "/stocks/STK-2",
            Value::Null,
            404,
            "unknown-stock",
            &[],
        ),
        (
            &get,
            "/stocks?limit=0",
            Value::Null,
            400,
            "bad-query",
            &["?limit"],
        ),
        (
            &get,
            "/stocks?status=FULL",
            Value::Null,
            400,
            "bad-query",
            &["?status"],
        ),
        (
            &get,
            "/stocks?cursor=%20",
            Value::Null,
            400,
            "bad-cursor",
            &["?cursor"],
        ),
        (
            &get,
            "/stocks?productId=%00",
            Value::Null,
            400,
            "bad-query",
            &["?productId"],
        ),
        (
            &get,
            "/stocks?page=2",
            Value::Null,
            400,
            "bad-query",
            &["?page"],
        ),
        (&get, "/nothing", Value::Null, 404, "unknown-route", &[]),
        (
            &Method::DELETE,
            "/stocks",
            Value::Null,
            405,
            "method-not-allowed",
            &[],
        ),
    ];
    for (method, path, body, status, code, named) in cases {
        let answer = world.call(method.clone(), path, &body).await.unwrap();

        assert_eq!(
            (answer.status, answer.text("code")),
            (status, code),
            "{method} {path} {body}: {answer:?}"
        );
        assert_eq!(pointers(&answer), named, "{method} {path} {body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.headers["x-request-id"], answer.text("requestId"));
        assert_eq!(answer.body["status"], status);
        assert!(answer.text("type").starts_with("/problems/"));
        assert!(!answer.text("detail").is_empty() && !answer.text("title").is_empty());
    }

    let refused = async |headers: &[(&str, &str)], body: String| {
        let answer = world
            .call_with(Method::POST, "/stocks", headers, body)
            .await
            .unwrap();
        (answer.status, answer.text("code").to_owned())
    };
    let large = format!("{{\"productId\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(
        refused(&[], large).await,
        (413, "body-too-large".to_owned())
    );
    let text = [("content-type", "text/plain")];
    assert_eq!(
        refused(&text, "{}".to_owned()).await,
        (415, "unsupported-media-type".to_owned())
    );
    let header = [("x-correlation-id", "two words")];
    assert_eq!(
        refused(&header, "{}".to_owned()).await,
        (400, "bad-header".to_owned())
    );
    assert_eq!(
        refused(&[], "{\"productId\":".to_owned()).await,
        (400, "malformed-request".to_owned())
    );

    let rows: (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM stocks), (SELECT count(*) FROM movements), (SELECT count(*) FROM outbox),
             (SELECT version FROM stocks WHERE stock_id = 'STK-1')",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(rows, (1, 2, 2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn stocks_are_listed_page_by_page_and_by_filter() {
    let world = World::new("list", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..7 {
        let body =
            json!({"productId": format!("P{n}"), "symbol": "SYM", "quantity": n, "price": n});
        assert_eq!(
            world
                .call(Method::POST, "/stocks", &body)
                .await
                .unwrap()
                .status,
            201
        );
    }

    let mut seen = Vec::new();
    let mut path = "/stocks?limit=3".to_owned();
    loop {
        let page = world.call(Method::GET, &path, &Value::Null).await.unwrap();
        let items = page.body["items"].as_array().unwrap().clone();
        seen.extend(items.into_iter().map(|item| item["productId"].clone()));
        let Some(cursor) = page.body["nextCursor"].as_str() else {
            break;
        };
        path = format!("/stocks?limit=3&cursor={cursor}");
    }
    let count = async |query: &str| {
        let page = world
            .call(Method::GET, &format!("/stocks?{query}"), &Value::Null)
            .await
            .unwrap();
        page.body["items"].as_array().unwrap().len()
    };

    assert_eq!(
        seen,
        (0..7).map(|n| json!(format!("P{n}"))).collect::<Vec<_>>()
    );
    assert_eq!(count("symbol=SYM").await, 7);
    assert_eq!(count("productId=P3&symbol=SYM").await, 1);
    assert_eq!(count("status=OUT_OF_STOCK").await, 1);
    assert_eq!(count("status=LOW_STOCK").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_what_is_up_and_wrong_settings_stop_the_start() {
    let world = World::new("health", &[]).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let manage = async |path: &str| world.manage(&world.virtual_stock, path).await.unwrap();

    let (status, health) = manage("/actuator/health").await;
    assert_eq!(status, 200);
    assert!(
        health.contains("\"database\":{\"status\":\"UP\"}"),
        "{health}"
    );
    assert!(health.contains("\"relay\""), "{health}");
    assert_eq!(manage("/actuator/health/liveness").await.0, 200);
    assert_eq!(manage("/actuator/health/readiness").await.0, 200);
    assert!(manage("/metrics").await.1.contains("http_requests_total"));
    world.virtual_stock.run("healthcheck").unwrap();
    world.virtual_stock.run("check-config").unwrap();

    // Nobody listens to this database's name: alive, and not ready.
    sqlx::query("ALTER TABLE stocks RENAME TO gone")
        .execute(&world.stocks_db)
        .await
        .unwrap();
    assert_eq!(manage("/actuator/health/readiness").await.0, 503);
    assert_eq!(manage("/actuator/health/liveness").await.0, 200);
    let answer = world
        .call(Method::GET, "/stocks", &Value::Null)
        .await
        .unwrap();
    assert_eq!(
        (answer.status, answer.text("code")),
        (500, "internal-error")
    );
    assert!(!answer.text("detail").contains("relation"), "{answer:?}");
    drop(stock);
    assert!(world.virtual_stock.run("healthcheck").is_err());

    drop(world);
    let wrong = World::new("wrong", &[]).await.unwrap();
    let mut service = wrong.virtual_stock.clone();
    service
        .settings
        .push(("VIRTUAL_STOCK__RELAY__LEASE".to_owned(), "soon".to_owned()));
    let error = service.run("serve").unwrap_err().to_string();
    assert!(error.contains("VIRTUAL_STOCK__RELAY__LEASE"), "{error}");

    service.set("VIRTUAL_STOCK__RELAY__LEASE", "2s");
    service.set("VIRTUAL_STOCK__DATABASE__URL", "mysql://here/there");
    let error = service.run("migrate").unwrap_err().to_string();
    assert!(error.contains("database.url"), "{error}");

    // Topics are checked, not changed.
    service.set("VIRTUAL_STOCK__TOPICS__NORMAL__PARTITIONS", "7");
    let error = service.run("topics").unwrap_err().to_string();
    assert!(error.contains("has 6 partitions, not 7"), "{error}");
}
