//! The stock's rules.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod holds;
mod invariants;
mod routing;
mod rules;

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
