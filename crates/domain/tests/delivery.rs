//! The gate: what a partner is told when events arrive out of order, twice, or behind a failed one.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::sync::Arc;

use domain::delivery::{
    Effect, ExternalStock, Filter, Gate, Notification, Ordering, Picture, Rules, Step,
};
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

fn notification(version: u64, effect: Effect) -> Notification {
    Notification {
        event_id: Uuid::from_u128(version.into()),
        stock_id: "STK-1".to_owned(),
        effect,
        picture: Arc::new(Picture {
            version,
            product_id: "AAPL".to_owned(),
            symbol: "AAPL".to_owned(),
            product_name: "Apple Inc.".to_owned(),
            quantity: 100,
            reserved: 0,
            available: 100,
            unit_price: 1.into(),
            currency: "USD".to_owned(),
            status: "AVAILABLE".to_owned(),
        }),
        previous_status: Some("LOW_STOCK".to_owned()),
        quantity_delta: 0,
        reserved_delta: 0,
        reason: None,
        actor: "trader".to_owned(),
        occurred_at: OffsetDateTime::UNIX_EPOCH,
        correlation_id: "c".to_owned(),
        traceparent: None,
    }
}

fn rules() -> Rules {
    Rules {
        creates: true,
        ..Rules::default()
    }
}

fn reserved() -> Effect {
    Effect::Reserved {
        reservation_id: "RSV-1".to_owned(),
        units: 1,
    }
}

fn known(version: u64) -> ExternalStock {
    ExternalStock {
        external_id: Some("EXT-1".parse().unwrap()),
        told: Some(notification(version, Effect::Created).picture),
        acknowledged: version,
        ..ExternalStock::default()
    }
}

#[test]
fn an_older_state_is_superseded_and_an_older_effect_is_delivered_with_the_newer_picture() {
    let stock = known(5);
    let price = notification(4, Effect::PriceUpdated);
    let hold = notification(4, reserved());

    assert_eq!(
        stock.gate(&price, false, &rules()),
        Gate::Proceed(Step::Supersede)
    );
    assert_eq!(
        stock.gate(&hold, false, &rules()),
        Gate::Proceed(Step::Deliver)
    );
    assert_eq!(stock.picture_for(&hold, Ordering::LatestState).version, 5);
}

#[test]
fn a_newer_event_is_delivered_with_its_own_picture() {
    let stock = known(5);
    let price = notification(6, Effect::PriceUpdated);

    assert_eq!(
        stock.gate(&price, false, &rules()),
        Gate::Proceed(Step::Deliver)
    );
    assert_eq!(stock.picture_for(&price, Ordering::LatestState).version, 6);
}

#[test]
fn a_creation_that_a_later_event_anticipated_needs_no_second_call() {
    let creation = notification(1, Effect::Created);

    assert_eq!(
        known(3).gate(&creation, false, &rules()),
        Gate::Proceed(Step::InEffect)
    );
    assert_eq!(
        ExternalStock::default().gate(&creation, false, &rules()),
        Gate::Proceed(Step::Deliver)
    );
}

#[test]
fn what_has_its_outcome_is_a_duplicate_even_while_the_stock_is_held() {
    let held = ExternalStock {
        held: true,
        ..known(5)
    };
    let price = notification(6, Effect::PriceUpdated);

    assert_eq!(held.gate(&price, true, &rules()), Gate::Duplicate);
    assert_eq!(held.gate(&price, false, &rules()), Gate::Queue);
}

#[test]
fn what_may_have_been_told_is_not_contradicted_after_a_crash() {
    let mut stock = known(3);
    stock.tell(&notification(5, reserved()));

    // The call may have arrived, or not: an older state goes out with the newer picture, and is not skipped.
    let price = notification(4, Effect::PriceUpdated);

    assert_eq!(
        stock.gate(&price, false, &rules()),
        Gate::Proceed(Step::Deliver)
    );
    assert_eq!(stock.picture_for(&price, Ordering::LatestState).version, 5);
}

#[test]
fn where_every_event_is_told_each_one_goes_with_its_own_picture() {
    let rules = Rules {
        ordering: Ordering::EveryEvent,
        ..Rules::default()
    };
    let stock = known(5);
    for effect in [Effect::Created, Effect::PriceUpdated, reserved()] {
        let event = notification(4, effect);

        assert_eq!(
            stock.gate(&event, false, &rules),
            Gate::Proceed(Step::Deliver)
        );
        assert_eq!(stock.picture_for(&event, rules.ordering).version, 4);
    }
}

#[test]
fn what_is_not_wanted_is_filtered_even_while_the_stock_is_held() {
    type List = fn(&mut Filter) -> &mut Vec<String>;

    let held = ExternalStock {
        held: true,
        ..known(5)
    };
    let event = notification(6, reserved());
    let cases: [(&str, List, bool); 10] = [
        ("RESERVED", |filter| &mut filter.operations, true),
        ("CREATED", |filter| &mut filter.operations, false),
        ("AVAILABLE", |filter| &mut filter.statuses, true),
        ("LOW_STOCK", |filter| &mut filter.statuses, false),
        ("AVAILABLE", |filter| &mut filter.entered, true),
        ("LOW_STOCK", |filter| &mut filter.entered, false),
        ("AAPL", |filter| &mut filter.symbols, true),
        ("MSFT", |filter| &mut filter.symbols, false),
        ("USD", |filter| &mut filter.currencies, true),
        ("EUR", |filter| &mut filter.currencies, false),
    ];
    let expected = |passes| if passes { Gate::Queue } else { Gate::Filter };
    for (value, list, passes) in cases {
        let mut rules = Rules::default();
        list(&mut rules.filter).push(value.to_owned());

        assert_eq!(
            held.gate(&event, false, &rules),
            expected(passes),
            "{rules:?}"
        );
        assert_eq!(held.gate(&event, true, &rules), Gate::Duplicate);
    }
    for (least, passes) in [(1, true), (2, false)] {
        let mut rules = Rules::default();
        rules.filter.min_unit_price = Some(least.into());
        assert_eq!(
            held.gate(&event, false, &rules),
            expected(passes),
            "{rules:?}"
        );
    }

    // It stood there already: it has not entered.
    let mut still = event;
    still.previous_status = Some("AVAILABLE".to_owned());
    let mut entered = Rules::default();
    entered.filter.entered.push("AVAILABLE".to_owned());
    assert_eq!(held.gate(&still, false, &entered), Gate::Filter);
}

proptest! {
    /// Invariant 6: whatever the order of arrival, the picture sent never gets older, and no effect is skipped.
    #[test]
    fn a_partner_never_sees_an_older_picture_after_a_newer_one(
        order in Just((1_u64..=12).collect::<Vec<_>>()).prop_shuffle(),
        states in prop::collection::vec(any::<bool>(), 12),
    ) {
        let mut stock = ExternalStock::default();
        let mut sent = 0;

        for version in order {
            let index = usize::try_from(version - 1).unwrap();
            let effect = match version {
                1 => Effect::Created,
                _ if states[index] => Effect::QuantityUpdated,
                _ => reserved(),
            };
            let arriving = notification(version, effect.clone());
            match stock.gate(&arriving, false, &rules()) {
                Gate::Proceed(Step::Deliver) => {
                    stock.tell(&arriving);
                    let version = stock.picture_for(&arriving, Ordering::LatestState).version;
                    prop_assert!(version >= sent);
                    sent = version;
                    // Not every call is acknowledged.
                    if states[0] || version % 2 == 0 {
                        stock.acknowledge(version);
                    }
                    stock.external_id = Some("EXT-1".parse().unwrap());
                }
                Gate::Proceed(Step::Supersede) => prop_assert!(effect.is_state()),
                Gate::Proceed(Step::InEffect) => prop_assert_eq!(effect, Effect::Created),
                other => prop_assert!(false, "{:?}", other),
            }
        }
        prop_assert_eq!(sent, 12);
    }
}
