//! A stock is never sold twice, and clients that go away leave nothing behind.

use std::{sync::Arc, time::Duration};

use devstack::eventually;
use e2e::World;
use reqwest::Method;
use serde_json::json;
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet};

#[tokio::test(flavor = "multi_thread")]
async fn of_1_000_concurrent_reservations_of_1_on_100_units_exactly_100_are_accepted_20_times() {
    let world = Arc::new(World::new("race", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for round in 0..20 {
        let id = format!("STK-race{round}");
        world.stock(&id, 100).await.unwrap();

        let mut calls = JoinSet::new();
        for n in 0..1000 {
            let (world, id) = (Arc::clone(&world), id.clone());
            calls.spawn(async move {
                let body = json!({"quantityToReserve": 1, "reason": format!("order {n}")});
                let path = format!("/stocks/{id}/reserve");
                world.call(Method::POST, &path, &body).await.unwrap()
            });
        }
        let answers = calls.join_all().await;

        let with = |status| {
            let all = answers.iter().filter(|answer| answer.status == status);
            all.count()
        };
        assert_eq!((with(200), with(409)), (100, 900), "round {round}");
        let refused = answers.iter().find(|answer| answer.status == 409).unwrap();
        assert_eq!(refused.text("code"), "insufficient-stock");
        assert_eq!(refused.body["available"], 0);
        let remaining = answers.iter().filter_map(|a| a.body["remaining"].as_u64());
        let mut remaining: Vec<u64> = remaining.collect();
        remaining.sort_unstable();
        assert_eq!(remaining, (0..100).collect::<Vec<_>>());
    }
    let held: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT sum(reserved)::bigint FROM stocks),
             (SELECT sum(quantity)::bigint FROM reservations WHERE state = 'HELD'),
             (SELECT count(*) FROM outbox)",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(held, (2000, 2000, 2020));
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_clients_that_go_away_leave_no_transaction_behind() {
    const CLIENTS: usize = 10_000;
    const AT_ONCE: usize = 200;
    let world = Arc::new(World::new("expired", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..20 {
        world.stock(&format!("STK-{n}"), 1_000_000).await.unwrap();
    }
    let mut clients = JoinSet::new();
    for client in 0..AT_ONCE {
        let http = world.virtual_stock.http;
        clients.spawn(async move {
            for _ in 0..CLIENTS / AT_ONCE {
                let mut stream = TcpStream::connect(http).await.unwrap();
                let body = json!({"quantityToReserve": 1, "reason": "gone"}).to_string();
                let head = format!(
                    "POST /api/v1/virtual-stock/stocks/STK-{}/reserve HTTP/1.1\r\nhost: x\r\n\
                     content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    client % 20,
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
                let patience = Duration::from_micros(rand::random_range(0..20_000));
                tokio::time::sleep(patience).await;
            }
        });
    }
    clients.join_all().await;

    let idle = async || -> Option<(i64, i64)> {
        sqlx::query_as(
            "SELECT count(*) FILTER (WHERE state LIKE 'idle in transaction%'), count(*) FILTER (WHERE state = 'active')
             FROM pg_stat_activity
             WHERE datname = current_database() AND application_name LIKE 'virtual-stock%'",
        )
        .fetch_one(&world.stocks_db)
        .await
        .ok()
    };
    let minute = Duration::from_mins(1);
    eventually(minute, "all transactions have ended", async || {
        (idle().await? == (0, 0)).then_some(())
    })
    .await;
    // Whatever was carried out was carried out whole, and the service is as quick as before.
    let whole: bool = sqlx::query_scalar(
        "SELECT (SELECT sum(reserved) FROM stocks) = (SELECT sum(quantity) FROM reservations)
             AND (SELECT count(*) FROM reservations) + 20 = (SELECT count(*) FROM outbox)
             AND (SELECT count(*) FROM reservations) > 0",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert!(whole);
    let body = json!({"quantityToReserve": 1, "reason": "still here"});
    let answer = world
        .call(Method::POST, "/stocks/STK-0/reserve", &body)
        .await;
    assert_eq!(answer.unwrap().status, 200);
    world.verify().unwrap();
}
