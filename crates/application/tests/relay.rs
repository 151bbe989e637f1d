//! The relay, on an outbox and a broker in memory.

use std::{sync::Arc, time::Duration};

use application::{
    fakes::{FakeBroker, FakeOutbox, contract},
    ports::{Outbox, OutboxError, OutboxRow},
    relay::{Relay, RelaySettings},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

fn row(id: i64) -> OutboxRow {
    OutboxRow {
        id,
        stock_id: format!("STK-{}", id % 3),
        topics: vec!["normal".to_owned(), "audit".to_owned()],
        headers: Vec::new(),
        payload: id.to_string().into_bytes(),
    }
}

fn relay(outbox: &Arc<FakeOutbox>, broker: &Arc<FakeBroker>) -> Relay {
    Relay {
        outbox: Arc::clone(outbox) as _,
        broker: Arc::clone(broker) as _,
        committed: Arc::new(Notify::new()),
        settings: RelaySettings {
            holder: "test".to_owned(),
            lease: Duration::from_secs(3),
            poll: Duration::from_millis(1),
            backoff: Duration::from_millis(1),
            page: 4,
            pause: Duration::ZERO,
        },
    }
}

#[tokio::test]
async fn after_a_failure_the_window_is_repeated_and_first_occurrences_stay_in_order() {
    let outbox = Arc::new(FakeOutbox::default());
    let broker = Arc::new(FakeBroker::default());
    (1..=20).for_each(|id| outbox.push(row(id)));
    broker.fail_once_after(14);
    let stop = CancellationToken::new();
    let relay = relay(&outbox, &broker);

    let published = async {
        while broker.records().len() < 53 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        stop.cancel();
    };
    let both = async { tokio::join!(relay.run(stop.clone()), published) };
    tokio::time::timeout(Duration::from_secs(10), both)
        .await
        .unwrap();

    let audit: Vec<i64> = broker
        .records()
        .iter()
        .filter(|record| record.topics == ["audit"])
        .map(|record| {
            String::from_utf8(record.payload.clone())
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    let mut first = Vec::new();
    for id in &audit {
        if !first.contains(id) {
            first.push(*id);
        }
    }
    assert_eq!(first, (1..=20).collect::<Vec<_>>());
    assert!(audit.len() > first.len(), "the window was not repeated");
}

#[tokio::test]
async fn a_relay_that_lost_its_lease_moves_no_checkpoint() {
    let outbox = Arc::new(FakeOutbox::default());
    let ttl = Duration::from_secs(1);
    let lease = outbox.acquire("one", ttl).await.unwrap().unwrap();
    outbox.push(row(1));
    let window = outbox.open_window(lease).await.unwrap().unwrap();
    outbox.steal_lease();

    let refused = outbox.close_window(lease, &window).await;

    assert!(matches!(refused, Err(OutboxError::LeaseLost)));
}

#[tokio::test]
async fn the_fake_keeps_the_contract_of_its_port() {
    let outbox = FakeOutbox::default();
    (1..=5).for_each(|id| outbox.push(row(id)));

    contract::outbox(&outbox, 5).await;
}
