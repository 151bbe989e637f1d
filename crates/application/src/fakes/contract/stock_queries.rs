//! The contract of [`StockQueries`].

use std::{collections::HashSet, time::Duration};

use domain::stock::{NewDetails, ReservationState, Status, Stock, StockUpdatedEvent};

use super::{
    AT, MUCH_LATER, hold_of, keep, new_stock, ordered, quantity, reserved, stamp, stamp_at,
};
use crate::ports::{
    Movement, ReservationQuery, StockPlace, StockQueries, StockQuery, StockRepository, StockSort,
};

/// The contract of [`StockQueries`], on what an empty `repository` is given.
pub async fn stock_queries(repository: &dyn StockRepository, queries: &dyn StockQueries) {
    lists_are_filtered_and_paged_without_gap_or_repeat(repository, queries).await;
    the_figures_add_up(queries).await;
    the_ledger_has_a_line_per_version(repository, queries).await;
    a_stock_is_shown_as_it_was(repository, queries).await;
    reservations_are_filtered_and_paged(repository, queries).await;
}

/// What a list is sorted by.
type Key = fn(&Stock) -> String;

fn ids(stocks: &[Stock]) -> Vec<String> {
    stocks.iter().map(|stock| stock.id.to_string()).collect()
}

async fn paged(queries: &dyn StockQueries, sort: StockSort, descending: bool) -> Vec<Stock> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = StockQuery {
            sort,
            descending,
            after,
            limit: 2,
            ..StockQuery::default()
        };
        let page = queries.stocks(&query).await.unwrap();
        assert!(page.items.len() <= 2);
        after = page.items.last().map(|stock| StockPlace::of(stock, sort));
        all.extend(page.items);
        if !page.more {
            return all;
        }
    }
}

async fn lists_are_filtered_and_paged_without_gap_or_repeat(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    for n in 0..5_u64 {
        let created = new_stock(&format!("STK-L{n}"), &format!("P-L{}", 9 - n));
        let units = (if n % 2 == 0 { 0_u64 } else { 5 }).try_into().unwrap();
        let at = AT + Duration::from_secs(n * 7 % 5);
        let reason = "counted".parse().unwrap();
        let counted = created
            .stock
            .set_quantity(units, reason, None, stamp_at(at));
        keep(repository, vec![created, counted.unwrap()])
            .await
            .unwrap();
    }
    let ask = async |query: StockQuery| {
        let limit = 100;
        let page = queries
            .stocks(&StockQuery { limit, ..query })
            .await
            .unwrap();
        ids(&page.items)
    };

    let sorts: [(StockSort, Key); 4] = [
        (StockSort::StockId, |stock| stock.id.to_string()),
        (StockSort::ProductId, |stock| stock.product_id.to_string()),
        (StockSort::Symbol, |stock| stock.symbol.to_string()),
        (StockSort::UpdatedAt, |stock| stock.updated_at.to_string()),
    ];
    for (sort, key) in sorts {
        let up = paged(queries, sort, false).await;
        let mut down = paged(queries, sort, true).await;
        down.reverse();
        assert_eq!(up, down, "{sort:?}");
        assert!(up.is_sorted_by_key(key), "{sort:?}");
        assert_eq!(up.iter().map(|s| &s.id).collect::<HashSet<_>>().len(), 5);
        assert_eq!(up.len(), 5);
    }
    let empty = ask(StockQuery {
        statuses: vec![Status::OutOfStock],
        ..StockQuery::default()
    });
    assert_eq!(empty.await, ["STK-L0", "STK-L2", "STK-L4"]);
    let low = ask(StockQuery {
        statuses: vec![Status::OutOfStock, Status::LowStock],
        ..StockQuery::default()
    });
    assert_eq!(low.await.len(), 5);
    let one = ask(StockQuery {
        product_id: Some("P-L6".to_owned()),
        symbol: Some("P-L6".to_owned()),
        ..StockQuery::default()
    });
    assert_eq!(one.await, ["STK-L3"]);
    let since = ask(StockQuery {
        updated_since: Some(AT + Duration::from_secs(3)),
        ..StockQuery::default()
    });
    assert_eq!(since.await, ["STK-L2", "STK-L4"]);
}

async fn the_figures_add_up(queries: &dyn StockQueries) {
    let mut stats = queries.stats().await.unwrap();

    stats.by_status.sort_by_key(|(status, _)| status.as_str());
    let expected = [(Status::LowStock, 2), (Status::OutOfStock, 3)];
    assert_eq!(stats.by_status, expected);
    assert_eq!(stats.units_reserved, 0);
    let value = [("USD".to_owned(), "125.00".to_owned())];
    assert_eq!(stats.total_value, value);
}

/// A stock with a change of every kind, five seconds apart.
fn history(id: &str) -> Vec<StockUpdatedEvent> {
    let at = |n: u64| stamp_at(AT + Duration::from_secs(5 * n));
    let reason = || "because".parse().unwrap();
    let mut events = vec![new_stock(id, &format!("P-{id}"))];
    let last = |events: &[StockUpdatedEvent]| events.last().unwrap().stock.clone();
    let price = "9.5".parse().unwrap();
    events.push(last(&events).set_price(price, reason(), at(1)));
    let details = NewDetails {
        symbol: Some("H2".parse().unwrap()),
        product_name: Some("Aitch".parse().unwrap()),
        low_stock_threshold: Some(200_u64.try_into().unwrap()),
    };
    events.push(last(&events).describe(details, at(2)).unwrap());
    let reference = Some("po:7".parse().unwrap());
    let adjusted = last(&events).adjust(-30, reason(), reference, at(3));
    events.push(adjusted.unwrap());
    events.push(last(&events).discontinue(reason(), at(4)).unwrap());
    events
}

async fn the_ledger_has_a_line_per_version(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    let events = history("STK-H");
    let id = events[0].stock.id.clone();
    keep(repository, events.clone()).await.unwrap();

    let newest = queries.movements(&id, None, 2).await.unwrap().unwrap();
    let rest = queries.movements(&id, Some(4), 50).await.unwrap().unwrap();

    assert!(newest.more && !rest.more);
    let lines: Vec<Movement> = newest.items.into_iter().chain(rest.items).collect();
    let expected: Vec<Movement> = events.iter().rev().map(Movement::from).collect();
    assert_eq!(lines, expected);
    let unknown = "STK-none".parse().unwrap();
    assert_eq!(queries.movements(&unknown, None, 5).await.unwrap(), None);
}

async fn a_stock_is_shown_as_it_was(repository: &dyn StockRepository, queries: &dyn StockQueries) {
    let events = history("STK-H");
    let id = events[0].stock.id.clone();
    let at = async |seconds: i64| {
        let at = AT + time::Duration::seconds(seconds);
        queries.stock_as_of(&id, at).await.unwrap()
    };

    assert_eq!(at(-1).await, None);
    for (n, event) in (0..).zip(&events) {
        assert_eq!(at(5 * n).await, Some(event.stock.clone()), "{n}");
        assert_eq!(at(5 * n + 4).await, Some(event.stock.clone()), "{n}");
    }
    let unknown = "STK-none".parse().unwrap();
    assert_eq!(queries.stock_as_of(&unknown, AT).await.unwrap(), None);

    // One whose changes were kept one by one.
    let events = history("STK-H1");
    let id = events[0].stock.id.clone();
    for event in &events {
        keep(repository, vec![event.clone()]).await.unwrap();
    }
    for (n, event) in (0..).zip(&events) {
        let found = queries.stock_as_of(&id, AT + time::Duration::seconds(5 * n));
        assert_eq!(found.await.unwrap(), Some(event.stock.clone()), "{n}");
    }

    // Two changes of details in one batch, beside a stock that is created and changed there.
    let (events, others) = (history("STK-H3"), history("STK-H4"));
    keep(repository, vec![events[0].clone()]).await.unwrap();
    let rest = events[1..].iter().chain(&others).cloned();
    keep(repository, rest.collect()).await.unwrap();
    for history in [&events, &others] {
        for (n, event) in (0..).zip(history) {
            let at = AT + time::Duration::seconds(5 * n);
            let found = queries.stock_as_of(&event.stock.id, at).await.unwrap();
            assert_eq!(found, Some(event.stock.clone()), "{n}");
        }
    }

    // A longer one, with many changes at the same moment.
    let mut events = vec![new_stock("STK-H2", "P-H2")];
    for units in 0..40 {
        let stock = events.last().unwrap().stock.clone();
        events.push(quantity(&stock, units));
    }
    let last = events.last().unwrap().stock.clone();
    keep(repository, events).await.unwrap();
    let found = queries.stock_as_of(&last.id, AT).await.unwrap();
    assert_eq!(found, Some(last));
}

async fn reservations_are_filtered_and_paged(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    let created = new_stock("STK-V", "P-V");
    let first = ordered(&created.stock, 1, MUCH_LATER, Some(("order-7", 0)));
    let second = reserved(&first.stock, 3, MUCH_LATER);
    let third = ordered(&second.stock, 2, MUCH_LATER, Some(("order-7", 1)));
    let reason = || "gone".parse().unwrap();
    let released = third
        .stock
        .release(&hold_of(&second), reason(), stamp())
        .unwrap();
    let holds = [&first, &third, &released].map(hold_of);
    keep(repository, vec![created, first, second, third, released])
        .await
        .unwrap();
    // Of another stock, one of each as well.
    let other = new_stock("STK-V2", "P-V2");
    let held = reserved(&other.stock, 1, MUCH_LATER);
    let ended = reserved(&held.stock, 1, MUCH_LATER);
    let gone = ended
        .stock
        .release(&hold_of(&ended), reason(), stamp())
        .unwrap();
    keep(repository, vec![other, held, ended, gone])
        .await
        .unwrap();
    let ask = async |query: ReservationQuery| {
        let found = queries.reservations(&query).await.unwrap();
        (found.items, found.more)
    };
    let of_stock = || ReservationQuery {
        stock_id: Some("STK-V".parse().unwrap()),
        limit: 100,
        ..ReservationQuery::default()
    };
    let mut newest_first = holds.to_vec();
    newest_first.sort_by(|a, b| b.id.cmp(&a.id));

    assert_eq!(ask(of_stock()).await, (newest_first.clone(), false));
    let mut after = None;
    for (n, hold) in newest_first.iter().enumerate() {
        let page = ask(ReservationQuery {
            limit: 1,
            after,
            ..of_stock()
        });
        assert_eq!(page.await, (vec![hold.clone()], n < 2), "{n}");
        after = Some(hold.id.clone());
    }
    let released = ask(ReservationQuery {
        state: Some(ReservationState::Released),
        ..of_stock()
    });
    assert_eq!(released.await.0, [holds[2].clone()]);
    let held = ask(ReservationQuery {
        state: Some(ReservationState::Held),
        ..of_stock()
    });
    let mut still_held = holds[..2].to_vec();
    still_held.sort_by(|a, b| b.id.cmp(&a.id));
    assert_eq!(held.await.0, still_held);
    let of_order = ask(ReservationQuery {
        holder: Some("tester".parse().unwrap()),
        client_order_id: Some("order-7".parse().unwrap()),
        limit: 100,
        ..ReservationQuery::default()
    });
    assert_eq!(of_order.await.0.len(), 2);
    let of_nobody = ask(ReservationQuery {
        holder: Some("zoe".parse().unwrap()),
        ..of_stock()
    });
    assert_eq!(of_nobody.await.0, []);
}
