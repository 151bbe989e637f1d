//! kill -9 and SIGTERM in the middle of the work.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use devstack::{check, eventually};
use e2e::World;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const STOCKS: usize = 12;
const CLIENTS: usize = 8;

/// Newest version and reserved units of each stock, as the database has them.
pub(crate) async fn stocks(world: &World) -> HashMap<String, (u64, i64)> {
    let rows: Vec<(String, i64, i64)> =
        sqlx::query_as("SELECT stock_id, version, reserved FROM stocks")
            .fetch_all(&world.stocks_db)
            .await
            .unwrap();
    let row = |(id, version, reserved): (String, i64, i64)| {
        (id, (u64::try_from(version).unwrap(), reserved))
    };
    rows.into_iter().map(row).collect()
}

/// Clients that change stocks until told to stop; returns the highest version of each stock that was acknowledged.
pub(crate) fn clients(world: &Arc<World>, stop: &Arc<AtomicBool>) -> JoinSet<HashMap<String, u64>> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (world, stop) = (Arc::clone(world), Arc::clone(stop));
        clients.spawn(async move {
            let mut acknowledged: HashMap<String, u64> = HashMap::new();
            while !stop.load(Ordering::Relaxed) {
                let id = format!("STK-{}", rand::random_range(0..STOCKS));
                let answer = match rand::random_range(0..3) {
                    0 => {
                        let body = json!({"newPrice": rand::random_range(50..200), "reason": "tick"});
                        world.call(Method::PUT, &format!("/stocks/{id}/price"), &body).await
                    }
                    1 => {
                        let body = json!({"newQuantity": 1_000_000 + rand::random_range(0..1000), "reason": "count"});
                        world.call(Method::PUT, &format!("/stocks/{id}/quantity"), &body).await
                    }
                    _ => {
                        let body = json!({"quantityToReserve": 1, "reason": "order"});
                        world.call(Method::POST, &format!("/stocks/{id}/reserve"), &body).await
                    }
                };
                // The service may be down: then the next command is tried.
                if let Some(version) = answer.ok().filter(|a| a.status == 200).and_then(|a| a.body["version"].as_u64()) {
                    let highest = acknowledged.entry(id).or_default();
                    *highest = version.max(*highest);
                } else {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            acknowledged
        });
    }
    clients
}

pub(crate) async fn progress(world: &World, events: i64) {
    let before: i64 = sqlx::query_scalar("SELECT count(*) FROM outcomes")
        .fetch_one(&world.acl_db)
        .await
        .unwrap();
    eventually(Duration::from_mins(1), "deliveries go on", async || {
        let now: i64 = sqlx::query_scalar("SELECT count(*) FROM outcomes")
            .fetch_one(&world.acl_db)
            .await
            .ok()?;
        (now >= before + events).then_some(())
    })
    .await;
}

/// Everything that was acknowledged is there, on the topics, and at the partner, once in effect.
pub(crate) async fn nothing_is_lost(world: &World, clients: JoinSet<HashMap<String, u64>>) {
    let acknowledged = clients.join_all().await;
    let stocks = stocks(world).await;
    for (id, version) in acknowledged.iter().flatten() {
        assert!(
            stocks[id].0 >= *version,
            "{id}: version {version} was acknowledged"
        );
    }
    world.settled_within(Duration::from_mins(2)).await.unwrap();

    let expected = stocks
        .iter()
        .map(|(id, (version, _))| (id.clone(), *version))
        .collect();
    let checked = check(&world.audit().unwrap(), &expected);
    println!("{checked:?}");
    assert_eq!(
        (checked.lost, checked.out_of_order, checked.different),
        (0, 0, 0)
    );
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    for (id, (version, reserved)) in &stocks {
        let partner = &ledger.stocks[id];
        assert_eq!(partner.version, *version, "{id}");
        assert_eq!(partner.reserved_by_effects, *reserved, "{id}");
        assert_eq!(partner.picture["totalReserved"], *reserved, "{id}");
    }
    let outcomes: (i64, i64) =
        sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE outcome = 'DEAD') FROM outcomes")
            .fetch_one(&world.acl_db)
            .await
            .unwrap();
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(&world.stocks_db)
        .await
        .unwrap();
    assert_eq!(outcomes, (events, 0));
}

pub(crate) async fn create(world: &World) {
    for n in 0..STOCKS {
        let body = json!({"stockId": format!("STK-{n}"), "productId": format!("P{n}"), "quantity": 1_000_000, "price": 100});
        assert_eq!(
            world
                .call(Method::POST, "/stocks", &body)
                .await
                .unwrap()
                .status,
            201
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_of_each_service_loses_nothing_and_effects_are_applied_once() {
    let world = Arc::new(World::new("crash", &[]).await.unwrap());
    let mut stock = world.start(&world.virtual_stock).await.unwrap();
    let mut acl = world.start(&world.acl).await.unwrap();
    create(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);

    for _ in 0..2 {
        progress(&world, 300).await;
        stock.kill_9().unwrap();
        stock = world.start(&world.virtual_stock).await.unwrap();
        progress(&world, 300).await;
        acl.kill_9().unwrap();
        acl = world.start(&world.acl).await.unwrap();
    }
    progress(&world, 300).await;
    stop.store(true, Ordering::Relaxed);

    nothing_is_lost(&world, clients).await;
    drop((stock, acl));
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_join_leave_and_die_lose_nothing_and_keep_the_order() {
    let world = Arc::new(World::new("rebalance", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _other_stock = world
        .start(&world.virtual_stock.another().unwrap())
        .await
        .unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    create(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);
    let another = world.acl.another().unwrap();

    progress(&world, 200).await;
    let leaves = world.start(&another).await.unwrap();
    progress(&world, 200).await;
    assert!(leaves.terminate().unwrap().success());
    progress(&world, 200).await;
    let dies = world.start(&another).await.unwrap();
    progress(&world, 200).await;
    dies.kill_9().unwrap();
    progress(&world, 200).await;
    stop.store(true, Ordering::Relaxed);

    nothing_is_lost(&world, clients).await;
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_nothing_acknowledged_is_lost() {
    let world = Arc::new(World::new("drain", &[]).await.unwrap());
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    create(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);
    progress(&world, 300).await;

    let status = stock.terminate().unwrap();
    assert!(status.success(), "{status}");
    let open: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM outbox, relay_checkpoint WHERE NOT pg_visible_in_snapshot(txid, window_from)",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!(open, 0, "what was committed was not relayed before the end");
    let status = acl.terminate().unwrap();
    assert!(status.success(), "{status}");
    let claimed: i64 =
        sqlx::query_scalar("SELECT count(*) FROM external_stocks WHERE claim IS NOT NULL")
            .fetch_one(&world.acl_db)
            .await
            .unwrap();
    assert_eq!(claimed, 0, "a delivery was left under way");

    stop.store(true, Ordering::Relaxed);
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    nothing_is_lost(&world, clients).await;
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_times_kill_9_of_one_of_two_instances_and_every_effect_is_applied_once() {
    let world = Arc::new(World::new("twenty", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let services = [world.acl.clone(), world.acl.another().unwrap()];
    let mut instances = Vec::new();
    for service in &services {
        instances.push(world.start(service).await.unwrap());
    }
    create(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);

    for kill in 0..20 {
        progress(&world, 40).await;
        let dies = instances.remove(0);
        dies.kill_9().unwrap();
        instances.push(world.start(&services[kill % 2]).await.unwrap());
    }
    progress(&world, 100).await;
    stop.store(true, Ordering::Relaxed);

    nothing_is_lost(&world, clients).await;
    world.verify().unwrap();
}
