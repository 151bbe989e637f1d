//! A partner that is down is left alone, by all instances together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use devstack::{Process, eventually};
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

const PATIENCE: Duration = Duration::from_mins(1);
const STOCKS: usize = 40;
/// Time between two probes.
const PROBE: Duration = Duration::from_secs(3);

/// Clients that reserve units until told to stop.
fn clients(world: &Arc<World>, stop: &Arc<AtomicBool>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for client in 0..4 {
        let (world, stop) = (Arc::clone(world), Arc::clone(stop));
        clients.spawn(async move {
            let mut next = client;
            while !stop.load(Ordering::Relaxed) {
                let path = format!("/stocks/STK-{}/reserve", next % STOCKS);
                let body = json!({"quantityToReserve": 1, "reason": "order"});
                world.call(Method::POST, &path, &body).await.unwrap();
                next += 7;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    clients
}

/// The stock service and two instances of acl, with stocks that the partner knows.
async fn two_instances(world: &World) -> [Process; 3] {
    let another = world.acl.another().unwrap();
    let running = [
        world.start(&world.virtual_stock).await.unwrap(),
        world.start(&world.acl).await.unwrap(),
        world.start(&another).await.unwrap(),
    ];
    for n in 0..STOCKS {
        world.stock(&format!("STK-{n}"), 1_000_000).await.unwrap();
    }
    world.settled().await.unwrap();
    running
}

/// Breaks the partner, and returns how many calls it got until it was left alone, and how many in the time after that.
async fn outage(world: &World, fault: Fault, long: Duration) -> (usize, usize) {
    let calls = || world.partner.look(|ledger| ledger.calls.len());
    world.partner.inject(fault);
    let before = calls();
    world
        .counts(
            "the breaker is open",
            "SELECT count(*) FROM partners WHERE breaker_opened_at IS NOT NULL",
            1,
        )
        .await;
    // Calls that were under way are over, and the other instance has looked.
    let settled = Instant::now() + Duration::from_millis(1200);
    eventually(PATIENCE, "the calls under way are over", async || {
        (Instant::now() >= settled).then_some(())
    })
    .await;
    let opened = calls();
    let counted = world
        .count("SELECT COALESCE(sum(counted), 0)::bigint FROM waiting_events")
        .await
        .unwrap();
    let until = Instant::now() + long;
    eventually(PATIENCE, "time goes by", async || {
        (Instant::now() >= until).then_some(())
    })
    .await;
    let after = calls();
    let still = world
        .count("SELECT COALESCE(sum(counted), 0)::bigint FROM waiting_events")
        .await
        .unwrap();
    assert_eq!(still, counted, "probes cost attempts");
    (opened - before, after - opened)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_is_down_gets_one_call_a_probe_and_loses_nothing() {
    let settings = [("ACL__DELIVERY__PROBE_EVERY", "3s")];
    let world = Arc::new(World::new("breaker", &settings).await.unwrap());
    let _running = two_instances(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);

    for (what, fault) in [
        (
            "503",
            Fault {
                status: Some(503),
                ..Fault::default()
            },
        ),
        (
            "reset",
            Fault {
                reset: true,
                ..Fault::default()
            },
        ),
        (
            "reset after the effect",
            Fault {
                reset: true,
                after_effect: true,
                ..Fault::default()
            },
        ),
        (
            "401",
            Fault {
                status: Some(401),
                ..Fault::default()
            },
        ),
    ] {
        let long = PROBE * 4;
        let (opening, probes) = outage(&world, fault, long).await;
        println!("{what}: {opening} calls until it was open, then {probes} in {long:?}");
        assert!(
            opening <= 20,
            "{what}: {opening} calls until the breaker was open"
        );
        assert!(
            (1..=5).contains(&probes),
            "{what}: {probes} probes in {long:?}"
        );
        world.partner.heal();
        let healed = Instant::now();
        world
            .counts(
                "the breaker is closed",
                "SELECT count(*) FROM partners WHERE breaker_opened_at IS NOT NULL",
                0,
            )
            .await;
        world
            .counts(
                "nothing is held",
                "SELECT count(*) FROM external_stocks WHERE due_at < now() - interval '1 second'",
                0,
            )
            .await;
        let steady = healed.elapsed();
        println!("{what}: steady after {steady:?}");
        assert!(steady < Duration::from_mins(1), "{what}: {steady:?}");
    }

    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    world.settled().await.unwrap();
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    let reserved: Vec<(String, i64)> = sqlx::query_as("SELECT stock_id, reserved FROM stocks")
        .fetch_all(&world.stocks_db)
        .await
        .unwrap();
    for (stock, reserved) in reserved {
        assert_eq!(
            ledger.stocks[&stock].reserved_by_effects, reserved,
            "{stock}"
        );
    }
    let dead = world
        .count("SELECT count(*) FROM dead_letters")
        .await
        .unwrap();
    assert_eq!(dead, 0);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_asks_to_be_left_alone_is_and_hanging_calls_end() {
    let world = World::new("wishes", &[("ACL__DELIVERY__PROBE_EVERY", "1s")])
        .await
        .unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    for n in 0..10 {
        world.stock(&format!("STK-{n}"), 100).await.unwrap();
    }
    world.settled().await.unwrap();
    let reserve = async |n: usize| {
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        world
            .call(Method::POST, &format!("/stocks/STK-{n}/reserve"), &body)
            .await
            .unwrap();
    };

    // 429 with Retry-After holds for all stocks, not only for the one that was asked for.
    world.partner.inject(Fault {
        status: Some(429),
        retry_after: Some(2),
        times: Some(1),
        ..Fault::default()
    });
    reserve(0).await;
    world
        .counts(
            "it was asked to wait",
            "SELECT count(*) FROM waiting_events",
            1,
        )
        .await;
    for n in 1..10 {
        reserve(n).await;
    }
    world.settled().await.unwrap();
    let calls = world.partner.ledger().calls;
    let refused = calls.iter().find(|call| call.status == 429).unwrap();
    let next = calls
        .iter()
        .find(|call| call.at_ms > refused.at_ms)
        .unwrap();
    assert!(
        next.at_ms >= refused.at_ms + 1900,
        "{} ms",
        next.at_ms - refused.at_ms
    );

    // A call that hangs is given up, and made again: one effect.
    world.partner.inject(Fault {
        hang: true,
        after_effect: true,
        times: Some(1),
        ..Fault::default()
    });
    reserve(3).await;
    world.settled().await.unwrap();
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    assert_eq!(ledger.stocks["STK-3"].reserved_by_effects, 2);
    let hung = world.count("SELECT count(*) FROM consumption_log WHERE error LIKE '%in time%' AND response_code IS NULL").await;
    assert_eq!(hung.unwrap(), 1);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_with_a_rate_gets_no_more_calls_than_that() {
    let settings = [
        ("ACL__SUBSCRIPTIONS__TRADING_PARTNER__DELIVERY__RATE", "20"),
        (
            "ACL__SUBSCRIPTIONS__TRADING_PARTNER__DELIVERY__CONCURRENCY",
            "64",
        ),
    ];
    let world = World::new("paced", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..60 {
        world.stock(&format!("STK-{n}"), 100).await.unwrap();
    }
    let _acl = world.start(&world.acl).await.unwrap();
    world.settled().await.unwrap();

    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    let times: Vec<u64> = ledger.calls.iter().map(|call| call.at_ms).collect();
    for window in times.windows(21) {
        // Twenty calls a second, and one that was at the edge.
        let long = window[20] - window[0];
        assert!(long >= 900, "21 calls in {long} ms");
    }
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_hangs_gets_what_was_under_way_and_then_one_call_a_probe() {
    let settings = [
        ("ACL__DELIVERY__PROBE_EVERY", "3s"),
        ("ACL__DELIVERY__CONCURRENCY", "8"),
    ];
    let world = Arc::new(World::new("hanging", &settings).await.unwrap());
    let _running = two_instances(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);

    let hang = Fault {
        hang: true,
        ..Fault::default()
    };
    let (opening, probes) = outage(&world, hang, PROBE * 4).await;
    println!("hanging: {opening} calls until it was open, then {probes}");
    // Eight at once and instance, and a few of those that took their places.
    assert!(opening <= 20, "{opening} calls until the breaker was open");
    assert!((1..=5).contains(&probes), "{probes} probes");

    world.partner.heal();
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await;
    world.settled().await.unwrap();
    assert_eq!(world.partner.ledger().violations, Vec::<String>::new());
    let dead = world.count("SELECT count(*) FROM dead_letters").await;
    assert_eq!(dead.unwrap(), 0);
    world.verify().unwrap();
}
