//! What every implementation of a port must do. Each suite runs on the fake here and on the real adapter.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    reason = "these functions are test bodies: a panic is a failed test"
)]

use std::{collections::HashSet, time::Duration};

use domain::stock::{Actor, NewStock, Quantity, Stamp, Stock, StockId, StockUpdatedEvent, Stream};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    fakes::FakeEncoder,
    ports::{
        Decision, EventEncoder, Outbox, OutboxError, Recorded, RepositoryError, StockQuery,
        StockRepository, Touched,
    },
    stock::{CommandError, Rejection, RequestContext},
};

const AT: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

fn stamp() -> Stamp {
    Stamp {
        event_id: Uuid::from_u128(rand::random()),
        at: AT,
        actor: "tester".parse::<Actor>().unwrap(),
    }
}

fn recorded(event: StockUpdatedEvent) -> Decision {
    let context = RequestContext {
        actor: event.actor.clone(),
        correlation_id: "c-1".to_owned(),
        traceparent: None,
    };
    let message = FakeEncoder.encode(&event, &[Stream::Audit], &context)?;
    Ok(Recorded { event, message })
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

fn reserved(stock: &Stock, units: u64) -> StockUpdatedEvent {
    let id = domain::stock::ReservationId::from_uuid(Uuid::from_u128(rand::random()));
    let reason = "sold".parse().unwrap();
    stock
        .reserve(id, units.try_into().unwrap(), reason, stamp())
        .unwrap()
}

fn touching(ids: &[&str], products: &[&str]) -> Touched {
    Touched {
        stock_ids: ids.iter().map(|id| id.parse().unwrap()).collect(),
        product_ids: products.iter().map(|id| id.parse().unwrap()).collect(),
    }
}

/// Keeps these events as one batch.
pub async fn keep(
    repository: &dyn StockRepository,
    events: Vec<StockUpdatedEvent>,
) -> Result<Vec<Decision>, RepositoryError> {
    let mut ids: Vec<StockId> = events.iter().map(|event| event.stock.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    let touched = Touched {
        stock_ids: ids,
        product_ids: Vec::new(),
    };
    let decide = Box::new(move |_| events.into_iter().map(recorded).collect());
    repository.commit(touched, decide).await
}

/// The contract of [`StockRepository`], on an empty one.
pub async fn stock_repository(repository: &dyn StockRepository) {
    what_is_kept_is_found_again(repository).await;
    a_rejection_keeps_nothing_and_disturbs_no_other(repository).await;
    several_changes_of_one_stock_are_kept_in_order(repository).await;
    what_is_taken_is_shown_to_the_decision(repository).await;
    lists_are_filtered_and_paged_without_gap_or_repeat(repository).await;
}

async fn what_is_kept_is_found_again(repository: &dyn StockRepository) {
    let created = new_stock("STK-A", "P-A");

    let decisions = keep(repository, vec![created.clone()]).await.unwrap();
    let found = repository.find(&created.stock.id).await.unwrap();

    assert_eq!(decisions.len(), 1);
    assert_eq!(found, Some(created.stock));
    let unknown: StockId = "STK-none".parse().unwrap();
    assert_eq!(repository.find(&unknown).await.unwrap(), None);
}

async fn a_rejection_keeps_nothing_and_disturbs_no_other(repository: &dyn StockRepository) {
    let unknown: StockId = "STK-none".parse().unwrap();
    let refused = CommandError::Rejected(Rejection::UnknownStock(unknown.clone()));
    let created = new_stock("STK-B", "P-B");
    let kept = created.clone();

    let decisions = repository
        .commit(
            touching(&["STK-B", "STK-none"], &[]),
            Box::new(move |_| vec![Err(refused), recorded(created)]),
        )
        .await
        .unwrap();

    assert!(decisions[0].is_err() && decisions[1].is_ok());
    assert_eq!(repository.find(&unknown).await.unwrap(), None);
    let found = repository.find(&kept.stock.id).await.unwrap();
    assert_eq!(found, Some(kept.stock));
}

async fn several_changes_of_one_stock_are_kept_in_order(repository: &dyn StockRepository) {
    let created = new_stock("STK-C", "P-C");
    let counted = quantity(&created.stock, 70);
    let held = reserved(&counted.stock, 30);
    let last = held.stock.clone();

    keep(repository, vec![created, counted, held])
        .await
        .unwrap();

    assert_eq!(repository.find(&last.id).await.unwrap(), Some(last));
}

async fn what_is_taken_is_shown_to_the_decision(repository: &dyn StockRepository) {
    let (seen, saw) = std::sync::mpsc::channel();
    let decide = Box::new(move |loaded| {
        seen.send(loaded).unwrap();
        Vec::new()
    });

    let touched = touching(&["STK-A", "STK-none"], &["P-A", "P-none"]);
    repository.commit(touched, decide).await.unwrap();

    let loaded = saw.recv().unwrap();
    assert_eq!(loaded.stocks.len(), 1);
    assert_eq!(loaded.stocks[0].id.as_str(), "STK-A");
    assert_eq!(loaded.taken_products, ["P-A".parse().unwrap()]);
}

async fn lists_are_filtered_and_paged_without_gap_or_repeat(repository: &dyn StockRepository) {
    for n in 0..5 {
        let created = new_stock(&format!("STK-L{n}"), &format!("P-L{n}"));
        let empty = quantity(&created.stock, if n % 2 == 0 { 0 } else { 5 });
        keep(repository, vec![created, empty]).await.unwrap();
    }
    let ask = |query: StockQuery| async move { repository.list(&query).await.unwrap() };
    let ids = |stocks: &[Stock]| -> Vec<String> {
        stocks.iter().map(|stock| stock.id.to_string()).collect()
    };

    let mut all = Vec::new();
    let mut after = None;
    loop {
        let limit = 3;
        let page = ask(StockQuery {
            after,
            limit,
            ..StockQuery::default()
        })
        .await;
        all.extend(ids(&page.stocks));
        after = page.stocks.last().map(|stock| stock.id.clone());
        if !page.more {
            break;
        }
    }
    let empty = ask(StockQuery {
        status: Some(domain::stock::Status::OutOfStock),
        limit: 100,
        ..StockQuery::default()
    })
    .await;
    let one = ask(StockQuery {
        product_id: Some("P-L3".to_owned()),
        symbol: Some("P-L3".to_owned()),
        limit: 100,
        ..StockQuery::default()
    })
    .await;

    assert!(all.is_sorted());
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    assert_eq!(all.len(), 8);
    assert_eq!(ids(&empty.stocks), ["STK-L0", "STK-L2", "STK-L4"]);
    assert_eq!(ids(&one.stocks), ["STK-L3"]);
}

/// The contract of [`Outbox`]: one that nobody else relays from, with `rows` rows committed and none published.
pub async fn outbox(outbox: &dyn Outbox, rows: usize) {
    let ttl = Duration::from_mins(1);
    let old = outbox.acquire("one", ttl).await.unwrap().unwrap();
    outbox.ensure_continuity(old).await.unwrap();
    let opened = outbox.open_window(old).await.unwrap().unwrap();

    // The holder may take its lease again: the epoch rises, and the old one is refused everywhere.
    let lease = outbox.acquire("one", ttl).await.unwrap().unwrap();
    assert!(lease.epoch > old.epoch);
    let refused = |result: Result<(), OutboxError>| matches!(result, Err(OutboxError::LeaseLost));
    assert!(refused(outbox.renew(old, ttl).await));
    assert!(refused(outbox.close_window(old, &opened).await));
    assert!(refused(outbox.open_window(old).await.map(drop)));

    // A window that was opened and not closed comes again.
    let window = outbox.open_window(lease).await.unwrap().unwrap();
    assert_eq!(window, opened);

    // Page by page, every row once, in order.
    let mut seen = Vec::new();
    let mut after = window.first - 1;
    loop {
        let page = outbox.read(&window, after, 2).await.unwrap();
        let Some(row) = page.last() else { break };
        after = row.id;
        seen.extend(page.into_iter().map(|row| row.id));
    }
    assert_eq!(seen.len(), rows);
    assert!(seen.is_sorted());
    assert_eq!(seen.last(), Some(&window.last));
    let waiting = outbox.backlog().await.unwrap();
    assert_eq!(usize::try_from(waiting.events).unwrap(), rows);

    outbox.close_window(lease, &window).await.unwrap();
    assert_eq!(outbox.open_window(lease).await.unwrap(), None);
    assert_eq!(outbox.backlog().await.unwrap().events, 0);
    outbox.release(lease).await.unwrap();
}
