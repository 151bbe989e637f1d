//! What a claim that runs out must not lead to.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use async_trait::async_trait;
use domain::delivery::{Filter, Notification, Ordering, Picture, RetrySchedule, Rules};
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::{
    delivery::FlowSettings,
    fakes::FakePartnerStates,
    ports::{InboundRecord, Origin},
};

const RUN_FOR: Duration = Duration::from_secs(5);

/// Takes everything, and counts.
#[derive(Default)]
struct Partner(AtomicUsize);

#[async_trait]
impl PartnerGateway for Partner {
    async fn call(&self, _call: &PartnerCall) -> CallReport {
        self.0.fetch_add(1, SeqCst);
        CallReport {
            verdict: Verdict::Accepted,
            response_code: Some(200),
            external_id: None,
            duration: Duration::ZERO,
        }
    }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH
    }
}

fn delivery(versions: &[u64]) -> Delivery {
    let text = |text: &str| text.to_owned();
    let turn = |version: &u64| Turn {
        record: Arc::new(InboundRecord {
            origin: Origin {
                topic: text("t"),
                partition: 0,
                offset: 0,
            },
            key: None,
            headers: Vec::new(),
            payload: Vec::new(),
        }),
        notification: Arc::new(Notification {
            event_id: Uuid::from_u128((*version).into()),
            stock_id: text("STK-1"),
            effect: Effect::QuantityUpdated,
            picture: Arc::new(Picture {
                version: *version,
                product_id: text("P"),
                symbol: text("P"),
                product_name: text("P"),
                quantity: 1,
                reserved: 0,
                available: 1,
                unit_price: 1.into(),
                currency: text("USD"),
                status: text("AVAILABLE"),
            }),
            previous_status: None,
            quantity_delta: 0,
            reserved_delta: 0,
            reason: None,
            actor: text("trader"),
            occurred_at: OffsetDateTime::UNIX_EPOCH,
            correlation_id: text("c"),
            traceparent: None,
        }),
        attempts: 0,
        counted: 0,
    };
    Delivery {
        stock_id: text("STK-1"),
        external: ExternalStock::default(),
        claim: Uuid::nil(),
        turns: versions.iter().map(turn).collect(),
        resync: None,
    }
}

/// A worker whose partner may be called, and the partner.
async fn worker() -> (Worker, Arc<Partner>) {
    let flow = FlowSettings {
        name: "partner".to_owned(),
        concurrency: 4,
        rate: None,
        patience: RUN_FOR,
        failures: NonZeroU32::MIN,
        probe_every: RUN_FOR,
        poll: RUN_FOR,
    };
    let flow = Flow::new(flow, Arc::new(FakePartnerStates::default()));
    tokio::select! {
        () = flow.watch(CancellationToken::new()) => {}
        () = async { while !flow.flows() { tokio::task::yield_now().await } } => {}
    }
    let partner = Arc::new(Partner::default());
    let worker = Worker {
        partner: Arc::clone(&partner) as _,
        flow: Arc::new(flow),
        clock: Arc::new(Stopped),
        settings: SubscriptionSettings {
            name: "partner".to_owned(),
            max_batch: 1,
            backoff: Duration::ZERO,
            run_for: RUN_FOR,
            call_for: RUN_FOR,
            schedule: RetrySchedule::new(vec![RUN_FOR]).unwrap(),
            rules: Rules {
                filter: Filter::default(),
                ordering: Ordering::LatestState,
                creates: false,
            },
        },
        places: Arc::new(Semaphore::new(4)),
        told: Notify::new(),
        outcomes: mpsc::channel(1).0,
        stop: CancellationToken::new(),
    };
    (worker, partner)
}

#[tokio::test]
async fn a_delivery_that_has_waited_too_long_tells_nothing_and_keeps_its_events() {
    let (worker, partner) = worker().await;
    let long_ago = Instant::now().checked_sub(RUN_FOR).unwrap();

    let late = worker.work(delivery(&[2, 3]), long_ago).await;
    assert_eq!((late.attempts.len(), late.undone.len()), (0, 2));
    assert_eq!(partner.0.load(SeqCst), 0);

    let in_time = worker.work(delivery(&[2, 3]), Instant::now()).await;
    assert_eq!((in_time.attempts.len(), in_time.undone.len()), (2, 0));
    assert_eq!(partner.0.load(SeqCst), 2);
}

#[tokio::test]
async fn a_service_that_stops_begins_no_call() {
    let (worker, partner) = worker().await;
    worker.stop.cancel();

    let stopped = worker.work(delivery(&[2]), Instant::now()).await;

    assert_eq!((stopped.attempts.len(), stopped.undone.len()), (0, 1));
    assert_eq!(partner.0.load(SeqCst), 0);
}
