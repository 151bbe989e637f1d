//! Orders over several stocks.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

async fn order(world: &World, body: Value) -> Answer {
    world
        .call(Method::POST, "/reservations", &body)
        .await
        .unwrap()
}

fn held(answer: &Answer) -> Vec<(String, u64)> {
    let all = answer.body["reservations"].as_array().cloned();
    let one = |held: Value| {
        let id = held["stockId"].as_str().unwrap().to_owned();
        (id, held["reserved"].as_u64().unwrap())
    };
    all.unwrap_or_default().into_iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_held_as_a_whole_or_not_at_all_unless_it_says_partial() {
    let world = World::new("orders", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    world.stock("STK-A", 10).await.unwrap();
    world.stock("STK-B", 5).await.unwrap();
    let line = |id: &str, units: u64| json!({"stockId": id, "quantity": units});

    // Lines on the same stock are summed.
    let whole = order(
        &world,
        json!({"lines": [line("STK-B", 2), line("STK-A", 3), line("STK-A", 1)], "clientOrderId": "o-1", "reason": "r"}),
    )
    .await;
    assert_eq!(whole.status, 201, "{whole:?}");
    assert_eq!(
        held(&whole),
        [("STK-A".to_owned(), 4), ("STK-B".to_owned(), 2)]
    );

    let lines = json!([line("STK-A", 6), line("STK-B", 4), line("STK-none", 1)]);
    let refused = order(&world, json!({"lines": lines})).await;
    assert_eq!(
        (refused.status, refused.text("code")),
        (409, "lines-refused")
    );
    let codes: Vec<_> = refused.body["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["stockId"].as_str().unwrap(),
                line["code"].as_str(),
                line["available"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        codes,
        [
            ("STK-A", None, None),
            ("STK-B", Some("insufficient-stock"), Some(3)),
            ("STK-none", Some("unknown-stock"), None)
        ]
    );
    let nothing: i64 = sqlx::query_scalar("SELECT count(*) FROM reservations")
        .fetch_one(&world.stocks_db)
        .await
        .unwrap();
    assert_eq!(nothing, 2);

    let partial = order(
        &world,
        json!({"lines": lines, "mode": "partial", "clientOrderId": "o-2"}),
    )
    .await;
    assert_eq!(partial.status, 201);
    assert_eq!(held(&partial), [("STK-A".to_owned(), 6)]);
    assert_eq!(partial.body["refused"].as_array().unwrap().len(), 2);
    let none = order(
        &world,
        json!({"lines": [line("STK-B", 4)], "mode": "partial"}),
    )
    .await;
    assert_eq!(none.status, 409);

    // An order is one of its client's, by whatever route it came.
    for (path, body) in [
        (
            "/reservations",
            json!({"lines": [line("STK-B", 1)], "clientOrderId": "o-1"}),
        ),
        (
            "/stocks/STK-B/reserve",
            json!({"quantityToReserve": 1, "reason": "r", "clientOrderId": "o-2"}),
        ),
    ] {
        let twice = world.call(Method::POST, path, &body).await.unwrap();
        assert_eq!((twice.status, twice.text("code")), (409, "duplicate-order"));
    }
    let found = world
        .call(Method::GET, "/reservations?clientOrderId=o-1", &Value::Null)
        .await
        .unwrap();
    assert_eq!(found.body["items"].as_array().unwrap().len(), 2);

    let many: Vec<_> = (0..101).map(|n| line(&format!("STK-{n}"), 1)).collect();
    for (body, pointer) in [
        (json!({"lines": []}), "/lines"),
        (json!({"lines": many}), "/lines"),
        (json!({"lines": [line("STK-A", 0)]}), "/lines/0/quantity"),
        (
            json!({"lines": [line("STK-A", 1), {"stockId": "A"}]}),
            "/lines/1/stockId",
        ),
        (
            json!({"lines": [line("STK-A", 1)], "mode": "some"}),
            "/mode",
        ),
    ] {
        let wrong = order(&world, body).await;
        assert_eq!(
            (wrong.status, &wrong.body["errors"][0]["pointer"]),
            (422, &json!(pointer))
        );
    }
    world.verify().unwrap();
}

/// 64 clients hold five random stocks of 20 at once, and let them go again, through two instances.
#[tokio::test(flavor = "multi_thread")]
async fn random_orders_of_64_clients_on_20_stocks_neither_deadlock_nor_fail() {
    const CLIENTS: usize = 64;
    const STOCKS: usize = 20;
    let world = Arc::new(World::new("deadlock", &[]).await.unwrap());
    let _one = world.start(&world.virtual_stock).await.unwrap();
    let other = world.virtual_stock.another().unwrap();
    let _other = world.start(&other).await.unwrap();
    for n in 0..STOCKS {
        world.stock(&format!("STK-{n}"), 25).await.unwrap();
    }
    let deadlocks = async || -> i64 {
        sqlx::query_scalar(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
        )
        .fetch_one(&world.stocks_db)
        .await
        .unwrap()
    };
    assert_eq!(deadlocks().await, 0);
    let end = Instant::now() + Duration::from_secs(30);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let world = Arc::clone(&world);
        let http = if client % 2 == 0 {
            world.virtual_stock.http
        } else {
            other.http
        };
        clients.spawn(async move {
            let (mut accepted, mut refused) = (0, 0);
            while Instant::now() < end {
                let lines: Vec<_> = (0..5)
                    .map(|_| {
                        let stock = rand::random_range(0..STOCKS);
                        json!({"stockId": format!("STK-{stock}"), "quantity": rand::random_range(1..4)})
                    })
                    .collect();
                let answer = world
                    .call_at(http, Method::POST, "/reservations", &json!({"lines": lines}))
                    .await
                    .unwrap();
                match answer.status {
                    201 => accepted += 1,
                    409 => refused += 1,
                    _ => panic!("{answer:?}"),
                }
                for held in answer.body["reservations"].as_array().into_iter().flatten() {
                    let id = held["reservationId"].as_str().unwrap();
                    let path = format!("/reservations/{id}/release");
                    let answer = world
                        .call_at(http, Method::POST, &path, &json!({"reason": "again"}))
                        .await
                        .unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                }
            }
            (accepted, refused)
        });
    }
    let counts = clients.join_all().await;
    let accepted: u64 = counts.iter().map(|(accepted, _)| accepted).sum();
    let refused: u64 = counts.iter().map(|(_, refused)| refused).sum();
    println!("{accepted} orders accepted, {refused} refused");
    assert!(
        accepted > 100 && refused > 0,
        "{accepted} accepted, {refused} refused"
    );
    assert_eq!(deadlocks().await, 0);
    let left: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(reserved)::bigint FROM stocks),
             (SELECT count(*) FROM reservations WHERE state = 'HELD')",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(left, (0, 0));
    world.verify().unwrap();
}
