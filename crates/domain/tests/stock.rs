//! The stock's rules: scenarios, then invariants over any sequence of commands.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::time::Duration;

use domain::stock::{
    Actor, Change, Condition, Currency, NewDetails, NewHold, NewStock, Operation, PositiveQuantity,
    Price, Quantity, Reason, Reservation, ReservationId, ReservationState, RoutingTable, Rule,
    Stamp, Status, Stock, StockError, StockId, StockUpdatedEvent, Stream, Version,
};
use proptest::prelude::*;
use time::OffsetDateTime;
use uuid::Uuid;

fn stamp(n: u128) -> Stamp {
    Stamp {
        event_id: Uuid::from_u128(n),
        at: OffsetDateTime::UNIX_EPOCH,
        actor: "tester".parse::<Actor>().unwrap(),
    }
}

fn units(n: u64) -> Quantity {
    Quantity::try_from(n).unwrap()
}

fn hold(n: u64) -> PositiveQuantity {
    PositiveQuantity::try_from(n).unwrap()
}

fn reason() -> Reason {
    "because".parse().unwrap()
}

fn created(quantity: u64, price: &str) -> StockUpdatedEvent {
    let new = NewStock {
        id: StockId::from_uuid(Uuid::from_u128(1)),
        product_id: "AAPL".parse().unwrap(),
        symbol: "AAPL".parse().unwrap(),
        product_name: "Apple Inc.".parse().unwrap(),
        quantity: units(quantity),
        unit_price: price.parse().unwrap(),
        currency: "USD".parse::<Currency>().unwrap(),
        low_stock_threshold: units(Stock::DEFAULT_LOW_STOCK_THRESHOLD),
    };
    Stock::create(new, stamp(0))
}

fn reserve(stock: &Stock, n: u64) -> Result<StockUpdatedEvent, StockError> {
    reserve_as(stock, 9, n, stamp(2))
}

fn reserve_as(
    stock: &Stock,
    id: u128,
    n: u64,
    stamp: Stamp,
) -> Result<StockUpdatedEvent, StockError> {
    let hold = NewHold {
        id: ReservationId::from_uuid(Uuid::from_u128(id)),
        quantity: hold(n),
        expires_at: OffsetDateTime::UNIX_EPOCH + Duration::from_mins(15),
        order: None,
    };
    stock.reserve(hold, Some(reason()), stamp)
}

#[test]
fn reserving_50_of_200_leaves_150() {
    let stock = created(200, "10").stock;

    let event = reserve(&stock, 50).unwrap();

    assert_eq!(event.stock.available(), units(150));
    assert_eq!(event.stock.quantity, units(200));
    assert_eq!(event.reserved_delta(), 50);
    assert_eq!(event.quantity_delta(), 0);
    assert_eq!(event.stock.version.get(), 2);
}

#[test]
fn reserving_more_than_available_is_rejected_and_says_what_there_is() {
    let stock = reserve(&created(10, "10").stock, 4).unwrap().stock;

    assert_eq!(
        reserve(&stock, 7),
        Err(StockError::InsufficientStock {
            available: units(6),
            requested: units(7)
        })
    );
}

#[test]
fn a_quantity_below_what_is_reserved_is_rejected() {
    let stock = reserve(&created(10, "10").stock, 4).unwrap().stock;

    let refused = stock.set_quantity(units(3), reason(), None, stamp(3));

    assert_eq!(
        refused,
        Err(StockError::BelowReserved {
            reserved: units(4),
            requested: units(3)
        })
    );
}

#[test]
fn a_hold_ends_exactly_once() {
    let reserved = reserve(&created(10, "10").stock, 4).unwrap();
    let reservation = reserved.change.reservation().unwrap().clone();
    let confirmed = reserved
        .stock
        .confirm(&reservation, None, stamp(3))
        .unwrap();
    let ended = confirmed.change.reservation().unwrap();

    assert_eq!(confirmed.stock.quantity, units(6));
    assert_eq!(confirmed.stock.reserved, units(0));
    assert_eq!(
        confirmed.stock.release(ended, reason(), stamp(4)),
        Err(StockError::ReservationEnded {
            state: ReservationState::Confirmed
        })
    );
}

#[test]
fn a_discontinued_stock_takes_no_reservation_but_lets_holds_end() {
    let reserved = reserve(&created(10, "10").stock, 4).unwrap();
    let reservation = reserved.change.reservation().unwrap().clone();
    let gone = reserved
        .stock
        .discontinue(reason(), stamp(3))
        .unwrap()
        .stock;

    assert_eq!(gone.status(), Status::Discontinued);
    assert_eq!(reserve(&gone, 1), Err(StockError::Discontinued));
    assert!(gone.release(&reservation, reason(), stamp(4)).is_ok());
}

#[test]
fn the_status_follows_what_is_available() {
    for (quantity, status) in [
        (0, Status::OutOfStock),
        (1, Status::LowStock),
        (9, Status::LowStock),
        (10, Status::Available),
    ] {
        assert_eq!(created(quantity, "1").stock.status(), status);
    }
}

#[test]
fn a_status_is_entered_on_the_edge_not_on_the_level() {
    let created = created(12, "1");
    let low = reserve(&created.stock, 5).unwrap();
    let lower = reserve(&low.stock, 1).unwrap();

    assert_eq!(created.entered_status(), Some(Status::Available));
    assert_eq!(low.entered_status(), Some(Status::LowStock));
    assert_eq!(lower.entered_status(), None);
}

fn table() -> RoutingTable {
    let rule = |name: &str, when, stream, copy| Rule {
        name: name.to_owned(),
        when,
        stream,
        copy,
    };
    let operations = |operations: &[Operation]| Condition {
        operations: operations.to_vec(),
        ..Condition::default()
    };
    RoutingTable::new(vec![
        rule(
            "dear",
            Condition {
                price_above: Some(100.into()),
                ..operations(&[Operation::Created, Operation::PriceUpdated])
            },
            Stream::HighPriority,
            false,
        ),
        rule(
            "holds",
            operations(&[Operation::Reserved]),
            Stream::HighPriority,
            false,
        ),
        rule("rest", Condition::default(), Stream::Normal, false),
        rule(
            "critical",
            Condition {
                enters: vec![Status::LowStock, Status::OutOfStock],
                ..Condition::default()
            },
            Stream::Critical,
            true,
        ),
        rule("audit", Condition::default(), Stream::Audit, true),
    ])
    .unwrap()
}

#[test]
fn events_go_where_the_first_rule_says_and_copies_beside() {
    let table = table();
    let cheap = created(200, "100");
    let dear = created(200, "100.01");
    let low = reserve(&dear.stock, 195).unwrap();
    let priced: Price = "99".parse().unwrap();

    assert_eq!(table.streams(&cheap), [Stream::Normal, Stream::Audit]);
    assert_eq!(table.streams(&dear), [Stream::HighPriority, Stream::Audit]);
    assert_eq!(
        table.streams(&low),
        [Stream::HighPriority, Stream::Critical, Stream::Audit]
    );
    assert_eq!(
        table.streams(&dear.stock.set_price(priced, reason(), stamp(5))),
        [Stream::Normal, Stream::Audit]
    );
}

#[test]
fn a_table_that_could_lose_an_event_is_refused() {
    assert!(RoutingTable::new(vec![]).is_err());
    let only_holds = Rule {
        name: "holds".to_owned(),
        when: Condition {
            operations: vec![Operation::Reserved],
            ..Condition::default()
        },
        stream: Stream::Normal,
        copy: false,
    };
    assert!(RoutingTable::new(vec![only_holds]).is_err());
}

#[test]
fn a_part_of_a_hold_can_be_confirmed_and_the_rest_is_available_again() {
    let reserved = reserve(&created(10, "10").stock, 6).unwrap();
    let held = reserved.change.reservation().unwrap().clone();

    let confirmed = reserved.stock.confirm(&held, Some(hold(4)), stamp(3));
    let too_many = reserved.stock.confirm(&held, Some(hold(7)), stamp(3));

    let confirmed = confirmed.unwrap();
    let ended = confirmed.change.reservation().unwrap();
    assert_eq!(ended.state, ReservationState::Confirmed);
    assert_eq!((ended.quantity, ended.confirmed), (hold(6), units(4)));
    assert_eq!(confirmed.stock.quantity, units(6));
    assert_eq!(confirmed.stock.available(), units(6));
    assert_eq!(
        too_many,
        Err(StockError::ConfirmsMore {
            held: units(6),
            requested: units(7)
        })
    );
}

#[test]
fn a_hold_is_due_from_its_time_on_and_not_once_it_has_ended() {
    let reserved = reserve(&created(10, "10").stock, 6).unwrap();
    let held = reserved.change.reservation().unwrap();
    let time = held.expires_at;
    let later = held.extend(time + Duration::from_secs(1), time).unwrap();
    let expired = reserved.stock.expire(held, stamp(3)).unwrap();
    let ended = expired.change.reservation().unwrap();

    assert!(!held.is_due(time - Duration::from_micros(1)));
    assert!(held.is_due(time));
    assert!(!later.is_due(time));
    assert!(!ended.is_due(time));
    assert!(ended.extend(time, time).is_err());
}

#[test]
fn a_hold_of_another_stock_is_refused() {
    let reserved = reserve(&created(10, "10").stock, 6).unwrap();
    let held = reserved.change.reservation().unwrap().clone();
    let mut other = (*reserved.stock).clone();
    other.id = "STK-other".parse().unwrap();
    let other = Stock::from_state(other).unwrap();

    let foreign = Err(StockError::ForeignReservation);
    assert_eq!(other.confirm(&held, None, stamp(3)), foreign);
    assert_eq!(other.release(&held, reason(), stamp(3)), foreign);
    assert_eq!(other.expire(&held, stamp(3)), foreign);
}

#[test]
fn an_adjustment_takes_what_is_available_and_no_more() {
    let stock = reserve(&created(10, "10").stock, 4).unwrap().stock;
    let adjust = |delta| stock.adjust(delta, reason(), None, stamp(3));

    assert_eq!(adjust(5).unwrap().stock.quantity, units(15));
    assert_eq!(adjust(-6).unwrap().stock.quantity, units(4));
    assert_eq!(
        adjust(-7),
        Err(StockError::InsufficientStock {
            available: units(6),
            requested: units(7)
        })
    );
    assert_eq!(adjust(i64::MAX), Err(StockError::TooManyUnits));
    assert_eq!(adjust(i64::MIN), Err(StockError::TooManyUnits));
}

#[test]
fn names_and_threshold_are_set_and_what_is_so_already_is_no_change() {
    let stock = created(50, "10").stock;
    let raised = NewDetails {
        low_stock_threshold: Some(units(60)),
        ..NewDetails::default()
    };

    let event = stock.describe(raised.clone(), stamp(3)).unwrap();

    assert_eq!(event.operation(), Operation::DetailsUpdated);
    assert_eq!(event.entered_status(), Some(Status::LowStock));
    assert_eq!(event.stock.symbol, stock.symbol);
    assert_eq!(event.stock.describe(raised, stamp(4)), None);
    assert_eq!(stock.describe(NewDetails::default(), stamp(4)), None);
}

#[derive(Debug, Clone)]
enum Command {
    SetQuantity(u64),
    Adjust(i64),
    SetThreshold(u64),
    SetPrice(u32),
    Reserve(u64),
    Confirm(prop::sample::Index, Option<u64>),
    Release(prop::sample::Index),
    Expire(prop::sample::Index),
    Discontinue,
}

fn command() -> impl Strategy<Value = Command> {
    let any_index = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (0_u64..200).prop_map(Command::SetQuantity),
        2 => (0_u32..20_000).prop_map(Command::SetPrice),
        8 => (1_u64..60).prop_map(Command::Reserve),
        2 => (-150_i64..150).prop_map(Command::Adjust),
        1 => (0_u64..200).prop_map(Command::SetThreshold),
        3 => (any_index(), prop::option::of(1_u64..60)).prop_map(|(i, n)| Command::Confirm(i, n)),
        3 => any_index().prop_map(Command::Release),
        2 => any_index().prop_map(Command::Expire),
        1 => Just(Command::Discontinue),
    ]
}

/// Runs one command; `holds` are the reservations seen so far, ended ones included.
fn decide(
    stock: &Stock,
    holds: &[Reservation],
    command: &Command,
    n: u128,
) -> Option<Result<StockUpdatedEvent, StockError>> {
    let pick = |index: &prop::sample::Index| (!holds.is_empty()).then(|| index.get(holds));
    Some(match command {
        Command::SetQuantity(q) => stock.set_quantity(units(*q), reason(), None, stamp(n)),
        Command::SetPrice(cents) => {
            let price = Price::try_from(rust_decimal::Decimal::new(i64::from(*cents), 2)).unwrap();
            Ok(stock.set_price(price, reason(), stamp(n)))
        }
        Command::Adjust(delta) => stock.adjust(*delta, reason(), None, stamp(n)),
        Command::SetThreshold(threshold) => {
            let details = NewDetails {
                low_stock_threshold: Some(units(*threshold)),
                ..NewDetails::default()
            };
            Ok(stock.describe(details, stamp(n))?)
        }
        Command::Reserve(q) => reserve_as(stock, n, *q, stamp(n)),
        Command::Confirm(i, part) => stock.confirm(pick(i)?, part.map(hold), stamp(n)),
        Command::Release(i) => stock.release(pick(i)?, reason(), stamp(n)),
        Command::Expire(i) => stock.expire(pick(i)?, stamp(n)),
        Command::Discontinue => stock.discontinue(reason(), stamp(n)),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn invariants_hold_over_any_sequence_of_commands(
        quantity in 0_u64..200,
        commands in prop::collection::vec(command(), 1..80),
    ) {
        let mut stock = created(quantity, "1").stock;
        let mut holds: Vec<Reservation> = Vec::new();

        for (n, command) in (100..).zip(&commands) {
            let Some(decision) = decide(&stock, &holds, command, n) else { continue };
            let Ok(event) = decision else { continue };
            let after = &event.stock;

            // Versions have no gap and no repeat.
            prop_assert_eq!(after.version, stock.version.next());
            // The deltas tell the whole change.
            let moved = |before: Quantity, delta: i64| before.get().checked_add_signed(delta);
            prop_assert_eq!(moved(stock.quantity, event.quantity_delta()), Some(after.quantity.get()));
            prop_assert_eq!(moved(stock.reserved, event.reserved_delta()), Some(after.reserved.get()));
            // Status is entered exactly when it changes.
            prop_assert_eq!(event.entered_status().is_some(), stock.status() != after.status());

            if let Some(reservation) = event.change.reservation() {
                holds.retain(|held| held.id != reservation.id);
                holds.push(reservation.clone());
            }
            stock = event.stock;

            // 0 <= reserved <= quantity, and what is reserved is what the open holds add up to.
            prop_assert!(stock.reserved <= stock.quantity);
            let open: u64 = holds
                .iter()
                .filter(|held| held.state == ReservationState::Held)
                .map(|held| held.quantity.get().get())
                .sum();
            prop_assert_eq!(open, stock.reserved.get());
            prop_assert_eq!(stock.available().get(), stock.quantity.get() - stock.reserved.get());
        }
    }

    #[test]
    fn a_price_survives_being_shown(cents in 0_i64..9_999_999_999_999, scale in 0_u32..=4) {
        if let Ok(price) = Price::try_from(rust_decimal::Decimal::new(cents, scale)) {
            prop_assert_eq!(price.to_string().parse::<Price>(), Ok(price));
        }
    }
}

#[test]
fn a_stored_stock_that_breaks_the_invariant_is_not_accepted() {
    let mut state = (*created(5, "1").stock).clone();
    state.reserved = units(6);

    assert!(Stock::from_state(state).is_err());
}

#[test]
fn the_first_event_is_a_creation_at_version_one() {
    let event = created(5, "1");

    assert_eq!(event.change, Change::Created);
    assert_eq!(event.stock.version, Version::FIRST);
    assert_eq!(event.previous, None);
}
