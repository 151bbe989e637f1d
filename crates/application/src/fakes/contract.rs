//! What every implementation of a port must do. Each suite runs on the fake here and on the real adapter.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "these functions are test bodies: a panic is a failed test"
)]

mod outbox;
mod partner_states;
mod stock_queries;
mod stock_repository;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use domain::stock::{
    Actor, NewHold, NewStock, OrderLine, Quantity, Reservation, ReservationId, Stamp, Stock,
    StockId, StockUpdatedEvent, Stream,
};
use time::OffsetDateTime;
use uuid::Uuid;

pub use outbox::outbox;
pub use partner_states::partner_states;
pub use stock_queries::stock_queries;
pub use stock_repository::stock_repository;

use crate::{
    fakes::FakeEncoder,
    ports::{Decided, EventEncoder, Loaded, Recorded, RepositoryError, StockRepository, Touched},
    stock::RequestContext,
};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;
/// Later than any test runs.
const MUCH_LATER: Duration = Duration::from_hours(24 * 365 * 1000);

fn stamp() -> Stamp {
    stamp_at(AT)
}

fn stamp_at(at: OffsetDateTime) -> Stamp {
    Stamp {
        event_id: Uuid::from_u128(rand::random()),
        at,
        actor: "tester".parse::<Actor>().unwrap(),
    }
}

/// A change with the message that tells of it.
#[must_use]
pub fn recorded(event: StockUpdatedEvent) -> Recorded {
    let context = RequestContext {
        actor: event.actor.clone(),
        request_id: "r-1".into(),
        correlation_id: "c-1".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into(),
    };
    let message = FakeEncoder
        .encode(&event, &[Stream::Audit], &context)
        .unwrap();
    Recorded {
        event,
        message,
        request: 0,
    }
}

/// A new stock with 100 units, as an event that is not kept yet.
#[must_use]
pub fn new_stock(id: &str, product: &str) -> StockUpdatedEvent {
    let new = NewStock {
        id: id.parse().unwrap(),
        product_id: product.parse().unwrap(),
        symbol: product.parse().unwrap(),
        product_name: product.parse().unwrap(),
        quantity: Quantity::try_from(100_u64).unwrap(),
        unit_price: "12.5".parse().unwrap(),
        currency: "USD".parse().unwrap(),
        low_stock_threshold: Quantity::try_from(10_u64).unwrap(),
    };
    Stock::create(new, stamp())
}

fn quantity(stock: &Stock, units: u64) -> StockUpdatedEvent {
    let units = Quantity::try_from(units).unwrap();
    let reason = "counted".parse().unwrap();
    stock.set_quantity(units, reason, None, stamp()).unwrap()
}

/// A hold of that many units whose time runs out so long after the beginning of 1970.
#[must_use]
pub fn reserved(stock: &Stock, units: u64, expires: Duration) -> StockUpdatedEvent {
    ordered(stock, units, expires, None)
}

/// Ids that rise, as those of a real source do.
fn next_id() -> Uuid {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into())
}

fn ordered(
    stock: &Stock,
    units: u64,
    expires: Duration,
    order: Option<(&str, u16)>,
) -> StockUpdatedEvent {
    let hold = NewHold {
        id: ReservationId::from_uuid(next_id()),
        quantity: units.try_into().unwrap(),
        expires_at: AT + expires,
        order: order.map(|(order, line)| OrderLine {
            order: order.parse().unwrap(),
            line,
        }),
    };
    let reason = "sold".parse().unwrap();
    stock.reserve(hold, Some(reason), stamp()).unwrap()
}

fn hold_of(event: &StockUpdatedEvent) -> Reservation {
    event.change.reservation().unwrap().clone()
}

fn stock_ids(ids: &[&str]) -> Vec<StockId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// Keeps these events as one batch.
pub async fn keep(
    repository: &dyn StockRepository,
    events: Vec<StockUpdatedEvent>,
) -> Result<Decided, RepositoryError> {
    let mut stock_ids: Vec<StockId> = events.iter().map(|event| event.stock.id.clone()).collect();
    stock_ids.sort_unstable();
    stock_ids.dedup();
    let touched = Touched {
        stock_ids,
        ..Touched::default()
    };
    let decide = move |_| Decided {
        changes: events.iter().cloned().map(recorded).collect(),
        ..Decided::default()
    };
    repository.commit(touched, Box::new(decide)).await
}

/// What a batch that touches this gets to see before it says that something is not there.
async fn seen(repository: &dyn StockRepository, touched: Touched) -> Loaded {
    let (seen, saw) = std::sync::mpsc::channel();
    let decide = move |loaded| {
        seen.send(loaded).unwrap();
        Decided {
            only_read: true,
            ..Decided::default()
        }
    };
    repository.commit(touched, Box::new(decide)).await.unwrap();
    saw.try_iter().last().unwrap()
}
