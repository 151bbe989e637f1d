//! Many operations in one request.

use e2e::World;
use reqwest::Method;
use serde_json::json;

use crate::stocks::{call, create, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_a_result_per_operation_and_a_wrong_one_changes_nothing() {
    let world = World::new("batches", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    create(&world, 1, json!({})).await;
    let operations = json!({"operations": [
        {"op": "create", "stockId": "STK-2", "productId": "P2", "quantity": 5, "price": 1},
        {"op": "create", "productId": "P2", "quantity": 5, "price": 1},
        {"op": "reserve", "stockId": "STK-2", "quantityToReserve": 5, "reason": "r"},
        {"op": "reserve", "stockId": "STK-2", "quantityToReserve": 1, "reason": "r"},
        {"op": "setQuantity", "stockId": "STK-1", "newQuantity": 7, "reason": "r", "expectedQuantity": 100},
        {"op": "adjust", "stockId": "STK-1", "delta": -8, "reason": "r"},
        {"op": "setPrice", "stockId": "STK-none", "newPrice": 1, "reason": "r"},
        {"op": "patch", "stockId": "STK-1", "symbol": "S"},
        {"op": "release", "reservationId": "RSV-none", "reason": "r"},
        {"op": "discontinue", "stockId": "STK-1", "reason": "r"},
    ]});
    let answer = with(
        &world,
        Method::POST,
        "/stocks/batch",
        ("idempotency-key", "b1"),
        operations.clone(),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let results = answer.body["results"].as_array().unwrap();
    let codes: Vec<_> = results
        .iter()
        .map(|result| {
            (
                result["status"].as_u64().unwrap(),
                result["body"]["code"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            (201, None),
            (409, Some("duplicate-product")),
            (200, None),
            (409, Some("insufficient-stock")),
            (200, None),
            (409, Some("insufficient-stock")),
            (404, Some("unknown-stock")),
            (200, None),
            (404, Some("unknown-reservation")),
            (200, None),
        ]
    );
    let again = with(
        &world,
        Method::POST,
        "/stocks/batch",
        ("idempotency-key", "b1"),
        operations,
    )
    .await;
    assert_eq!((again.status, again.bytes), (200, answer.bytes));
    let events = async || -> i64 {
        let count = sqlx::query_scalar("SELECT count(*) FROM outbox");
        count.fetch_one(&world.stocks_db).await.unwrap()
    };
    assert_eq!(events().await, 6);

    let many: Vec<_> = (0..501)
        .map(|_| json!({"op": "patch", "stockId": "STK-1"}))
        .collect();
    for (operations, pointer) in [
        (json!([]), "/operations"),
        (json!(many), "/operations"),
        (
            json!([{"op": "patch", "stockId": "STK-2", "symbol": "T"}, {"op": "make"}]),
            "/operations/1/op",
        ),
        (json!([{"stockId": "STK-2"}]), "/operations/0/op"),
        (
            json!([{"op": "adjust", "stockId": "STK-2", "delta": 1.5, "reason": "r"}]),
            "/operations/0/delta",
        ),
        (json!(["patch"]), "/operations/0"),
    ] {
        let answer = call(
            &world,
            Method::POST,
            "/stocks/batch",
            json!({"operations": operations}),
        )
        .await;
        assert_eq!(
            (answer.status, &answer.body["errors"][0]["pointer"]),
            (422, &json!(pointer))
        );
    }
    assert_eq!(events().await, 6);
    world.verify().unwrap();
}
