//! What a batch must not forget.

use application::ports::{Action, Attempt, CallReport, Disposition, Origin};
use domain::delivery::{Effect, ExternalStock, Filter, Ordering, Picture};

use super::*;

const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

static RULES: Rules = Rules {
    filter: Filter {
        operations: Vec::new(),
        statuses: Vec::new(),
        entered: Vec::new(),
        symbols: Vec::new(),
        currencies: Vec::new(),
        min_unit_price: None,
    },
    ordering: Ordering::LatestState,
    creates: true,
};

fn turn(version: u64) -> Turn {
    let text = |text: &str| text.to_owned();
    Turn {
        record: Arc::new(InboundRecord {
            origin: Origin {
                topic: text("t"),
                partition: 0,
                offset: i64::try_from(version).unwrap(),
            },
            key: None,
            headers: Vec::new(),
            payload: Vec::new(),
        }),
        notification: Arc::new(Notification {
            event_id: Uuid::from_u128(version.into()),
            stock_id: text("STK-1"),
            effect: Effect::QuantityUpdated,
            picture: Arc::new(Picture {
                version,
                product_id: text("P"),
                symbol: text("P"),
                product_name: text("P"),
                quantity: version,
                reserved: 0,
                available: version,
                unit_price: 1.into(),
                currency: text("USD"),
                status: text("AVAILABLE"),
            }),
            previous_status: None,
            quantity_delta: 0,
            reserved_delta: 0,
            reason: None,
            actor: text("trader"),
            occurred_at: NOW,
            correlation_id: text("c"),
            traceparent: None,
        }),
        attempts: 0,
        counted: 0,
    }
}

fn arrival(version: u64) -> Arrival {
    let turn = turn(version);
    Arrival::Event {
        record: turn.record,
        notification: turn.notification,
    }
}

fn wake() -> Arrival {
    Arrival::Wake {
        stock_id: "STK-1".to_owned(),
    }
}

/// A stock that is held by these events; `due`: they are.
fn held(versions: &[u64], due: bool) -> Batch<'static> {
    let mut batch = Batch::new(Uuid::nil(), &RULES);
    let external = ExternalStock {
        external_id: Some("EXT-1".parse().unwrap()),
        held: true,
        ..ExternalStock::default()
    };
    let stock = Stock {
        place: String::new(),
        external,
        claim: None,
        due_at: Some(NOW),
        resync: None,
        changed: false,
        told_changed: false,
        claim_changed: false,
    };
    batch.stocks.insert("STK-1".to_owned(), stock);
    let waiting = versions.iter().map(|version| Waiting {
        turn: turn(*version),
        next_at: NOW,
        due,
    });
    batch.waiting.insert("STK-1".to_owned(), waiting.collect());
    batch
}

fn is_held(batch: &Batch<'_>) -> (bool, bool) {
    let stock = &batch.stocks["STK-1"];
    (stock.external.held, stock.due_at.is_some())
}

#[test]
fn two_wakes_that_come_too_early_leave_the_stock_held() {
    let mut batch = held(&[2, 3], false);

    let admissions = [wake(), wake()].map(|arrival| batch.admit(arrival));

    assert_eq!(admissions, [Admission::Waiting, Admission::Waiting]);
    assert_eq!(is_held(&batch), (true, true));
}

#[test]
fn of_two_wakes_one_takes_everything_that_waits() {
    let mut batch = held(&[2, 3], true);

    let admissions = [wake(), wake()].map(|arrival| batch.admit(arrival));

    assert_eq!(admissions, [Admission::Delivering(0), Admission::Waiting]);
    let deliveries = batch.take_deliveries();
    assert_eq!(deliveries[0].turns.len(), 2);
    // What is told is the newest picture, and that is kept.
    let told = |external: &ExternalStock| external.told.as_ref().map(|told| told.version);
    assert_eq!(told(&deliveries[0].external), Some(3));
    let stock = &batch.stocks["STK-1"];
    assert_eq!((told(&stock.external), stock.told_changed), (Some(3), true));
}

#[test]
fn an_event_that_queues_just_before_a_wake_is_not_forgotten() {
    let mut batch = held(&[], true);

    let admissions = [arrival(4), wake()].map(|arrival| batch.admit(arrival));

    assert_eq!(admissions, [Admission::Waiting, Admission::Waiting]);
    assert_eq!(batch.to_wait.len(), 1);
    assert_eq!(is_held(&batch), (true, true));
}

#[test]
fn events_of_one_batch_are_one_delivery_in_the_order_of_their_versions() {
    let mut batch = held(&[], true);
    if let Some(stock) = batch.stocks.get_mut("STK-1") {
        stock.external.held = false;
        stock.due_at = None;
    }

    let admissions = [arrival(3), arrival(2), arrival(3)].map(|arrival| batch.admit(arrival));

    assert_eq!(admissions, [Admission::Delivering(0); 3]);
    let turns = batch.take_deliveries().remove(0).turns;
    let versions: Vec<u64> = turns
        .iter()
        .map(|turn| turn.notification.version())
        .collect();
    assert_eq!(versions, [2, 3]);
}

#[test]
fn what_has_its_outcome_is_neither_retried_nor_buried_by_a_late_settlement() {
    let mut batch = held(&[], true);
    batch.settled.insert(("STK-1".to_owned(), 2));
    let action = Action::Called {
        report: CallReport {
            verdict: domain::delivery::Verdict::Accepted,
            response_code: None,
            external_id: None,
            duration: std::time::Duration::ZERO,
        },
        disposition: Disposition::Dead {
            reason: "late".to_owned(),
        },
        started_at: NOW,
    };

    batch.record(&Settlement {
        stock_id: "STK-1".to_owned(),
        claim: Uuid::max(),
        external: ExternalStock::default(),
        attempts: vec![Attempt {
            turn: turn(2),
            action,
        }],
        undone: vec![turn(2)],
        resynced: None,
        continues: true,
    });

    assert_eq!(
        (batch.dead.len(), batch.to_wait.len(), batch.outcomes.len()),
        (0, 0, 0)
    );
    assert_eq!(batch.log.len(), 1);
}

#[test]
fn an_event_does_not_pass_those_that_wait_and_were_not_loaded() {
    let mut batch = held(&[2, 3], true);
    batch.overfull.insert("STK-1".to_owned());

    let admissions = [wake(), arrival(40)].map(|arrival| batch.admit(arrival));

    assert_eq!(admissions, [Admission::Delivering(0), Admission::Waiting]);
    let versions = |turns: &[Turn]| -> Vec<u64> {
        turns
            .iter()
            .map(|turn| turn.notification.version())
            .collect()
    };
    assert_eq!(versions(&batch.take_deliveries()[0].turns), [2, 3]);
    assert_eq!(batch.to_wait.len(), 1);
}

#[test]
fn what_waits_and_was_not_loaded_keeps_its_stock_held() {
    let mut batch = held(&[], true);
    batch.overfull.insert("STK-1".to_owned());

    let admission = batch.admit(wake());

    assert_eq!(admission, Admission::Waiting);
    assert_eq!(is_held(&batch), (true, true));
}

#[test]
fn an_event_that_was_settled_meanwhile_waits_no_more() {
    let mut batch = held(&[2], true);
    batch.settled.insert(("STK-1".to_owned(), 2));

    batch.record_call(
        &turn(2),
        &CallReport {
            verdict: domain::delivery::Verdict::Accepted,
            response_code: Some(200),
            external_id: None,
            duration: std::time::Duration::ZERO,
        },
        &Disposition::Delivered,
        NOW,
    );

    assert_eq!(batch.waited, [("STK-1".to_owned(), 2)]);
    assert!(batch.outcomes.is_empty());
}
