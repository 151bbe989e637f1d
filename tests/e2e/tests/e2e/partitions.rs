//! More partitions for a topic with events in it, as `docs/CAPACITY.md` says.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use devstack::{committed, eventually};
use e2e::World;
use partner_sim::Demands;
use reqwest::Method;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;

use crate::targets::{demanding, enable};

const PATIENCE: Duration = Duration::from_mins(1);
const STOCKS: usize = 12;
const AUDIT: &str = "stock-audit-logs";
const BEFORE: usize = 2;
const AFTER: usize = 7;

/// The statements of the recipe, in their order.
fn recipe() -> [String; 2] {
    let document = include_str!("../../../../docs/CAPACITY.md");
    let statements = document.split("```sql\n").skip(1);
    let statements = statements.map(|rest| rest.split("```").next().unwrap().to_owned());
    let statements: Vec<_> = statements
        .filter(|sql| sql.contains("relay_checkpoint"))
        .collect();
    statements.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_topic_gets_partitions_and_a_reader_of_every_event_sees_each_stock_in_order() {
    let analytics = demanding(Demands::default()).await;
    let mut world = World::new("partitions", &[]).await.unwrap();
    enable(&mut world, "analytics_platform", &analytics, "");
    world.acl.set("ANALYTICS_KEY", "k3y");
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    for n in 0..STOCKS {
        world.stock(&format!("STK-{n}"), 1_000_000).await.unwrap();
    }
    let reserve = async |world: &World, n: usize| {
        let path = format!("/stocks/STK-{}/reserve", n % STOCKS);
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        let answer = world.call(Method::POST, &path, &body).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    for n in 0..5 * STOCKS {
        reserve(&world, n).await;
    }

    // What is on its way to the broker when the lease is taken would arrive later.
    eventually(PATIENCE, "every event is published", async || {
        let events = usize::try_from(world.events().await.ok()?).ok()?;
        (world.records(AUDIT).ok()?.len() == events).then_some(())
    })
    .await;

    // Nobody relays, commands go on, and what is on the topic is read to its end.
    let [hold, give_back] = recipe();
    let done = sqlx::query(AssertSqlSafe(hold)).execute(&world.stocks_db);
    assert_eq!(done.await.unwrap().rows_affected(), 1);
    let group = world.topic("analytics-consumer-group");
    let read = eventually(PATIENCE, "all that is published is read", async || {
        for n in 0..STOCKS {
            reserve(&world, n).await;
        }
        let published = world.records(AUDIT).ok()?.len();
        let offsets = committed(&world.brokers, &group, &world.topic(AUDIT)).ok()?;
        let read = usize::try_from(offsets.values().sum::<i64>()).ok()?;
        let events = usize::try_from(world.events().await.ok()?).ok()?;
        (read == published && published + 3 * STOCKS <= events).then_some(read)
    })
    .await;

    let (topic, wanted) = (world.topic(AUDIT), AFTER.to_string());
    let class = "org.apache.kafka.tools.TopicCommand";
    let alter = ["--alter", "--topic", &topic, "--partitions", &wanted];
    world.kafka(class, &alter).unwrap();
    let setting = "VIRTUAL_STOCK__TOPICS__AUDIT__PARTITIONS";
    world.virtual_stock.set(setting, &wanted);
    world.virtual_stock.ask(&["topics", "--check"]).unwrap();
    assert!(stock.terminate().unwrap().success());
    assert!(acl.terminate().unwrap().success());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    assert_eq!(
        world.records(AUDIT).unwrap().len(),
        read,
        "somebody relayed"
    );
    sqlx::query(AssertSqlSafe(give_back))
        .execute(&world.stocks_db)
        .await
        .unwrap();

    let world = Arc::new(world);
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
        clients.spawn(async move {
            let mut next = client;
            while !stop.load(Ordering::Relaxed) {
                reserve(&world, next).await;
                next += 5;
            }
        });
    }
    eventually(PATIENCE, "new partitions are written", async || {
        let records = world.records(AUDIT).ok()?;
        let new = records
            .iter()
            .filter(|record| usize::try_from(record.partition).unwrap() >= BEFORE);
        (new.count() > 10 * STOCKS).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }

    let events = world.events().await.unwrap();
    let told = "SELECT count(*) FROM outcomes WHERE subscription = 'analytics-platform'";
    eventually(PATIENCE, "every event is told", async || {
        let told = world.count(told).await.ok()?;
        (told == events).then_some(())
    })
    .await;
    let ledger = analytics.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    for n in 0..STOCKS {
        let id = format!("STK-{n}");
        let calls = ledger.calls.iter();
        let versions: Vec<u64> = calls
            .filter(|call| call.stock_id == id)
            .map(|call| call.body["stock"]["version"].as_u64().unwrap())
            .collect();
        let newest = versions.len() as u64;
        assert!(
            newest > 6 && versions.iter().copied().eq(1..=newest),
            "{id}: {versions:?}"
        );
    }
}
