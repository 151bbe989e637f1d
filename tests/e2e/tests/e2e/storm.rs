//! Instances that join, leave and die every few seconds: no stock is told of twice at once, no offset is committed above
//! what is unfinished, and no partition stands still.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use devstack::{Process, committed};
use e2e::World;

use crate::crash::{clients, create, nothing_is_lost};

const TOPICS: [&str; 2] = ["high-priority-updates", "virtual-stock-updates"];
/// Longest time that a partition may stand still while there is something to read.
const STALL: Duration = Duration::from_secs(30);
/// How long instances come and go.
const STORM: Duration = Duration::from_mins(1);

/// Where a record is: topic, partition, offset.
type Place = (String, i32, i64);

/// Records below committed offsets that nobody has written down: each of them would be lost.
fn lost(committed: &BTreeMap<(String, i32), i64>, written: &BTreeSet<Place>) -> Vec<Place> {
    let below = committed.iter().flat_map(|((topic, partition), offset)| {
        (0..*offset).map(move |offset| (topic.clone(), *partition, offset))
    });
    below.filter(|place| !written.contains(place)).collect()
}

async fn all_committed(world: &World) -> BTreeMap<(String, i32), i64> {
    let group = world.topic("acl-stock-consumer-group");
    let mut offsets = BTreeMap::new();
    for topic in TOPICS {
        let topic = world.topic(topic);
        let (brokers, group) = (world.brokers.clone(), group.clone());
        let name = topic.clone();
        let found = tokio::task::spawn_blocking(move || committed(&brokers, &group, &name));
        for (partition, offset) in found.await.unwrap().unwrap() {
            offsets.insert((topic.clone(), partition), offset);
        }
    }
    offsets
}

/// What is written down: an attempt, an outcome, or that the event waits.
async fn all_written(world: &World) -> BTreeSet<Place> {
    let rows: Vec<Place> = sqlx::query_as(
        "SELECT topic, partition, \"offset\" FROM consumption_log WHERE topic IS NOT NULL
         UNION SELECT topic, partition, \"offset\" FROM waiting_events",
    )
    .fetch_all(&world.acl_db)
    .await
    .unwrap();
    rows.into_iter().collect()
}

/// Since when each partition stands still that has something to read.
#[derive(Default)]
struct Standstill(BTreeMap<(String, i32), (i64, Instant)>);

impl Standstill {
    /// Takes a look; returns the partition that has stood still the longest.
    fn look(&mut self, offsets: &BTreeMap<(String, i32), i64>, now: Instant) -> Duration {
        let mut longest = Duration::ZERO;
        for (partition, offset) in offsets {
            let seen = self.0.entry(partition.clone()).or_insert((*offset, now));
            if seen.0 != *offset {
                *seen = (*offset, now);
            }
            longest = longest.max(now.duration_since(seen.1));
        }
        longest
    }
}

#[test]
fn an_offset_above_an_unfinished_record_is_found() {
    let partition = ("t".to_owned(), 0);
    let place = |offset| ("t".to_owned(), 0, offset);
    let written = BTreeSet::from([place(0), place(2)]);

    assert_eq!(
        lost(&BTreeMap::from([(partition.clone(), 1)]), &written),
        []
    );
    assert_eq!(
        lost(&BTreeMap::from([(partition, 3)]), &written),
        [place(1)]
    );
}

#[test]
fn a_partition_that_stands_still_is_found() {
    let began = Instant::now();
    let at = |offset| BTreeMap::from([(("t".to_owned(), 0), offset)]);
    let mut standstill = Standstill::default();

    assert_eq!(standstill.look(&at(1), began), Duration::ZERO);
    assert_eq!(standstill.look(&at(2), began + STALL), Duration::ZERO);
    assert_eq!(standstill.look(&at(2), began + STALL * 2), STALL);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_come_and_go_every_few_seconds_keep_order_and_lose_nothing() {
    let world = Arc::new(World::new("storm", &[]).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _stays = world.start(&world.acl).await.unwrap();
    create(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients = clients(&world, &stop);
    let others = [
        world.acl.another().unwrap(),
        world.acl.another().unwrap().another().unwrap(),
    ];
    let mut running: Vec<Option<Process>> = vec![None, None];

    let began = Instant::now();
    let mut standstill = Standstill::default();
    let (mut joins, mut leaves, mut kills, mut longest) = (0, 0, 0, Duration::ZERO);
    while began.elapsed() < STORM {
        let which = rand::random_range(0..others.len());
        match running[which].take() {
            None => {
                joins += 1;
                running[which] = Some(world.start(&others[which]).await.unwrap());
            }
            Some(process) if rand::random() => {
                leaves += 1;
                assert!(process.terminate().unwrap().success());
            }
            Some(process) => {
                kills += 1;
                process.kill_9().unwrap();
            }
        }
        tokio::time::sleep(Duration::from_millis(rand::random_range(500..2000))).await;
        // Committed first: what is written down by then can only be more.
        let offsets = all_committed(&world).await;
        longest = longest.max(standstill.look(&offsets, Instant::now()));
        let lost = lost(&offsets, &all_written(&world).await);
        assert_eq!(lost, [], "committed, and not written down");
        assert!(longest < STALL, "a partition stands still for {longest:?}");
        // What is under way is never taken for a violation.
        world.verify().unwrap();
    }
    println!("{joins} joins, {leaves} leaves, {kills} kills; longest standstill {longest:?}");
    stop.store(true, Ordering::Relaxed);

    // Among other things: never two calls for one stock at once, and exactly one outcome for every event.
    nothing_is_lost(&world, clients).await;
    world.verify().unwrap();
}
