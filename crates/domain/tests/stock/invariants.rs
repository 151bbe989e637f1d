//! Invariants over any sequence of commands.

use super::*;

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
