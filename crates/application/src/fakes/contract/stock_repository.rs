//! The contract of [`StockRepository`].

use std::{collections::BTreeMap, time::Duration};

use domain::stock::{Actor, ClientOrderId, Reservation, ReservationId};

use super::{
    AT, MUCH_LATER, hold_of, keep, new_stock, ordered, quantity, recorded, reserved, seen, stamp,
    stock_ids,
};
use crate::ports::{
    Answered, Decided, IdempotencyKey, StockQueries, StockRepository, StoredAnswer, Touched,
};

/// The contract of [`StockRepository`], on an empty one that `queries` reads.
pub async fn stock_repository(repository: &dyn StockRepository, queries: &dyn StockQueries) {
    what_is_kept_is_found_again(repository, queries).await;
    several_changes_of_one_stock_are_kept_in_order(repository, queries).await;
    what_is_taken_is_shown_to_the_decision(repository).await;
    a_reservation_brings_its_stock_and_is_kept_as_it_ends(repository, queries).await;
    a_hold_that_is_extended_and_ends_in_one_batch_has_ended(repository, queries).await;
    only_the_holds_that_can_help_are_loaded(repository).await;
    stocks_with_due_holds_are_found(repository).await;
    an_answer_is_found_by_its_key_and_an_unanswered_key_is_free(repository).await;
}

async fn what_is_kept_is_found_again(repository: &dyn StockRepository, queries: &dyn StockQueries) {
    let created = new_stock("STK-A", "P-A");

    let decided = keep(repository, vec![created.clone()]).await.unwrap();
    let found = queries.stock(&created.stock.id).await.unwrap();

    assert_eq!(decided.changes.len(), 1);
    assert_eq!(found, Some(created.stock));
    let unknown = "STK-none".parse().unwrap();
    assert_eq!(queries.stock(&unknown).await.unwrap(), None);
}

async fn several_changes_of_one_stock_are_kept_in_order(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    let created = new_stock("STK-C", "P-C");
    let counted = quantity(&created.stock, 70);
    let held = reserved(&counted.stock, 30, MUCH_LATER);
    let last = held.stock.clone();

    keep(repository, vec![created, counted, held])
        .await
        .unwrap();

    assert_eq!(queries.stock(&last.id).await.unwrap(), Some(last));
}

async fn what_is_taken_is_shown_to_the_decision(repository: &dyn StockRepository) {
    let held = ordered(
        &new_stock("STK-O", "P-O").stock,
        1,
        MUCH_LATER,
        Some(("order-1", 0)),
    );
    keep(repository, vec![new_stock("STK-O", "P-O"), held])
        .await
        .unwrap();
    let tester: Actor = "tester".parse().unwrap();
    let order = |name: &str| -> ClientOrderId { name.parse().unwrap() };

    let loaded = seen(
        repository,
        Touched {
            stock_ids: stock_ids(&["STK-A", "STK-none"]),
            product_ids: ["P-A", "P-none"].map(|id| id.parse().unwrap()).into(),
            orders: vec![
                (tester.clone(), order("order-1")),
                (tester.clone(), order("order-2")),
                ("zoe".parse().unwrap(), order("order-1")),
            ],
            ..Touched::default()
        },
    )
    .await;

    assert_eq!(loaded.stocks.len(), 1);
    assert_eq!(loaded.stocks[0].id.as_str(), "STK-A");
    assert_eq!(loaded.taken_products, ["P-A".parse().unwrap()]);
    assert_eq!(loaded.taken_orders, [(tester, order("order-1"))]);
    assert_eq!(loaded.reservations, []);
}

async fn a_reservation_brings_its_stock_and_is_kept_as_it_ends(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    let created = new_stock("STK-R", "P-R");
    let first = reserved(&created.stock, 30, MUCH_LATER);
    let second = reserved(&first.stock, 20, MUCH_LATER);
    let (one, two) = (hold_of(&first), hold_of(&second));
    keep(repository, vec![created, first, second])
        .await
        .unwrap();

    let unknown: ReservationId = "RSV-none".parse().unwrap();
    let touched = Touched {
        reservation_ids: vec![one.id.clone(), unknown.clone()],
        ..Touched::default()
    };
    let loaded = seen(repository, touched.clone()).await;
    assert_eq!(loaded.reservations, std::slice::from_ref(&one));
    let stock = loaded.stocks[0].clone();
    assert_eq!(stock.id.as_str(), "STK-R");

    // One hold ends, the other one gets more time, in one batch.
    let units = 10_u64.try_into().unwrap();
    let confirmed = stock.confirm(&one, Some(units), stamp()).unwrap();
    let ended = hold_of(&confirmed);
    let extended = two.extend(AT + MUCH_LATER / 2, AT).unwrap();
    let decided = Decided {
        changes: vec![recorded(confirmed.clone())],
        extended: vec![extended.clone()],
        ..Decided::default()
    };
    repository
        .commit(touched, Box::new(move |_| decided.clone()))
        .await
        .unwrap();

    let found = async |id| queries.reservation(id).await.unwrap();
    assert_eq!(found(&one.id).await, Some(ended));
    assert_eq!(found(&two.id).await, Some(extended));
    assert_eq!(found(&unknown).await, None);
    let left = queries.stock(&stock.id).await.unwrap().unwrap();
    assert_eq!((left.quantity.get(), left.reserved.get()), (90, 20));
}

async fn a_hold_that_is_extended_and_ends_in_one_batch_has_ended(
    repository: &dyn StockRepository,
    queries: &dyn StockQueries,
) {
    let created = new_stock("STK-X", "P-X");
    let held = reserved(&created.stock, 30, MUCH_LATER);
    let stock = held.stock.clone();
    let extended = hold_of(&held).extend(AT + MUCH_LATER / 2, AT).unwrap();
    keep(repository, vec![created, held]).await.unwrap();
    let confirmed = stock.confirm(&extended, None, stamp()).unwrap();
    let ended = hold_of(&confirmed);
    let decided = Decided {
        changes: vec![recorded(confirmed)],
        extended: vec![extended],
        ..Decided::default()
    };
    let touched = Touched {
        reservation_ids: vec![ended.id.clone()],
        ..Touched::default()
    };

    repository
        .commit(touched, Box::new(move |_| decided.clone()))
        .await
        .unwrap();

    let found = queries.reservation(&ended.id).await.unwrap();
    assert_eq!(found, Some(ended));
}

async fn only_the_holds_that_can_help_are_loaded(repository: &dyn StockRepository) {
    let created = new_stock("STK-D", "P-D");
    let mut events = vec![created];
    // Three due holds of 20 units, two that run out later.
    let times = [1, 2, 3].map(Duration::from_secs);
    for expires in times.into_iter().chain([MUCH_LATER, MUCH_LATER * 2]) {
        let stock = &events.last().unwrap().stock;
        events.push(reserved(stock, 20, expires));
    }
    let holds: Vec<Reservation> = events[1..].iter().map(hold_of).collect();
    keep(repository, events).await.unwrap();
    let stock_id = || "STK-D".parse().unwrap();
    let wanting = async |units| {
        let loaded = seen(
            repository,
            Touched {
                stock_ids: vec![stock_id()],
                wanted: BTreeMap::from([(stock_id(), units)]),
                ..Touched::default()
            },
        )
        .await;
        let now = loaded.now;
        let (due, next): (Vec<_>, Vec<_>) = loaded
            .reservations
            .into_iter()
            .partition(|held| held.is_due(now));
        (due.len(), next)
    };

    // Nothing is available: two of them make up for 21 units, and the next to run out is known.
    let (due, next) = wanting(21).await;
    assert!((2..=3).contains(&due), "{due}");
    assert!(next.contains(&holds[3]));

    let loaded = seen(
        repository,
        Touched {
            stock_ids: vec![stock_id()],
            expiring: vec![stock_id()],
            ..Touched::default()
        },
    )
    .await;
    let mut due: Vec<_> = loaded.reservations.iter().map(|held| &held.id).collect();
    due.sort_unstable();
    let mut expected: Vec<_> = holds[..3].iter().map(|held| &held.id).collect();
    expected.sort_unstable();
    assert_eq!(due, expected);
}

async fn stocks_with_due_holds_are_found(repository: &dyn StockRepository) {
    let created = new_stock("STK-E", "P-E");
    let held = reserved(&created.stock, 1, Duration::ZERO);
    keep(repository, vec![created, held]).await.unwrap();

    let all = repository.with_due_holds(100).await.unwrap();
    let first = repository.with_due_holds(1).await.unwrap();

    assert_eq!(all, stock_ids(&["STK-E", "STK-D"]));
    assert_eq!(first, stock_ids(&["STK-E"]));
}

async fn an_answer_is_found_by_its_key_and_an_unanswered_key_is_free(
    repository: &dyn StockRepository,
) {
    let key = |name: &str| IdempotencyKey {
        principal: "tester".parse().unwrap(),
        key: name.to_owned(),
    };
    let touched = || Touched {
        keys: vec![key("a"), key("b")],
        ..Touched::default()
    };
    let answered = Answered {
        key: key("a"),
        fingerprint: [7; 32],
        answer: StoredAnswer {
            status: 201,
            headers: vec![("etag".to_owned(), "\"1\"".to_owned())],
            body: b"{}".into(),
        },
    };
    let kept = answered.clone();
    let decide = move |_| Decided {
        answered: vec![kept.clone()],
        ..Decided::default()
    };
    repository
        .commit(touched(), Box::new(decide))
        .await
        .unwrap();

    assert_eq!(seen(repository, touched()).await.answered, [answered]);
    let other = Touched {
        keys: vec![IdempotencyKey {
            principal: "zoe".parse().unwrap(),
            key: "a".to_owned(),
        }],
        ..Touched::default()
    };
    assert_eq!(seen(repository, other).await.answered, []);
}
