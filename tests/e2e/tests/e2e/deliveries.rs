//! Retries, dead letters and the order rule.

use std::time::Duration;

use devstack::{eventually, produce};
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);

async fn create(world: &World, id: &str) {
    let body = json!({"stockId": id, "productId": id, "quantity": 1000, "price": "500"});
    assert_eq!(
        world
            .call(Method::POST, "/stocks", &body)
            .await
            .unwrap()
            .status,
        201
    );
}

async fn reserve(world: &World, id: &str) {
    let body = json!({"quantityToReserve": 1, "reason": "order"});
    let path = format!("/stocks/{id}/reserve");
    assert_eq!(
        world.call(Method::POST, &path, &body).await.unwrap().status,
        200
    );
}

async fn price(world: &World, id: &str, price: &str) {
    let body = json!({"newPrice": price, "reason": "tick"});
    let path = format!("/stocks/{id}/price");
    assert_eq!(
        world.call(Method::PUT, &path, &body).await.unwrap().status,
        200
    );
}

async fn statuses(world: &World, stock: &str) -> Vec<(i64, i32, String)> {
    sqlx::query_as(
        "SELECT version, attempt, status FROM consumption_log WHERE stock_id = $1 ORDER BY id",
    )
    .bind(stock)
    .fetch_all(&world.acl_db)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_stock_holds_its_later_events_while_others_run_on() {
    let schedule = (
        "ACL__DELIVERY__RETRY",
        "[\"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\", \"300ms\"]",
    );
    let world = World::new("held", &[schedule]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    create(&world, "STK-held").await;
    create(&world, "STK-free").await;
    world.settled().await.unwrap();

    // The partner does what it is asked and answers 503 twice: the caller cannot know, and must repeat the same call.
    world.partner.inject(Fault {
        stock_id: Some("STK-held".to_owned()),
        endpoint: Some("stock-reserved".to_owned()),
        times: Some(2),
        status: Some(503),
        retry_after: Some(1),
        after_effect: true,
        ..Fault::default()
    });
    reserve(&world, "STK-held").await;
    eventually(PATIENCE, "the first attempt has failed", async || {
        statuses(&world, "STK-held")
            .await
            .iter()
            .any(|row| row.2 == "RETRY_SCHEDULED")
            .then_some(())
    })
    .await;
    reserve(&world, "STK-held").await;
    reserve(&world, "STK-held").await;
    reserve(&world, "STK-free").await;
    eventually(PATIENCE, "the other stock runs on", async || {
        let free = statuses(&world, "STK-free").await;
        (free.len() == 2).then_some(())
    })
    .await;
    let still_held: i64 = sqlx::query_scalar("SELECT count(*) FROM waiting_events")
        .fetch_one(&world.acl_db)
        .await
        .unwrap();
    assert!(
        still_held >= 1,
        "the free stock was delivered only after the held one"
    );
    world.settled().await.unwrap();

    let rows = statuses(&world, "STK-held").await;
    let expected = [
        (1, 1, "DELIVERED"),
        (2, 1, "RETRY_SCHEDULED"),
        (2, 2, "RETRY_SCHEDULED"),
        (2, 3, "DELIVERED"),
        (3, 1, "DELIVERED"),
        (4, 1, "DELIVERED"),
    ];
    let rows: Vec<_> = rows.iter().map(|(v, a, s)| (*v, *a, s.as_str())).collect();
    assert_eq!(rows, expected);
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    // Three calls of one key, one effect.
    assert_eq!(ledger.stocks["STK-held"].reserved_by_effects, 3);
    let retries = world.records("stock-retry-topic").unwrap();
    let mine: Vec<_> = retries
        .iter()
        .filter(|record| record.key == "STK-held")
        .collect();
    assert!(mine.len() >= 2, "{retries:?}");
    assert_eq!(mine[0].headers["vs_subscription"], "trading-partner");
    assert_eq!(mine[0].headers["vs_attempts"], "1");
    assert_eq!(
        mine[0].headers["vs_origin_topic"],
        world.topic("high-priority-updates")
    );
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_never_work_becomes_a_dead_letter_with_its_bytes_and_reason() {
    let world = World::new("dead", &[("ACL__DELIVERY__RETRY", "[\"20ms\", \"20ms\"]")])
        .await
        .unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    create(&world, "STK-A").await;
    create(&world, "STK-B").await;
    world.settled().await.unwrap();

    let refused = |id: &str, status| Fault {
        stock_id: Some(id.to_owned()),
        endpoint: Some("stock-reserved".to_owned()),
        status: Some(status),
        ..Fault::default()
    };
    world.partner.inject(refused("STK-A", 422));
    world.partner.inject(refused("STK-B", 500));
    reserve(&world, "STK-A").await;
    reserve(&world, "STK-B").await;
    let poison = b"\xff\x00 no event";
    let topic = world.topic("virtual-stock-updates");
    produce(
        &world.brokers,
        &topic,
        "STK-A",
        &[("ce_id", b"\xfe")],
        poison,
    )
    .unwrap();
    world.settled().await.unwrap();
    world.partner.heal();
    // The stocks are free again.
    price(&world, "STK-A", "501").await;
    price(&world, "STK-B", "502").await;
    world.settled().await.unwrap();
    let letters = eventually(
        PATIENCE,
        "three dead letters are on their topic",
        async || {
            let letters = world.records("stock-dead-letter-topic").ok()?;
            (letters.len() == 3).then_some(letters)
        },
    )
    .await;

    let refused = letters
        .iter()
        .find(|letter| letter.key == "STK-A" && letter.payload != poison)
        .unwrap();
    assert!(refused.headers["vs_reason"].contains("422"), "{refused:?}");
    assert_eq!(refused.headers["vs_attempts"], "1");
    assert_eq!(refused.json().unwrap()["operation"], "RESERVED");
    let exhausted = letters.iter().find(|letter| letter.key == "STK-B").unwrap();
    assert!(
        exhausted.headers["vs_reason"].contains("gave up after 3 attempts"),
        "{exhausted:?}"
    );
    let unreadable = letters
        .iter()
        .find(|letter| letter.payload == poison)
        .unwrap();
    assert!(
        unreadable.headers["vs_reason"].contains("ce_id"),
        "{unreadable:?}"
    );
    assert_eq!(unreadable.headers["vs_origin_topic"], topic);
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    assert_eq!(ledger.stocks["STK-A"].picture["price"], "501.00");
    let outcomes: Vec<(String, i64)> =
        sqlx::query_as("SELECT outcome, count(*) FROM outcomes GROUP BY 1 ORDER BY 1")
            .fetch_all(&world.acl_db)
            .await
            .unwrap();
    assert_eq!(
        outcomes,
        [("DEAD".to_owned(), 2), ("DELIVERED".to_owned(), 4)]
    );
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn after_an_outage_of_the_partner_the_newest_state_wins_and_every_effect_arrives() {
    let world = World::new("outage", &[("ACL__DELIVERY__PROBE_EVERY", "1s")])
        .await
        .unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.partner.inject(Fault {
        status: Some(503),
        ..Fault::default()
    });
    for n in 0..10 {
        let id = format!("STK-{n}");
        create(&world, &id).await;
        for tick in 0..5 {
            price(&world, &id, &format!("{}", 90 + tick)).await;
            reserve(&world, &id).await;
        }
    }
    eventually(PATIENCE, "the breaker is open", async || {
        let open: i64 =
            sqlx::query_scalar("SELECT count(*) FROM partners WHERE breaker_opened_at IS NOT NULL")
                .fetch_one(&world.acl_db)
                .await
                .ok()?;
        (open == 1).then_some(())
    })
    .await;
    world.partner.heal();
    world.settled().await.unwrap();

    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    for n in 0..10 {
        let stock = &ledger.stocks[&format!("STK-{n}")];
        assert_eq!(stock.version, 11);
        assert_eq!(stock.picture["price"], "94.00");
        assert_eq!(stock.picture["totalReserved"], 5);
        assert_eq!(stock.reserved_by_effects, 5);
    }
    let rest: i64 = sqlx::query_scalar("SELECT count(*) FROM waiting_events")
        .fetch_one(&world.acl_db)
        .await
        .unwrap();
    assert_eq!(rest, 0);
    // Once more, from the beginning: every event is known, and the partner is not called.
    let calls = ledger.calls.len();
    let events = world.records("high-priority-updates").unwrap();
    let again = &events[0];
    let headers: Vec<(&str, &[u8])> = again
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_bytes()))
        .collect();
    produce(
        &world.brokers,
        &world.topic("high-priority-updates"),
        &again.key,
        &headers,
        &again.payload,
    )
    .unwrap();
    eventually(PATIENCE, "the repeat is logged", async || {
        let duplicates: i64 =
            sqlx::query_scalar("SELECT count(*) FROM consumption_log WHERE status = 'DUPLICATE'")
                .fetch_one(&world.acl_db)
                .await
                .ok()?;
        (duplicates == 1).then_some(())
    })
    .await;
    assert_eq!(world.partner.ledger().calls.len(), calls);
    world.verify().unwrap();
}
