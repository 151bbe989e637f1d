//! What goes wrong with some events delays no others.

use std::time::{Duration, Instant};

use adapters::contract::{Envelope, TopicNames, WireEncoder};
use application::{ports::EventEncoder, stock::RequestContext};
use devstack::{NewRecord, Process, eventually, produce, produce_all};
use domain::stock::{NewStock, Quantity, Stamp, Stock};
use e2e::World;
use partner_sim::{Fault, Simulator};
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::targets::enable;

const PATIENCE: Duration = Duration::from_mins(3);
/// Below this a latency is noise of the machine, whatever it was before.
const NOISE_MS: f64 = 500.0;
const STOCKS: usize = 50;
/// How long one stock fails.
const FAILING: Duration = Duration::from_secs(150);

/// 99 of 100 events that were delivered between these times, to stocks whose names begin so, took at most so long from the
/// change to the partner's acknowledgement, in milliseconds.
async fn p99(world: &World, from: OffsetDateTime, prefix: &str) -> f64 {
    sqlx::query_scalar(
        "SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM finished_at - occurred_at) * 1000)
         FROM consumption_log
         WHERE subscription = 'trading-partner' AND status = 'DELIVERED' AND occurred_at >= $1
             AND starts_with(stock_id, $2)",
    )
    .bind(from)
    .bind(prefix)
    .fetch_one(&world.acl_db)
    .await
    .unwrap()
}

async fn database_time(world: &World) -> OffsetDateTime {
    sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&world.acl_db)
        .await
        .unwrap()
}

/// Some reservations a second on stocks whose names begin so; returns their p99 in milliseconds.
async fn load(world: &World, prefix: &str, long: Duration, mut each: impl FnMut(usize)) -> f64 {
    let from = database_time(world).await;
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < long {
        let path = format!("/stocks/{prefix}{}/reserve", n % STOCKS);
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        world.call(Method::POST, &path, &body).await.unwrap();
        each(n);
        n += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.settled_within(PATIENCE).await.unwrap();
    p99(world, from, prefix).await
}

async fn stocks(world: &World, prefix: &str) {
    for n in 0..STOCKS {
        world
            .stock(&format!("{prefix}{n}"), 1_000_000)
            .await
            .unwrap();
    }
    world.settled().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_dead_within_seconds_and_delays_no_others() {
    let world = World::alone("poison", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let _other = world.start(&world.acl.another().unwrap()).await.unwrap();
    stocks(&world, "STK-").await;
    let long = Duration::from_secs(10);
    let clean = load(&world, "STK-", long, |_| {}).await;
    let mut poisoned = 0;
    let topic = world.topic("high-priority-updates");
    let foul = load(&world, "STK-", long, |n| {
        if n % 100 == 0 {
            let payload = format!("{{\"poison\": {poisoned}}}");
            let sent =
                OffsetDateTime::from(std::time::SystemTime::now()).unix_timestamp_nanos() / 1000;
            let sent = sent.to_string();
            let headers = [("ce_id", &b"\xff"[..]), ("sent", sent.as_bytes())];
            produce(
                &world.brokers,
                &topic,
                &format!("P{n}"),
                &headers,
                payload.as_bytes(),
            )
            .unwrap();
            poisoned += 1;
        }
    })
    .await;
    assert!(poisoned >= 3);
    eventually(PATIENCE, "all poison is dead", async || {
        (world
            .count("SELECT count(*) FROM dead_letters WHERE published_at IS NOT NULL")
            .await
            .ok()?
            == poisoned)
            .then_some(())
    })
    .await;

    let letters = world.records("stock-dead-letter-topic").unwrap();
    let mut slowest = Duration::ZERO;
    for letter in &letters {
        assert!(letter.payload.starts_with(b"{\"poison\": "), "{letter:?}");
        assert!(letter.headers["vs_reason"].contains("ce_id"), "{letter:?}");
        assert_eq!(letter.headers["vs_origin_topic"], topic);
    }
    let rows: Vec<(serde_json::Value, OffsetDateTime)> =
        sqlx::query_as("SELECT headers, published_at FROM dead_letters")
            .fetch_all(&world.acl_db)
            .await
            .unwrap();
    for (headers, published_at) in rows {
        let headers = headers.as_array().unwrap();
        let sent = headers
            .iter()
            .find(|header| header["name"] == "sent")
            .unwrap();
        let sent: i128 = sent["text"].as_str().unwrap().parse().unwrap();
        let sent = OffsetDateTime::from_unix_timestamp_nanos(sent * 1000).unwrap();
        slowest = slowest.max((published_at - sent).unsigned_abs());
    }
    println!(
        "poison: {poisoned}, on its topic after at most {slowest:?}; p99 of the others {clean:.0} ms before, {foul:.0} ms meanwhile"
    );
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");
    assert!(
        foul <= (clean * 2.0).max(NOISE_MS),
        "{clean} ms, then {foul} ms"
    );
    assert_eq!(world.partner.ledger().violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_that_fails_for_long_delays_no_others() {
    // After the test has healed the partner, the stock is tried again soon.
    let schedule = format!("[\"1s\", \"5s\"{}]", ", \"20s\"".repeat(30));
    let world = World::alone("failing", &[("ACL__DELIVERY__RETRY", &schedule)])
        .await
        .unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let _other = world.start(&world.acl.another().unwrap()).await.unwrap();
    stocks(&world, "STK-").await;
    world.stock("STK-BAD", 1_000_000).await.unwrap();
    world.settled().await.unwrap();
    let clean = load(&world, "STK-", Duration::from_secs(20), |_| {}).await;
    world.partner.inject(Fault {
        stock_id: Some("STK-BAD".to_owned()),
        status: Some(500),
        ..Fault::default()
    });
    let from = database_time(&world).await;
    let began = Instant::now();
    let mut n = 0;
    while began.elapsed() < FAILING {
        let stock = if n % 10 == 0 {
            "BAD".to_owned()
        } else {
            (n % STOCKS).to_string()
        };
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        world
            .call(Method::POST, &format!("/stocks/STK-{stock}/reserve"), &body)
            .await
            .unwrap();
        n += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let held = world.count("SELECT count(*) FROM external_stocks WHERE due_at IS NOT NULL AND stock_id <> 'STK-BAD'").await;
    let failing = p99(&world, from, "STK-").await;
    let attempts = world.count("SELECT count(*) FROM consumption_log WHERE stock_id = 'STK-BAD' AND status = 'RETRY_SCHEDULED'").await.unwrap();
    let breaker = world
        .count("SELECT count(*) FROM partners WHERE breaker_opened_at IS NOT NULL")
        .await
        .unwrap();
    println!(
        "one stock failed {attempts} times in {FAILING:?}; p99 of the others {clean:.0} ms before, {failing:.0} ms meanwhile"
    );
    assert!(attempts >= 3, "it was tried {attempts} times");
    assert_eq!(breaker, 0, "one stock opened the breaker");
    assert!(held.unwrap() <= 5);
    assert!(
        failing <= (clean * 1.5).max(NOISE_MS),
        "{clean} ms, then {failing} ms"
    );

    world.partner.heal();
    world.settled_within(PATIENCE).await.unwrap();
    assert_eq!(world.partner.ledger().violations, Vec::<String>::new());
}

/// Events of the creation of so many stocks, as the stock service would send them.
fn created(count: usize) -> Vec<NewRecord> {
    let names = TopicNames {
        high_priority: String::new(),
        normal: String::new(),
        critical: String::new(),
        audit: String::new(),
    };
    let encoder = WireEncoder { topics: names };
    let context = RequestContext {
        actor: "backlog".parse().unwrap(),
        request_id: "backlog".into(),
        correlation_id: "backlog".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into(),
    };
    let at = OffsetDateTime::from(std::time::SystemTime::now());
    let event = |n: usize| {
        let stock = NewStock {
            id: format!("STK-backlog{n}").parse().unwrap(),
            product_id: format!("B{n}").parse().unwrap(),
            symbol: format!("B{n}").parse().unwrap(),
            product_name: format!("B{n}").parse().unwrap(),
            quantity: Quantity::try_from(1000_u64).unwrap(),
            unit_price: "1".parse().unwrap(),
            currency: "USD".parse().unwrap(),
            low_stock_threshold: Quantity::try_from(10_u64).unwrap(),
        };
        let stamp = Stamp {
            event_id: Uuid::from_u128(u128::try_from(n).unwrap() + 1),
            at,
            actor: "backlog".parse().unwrap(),
        };
        let created = Stock::create(stock, stamp);
        let message = encoder.encode(&created, &[], &context).unwrap();
        let headers = Envelope::from(&message).headers().unwrap().into_iter();
        let headers = headers.map(|(name, value)| (name.into_owned(), value.into_bytes()));
        (message.stock_id, headers.collect(), message.payload)
    };
    (0..count).map(event).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_critical_event_passes_a_hundred_thousand_normal_ones() {
    let alerts = Simulator::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    // A share of the machine for the backlog, as an operator would give it.
    let share = (
        "ACL__SUBSCRIPTIONS__TRADING_PARTNER__DELIVERY__CONCURRENCY",
        "16",
    );
    let mut world = World::alone("urgent", &[share]).await.unwrap();
    enable(&mut world, "alerts_webhook", &alerts, "/hook");
    let webhook = "ACL__SUBSCRIPTIONS__ALERTS_WEBHOOK__TARGET__SIGNATURE__SECRETS";
    world.acl.set(webhook, "[]");
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let acls = [world.acl.clone(), world.acl.another().unwrap()];
    let mut instances = Vec::new();
    for n in 0..100 {
        // Cheap, so that what is not critical about it is normal.
        world.stock(&format!("STK-urgent{n}"), 11).await.unwrap();
    }
    for acl in &acls {
        instances.push(world.start(acl).await.unwrap());
    }
    world.settled().await.unwrap();
    let backlog = created(100_000);
    let size = |(key, headers, payload): &NewRecord| {
        let headers = headers.iter().map(|(name, value)| name.len() + value.len());
        key.len() + headers.sum::<usize>() + payload.len()
    };
    let bytes: usize = backlog.iter().map(size).sum();
    let memory = || -> u64 {
        let memory = instances.iter().map(Process::peak_memory);
        memory.sum::<anyhow::Result<u64>>().unwrap()
    };
    let before = memory();
    let (brokers, topic) = (world.brokers.clone(), world.topic("virtual-stock-updates"));
    tokio::task::spawn_blocking(move || produce_all(&brokers, &topic, &backlog))
        .await
        .unwrap()
        .unwrap();

    let from = database_time(&world).await;
    let mut committed = std::collections::HashMap::new();
    for n in 0..100 {
        let body = json!({"quantityToReserve": 5, "reason": "run low"});
        let path = format!("/stocks/STK-urgent{n}/reserve");
        let answer = world.call(Method::POST, &path, &body).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        committed.insert(format!("STK-urgent{n}"), alerts.now_ms());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let calls = eventually(PATIENCE, "all alerts have arrived", async || {
        let calls = alerts.ledger().calls;
        (calls.len() == 100).then_some(calls)
    })
    .await;
    let mut latencies: Vec<u64> = calls
        .iter()
        .map(|call| call.at_ms.saturating_sub(committed[&call.stock_id]))
        .collect();
    latencies.sort_unstable();
    let alert = latencies[98];
    let done = world
        .count("SELECT count(*) FROM outcomes WHERE stock_id LIKE 'STK-backlog%'")
        .await
        .unwrap();
    eventually(PATIENCE, "the trading partner has the reservations, too", async || {
        let told = world.count("SELECT count(*) FROM consumption_log WHERE subscription = 'trading-partner' AND operation = 'RESERVED' AND status = 'DELIVERED'").await.ok()?;
        (told == 100).then_some(())
    })
    .await;
    let trading = p99(&world, from, "STK-urgent").await;
    let still = world
        .count("SELECT count(*) FROM outcomes WHERE stock_id LIKE 'STK-backlog%'")
        .await
        .unwrap();
    println!(
        "{done} of 100000 normal events done when the last alert had arrived; p99 of critical events {alert} ms, of urgent ones to the partner of the backlog {trading:.0} ms, {still} done by then"
    );
    assert!(done < 100_000, "there was no backlog any more");
    // Held in memory, each would be there as it was read and as it is understood.
    let grown = memory() - before;
    println!("two instances took {grown} bytes for a backlog of {bytes} bytes");
    assert!(grown < bytes as u64, "{grown} of {bytes} bytes");
    assert!(alert < 1000, "{alert} ms");
}
