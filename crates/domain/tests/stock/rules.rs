//! What the commands of a stock do, and what they refuse.

use super::*;

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
