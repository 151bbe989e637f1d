//! A cluster that stood still, and comes back: for a moment it names no broker, and a client that asks just then forgets all of them.

use std::time::{Duration, Instant};

use devstack::{eventually, fresh_kafka, home};
use e2e::World;
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::json;

const PATIENCE: Duration = Duration::from_mins(1);
/// After so long the cluster takes its broker for dead.
const SESSION: Duration = Duration::from_secs(2);
/// The answer without a broker must meet the client's question: it is tried so often.
const TRIES: usize = 40;
/// How it thaws: awake and asleep in turn, asleep for longer than clients wait between two questions.
const PULSES: usize = 40;
const AWAKE: Duration = Duration::from_millis(2);
const ASLEEP: Duration = Duration::from_millis(30);

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_has_lost_all_brokers_is_made_anew() {
    let mut world = World::new("frozen", &[]).await.unwrap();
    let session = "broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500\n";
    let started = fresh_kafka(&home(), "kafka-frozen", 0, session).await;
    let (brokers, kafka) = started.unwrap();
    world.brokers.clone_from(&brokers);
    world
        .virtual_stock
        .set("VIRTUAL_STOCK__KAFKA__BROKERS", &brokers);
    world.acl.set("ACL__KAFKA__BROKERS", &brokers);
    let often = "{\"session.timeout.ms\"=\"6000\", \"topic.metadata.refresh.interval.ms\"=\"20\"}";
    world.acl.set("ACL__KAFKA__OPTIONS", often);
    world.virtual_stock.prepare().unwrap();
    world.acl.prepare().unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-1", 1000).await.unwrap();
    let reserve = async || {
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        let answer = world
            .call(Method::POST, "/stocks/STK-1/reserve", &body)
            .await;
        assert_eq!(answer.unwrap().status, 200);
    };

    let mut lost = false;
    for _ in 0..TRIES {
        world.settled().await.unwrap();
        kafka.signal(Signal::SIGSTOP);
        let frozen = Instant::now();
        reserve().await;
        eventually(PATIENCE, "the broker is taken for dead", async || {
            (frozen.elapsed() > SESSION * 2).then_some(())
        })
        .await;
        // A broker that thaws slowly is fenced for long enough that clients ask meanwhile, however fast the machine is.
        for _ in 0..PULSES {
            kafka.signal(Signal::SIGCONT);
            tokio::time::sleep(AWAKE).await;
            kafka.signal(Signal::SIGSTOP);
            tokio::time::sleep(ASLEEP).await;
        }
        kafka.signal(Signal::SIGCONT);
        // Lost or not, what happened meanwhile arrives.
        world.settled().await.unwrap();
        let log = std::fs::read_to_string(world.acl.log()).unwrap();
        if log.contains("CONSUMER_RENEWED") {
            lost = true;
            break;
        }
    }
    assert!(lost, "no client has lost its brokers in {TRIES} tries");
    reserve().await;
    world.settled().await.unwrap();
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    let looked = world
        .call(Method::GET, "/stocks/STK-1", &json!({}))
        .await
        .unwrap();
    assert_eq!(
        ledger.stocks["STK-1"].picture["totalReserved"],
        looked.body["reserved"]
    );
}
