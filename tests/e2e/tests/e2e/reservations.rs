//! A stock is never sold twice.

use std::sync::Arc;

use e2e::World;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn of_200_concurrent_reservations_of_1_on_100_units_exactly_100_are_accepted() {
    let world = Arc::new(World::new("race", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let body = json!({"stockId": "STK-race", "productId": "RACE", "quantity": 100, "price": "1"});
    assert_eq!(
        world
            .call(Method::POST, "/stocks", &body)
            .await
            .unwrap()
            .status,
        201
    );

    let mut calls = JoinSet::new();
    for n in 0..200 {
        let world = Arc::clone(&world);
        calls.spawn(async move {
            let body = json!({"quantityToReserve": 1, "reason": format!("order {n}")});
            world
                .call(Method::POST, "/stocks/STK-race/reserve", &body)
                .await
                .unwrap()
        });
    }
    let answers = calls.join_all().await;

    let with = |status| {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .count()
    };
    assert_eq!((with(200), with(409)), (100, 100));
    let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
    assert_eq!(refused.text("code"), "insufficient-stock");
    assert_eq!(refused.body["available"], 0);
    let mut remaining: Vec<u64> = answers
        .iter()
        .filter_map(|a| a.body["remaining"].as_u64())
        .collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..100).collect::<Vec<_>>());
    let held: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT reserved FROM stocks), (SELECT sum(quantity)::bigint FROM reservations WHERE state = 'HELD'),
             (SELECT count(*) FROM outbox)",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(held, (100, 100, 101));
}
