//! Holds: confirmed, released, expired, each once.

use super::*;

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
