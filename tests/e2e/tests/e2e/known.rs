//! Batches that are decided on what the instance knows of its stocks, where that is old.

use std::sync::mpsc::{Receiver, channel};

use adapters::postgres::PgStockRepository;
use application::{
    fakes::contract,
    ports::{Decide, Decided, Loaded, StockRepository, Touched},
};
use sqlx::PgPool;

use super::compared::{MINUTE, answer, key, pricing, touched, versions, with_a_stock};

/// A database with a stock that has its second version from `ours`, which knows it.
async fn with_a_known_stock(name: &str) -> (PgPool, PgStockRepository) {
    let (pool, ours) = with_a_stock(name).await;
    price(&ours, "2").await;
    (pool, ours)
}

async fn price(repository: &PgStockRepository, price: &'static str) {
    let decide = move |loaded| pricing(&loaded, price);
    repository
        .commit(touched(), Box::new(decide))
        .await
        .unwrap();
}

/// Another instance.
fn others(pool: &PgPool) -> PgStockRepository {
    PgStockRepository::new(pool.clone(), MINUTE)
}

/// Decides so, and tells what it saw each time.
fn watched(
    decide: impl Fn(&Loaded) -> Decided + Send + Sync + 'static,
) -> (Decide, Receiver<Loaded>) {
    let (seen, saw) = channel();
    let decide = move |loaded: Loaded| {
        let decided = decide(&loaded);
        seen.send(loaded).unwrap();
        decided
    };
    (Box::new(decide), saw)
}

/// The versions that were seen, each time that it was decided.
fn seen(saw: &Receiver<Loaded>) -> Vec<u64> {
    saw.try_iter()
        .map(|loaded| loaded.stocks[0].version.get())
        .collect()
}

#[tokio::test]
async fn what_another_instance_has_changed_is_noticed_when_it_is_written() {
    let (pool, ours) = with_a_known_stock("known_changed").await;
    price(&others(&pool), "3").await;
    let (decide, saw) = watched(|loaded| pricing(loaded, "4"));

    let decided = ours.commit(touched(), decide).await.unwrap();

    assert_eq!(seen(&saw), [2, 3]);
    assert_eq!(decided.changes[0].event.stock.version.get(), 4);
    assert_eq!(versions(&pool).await, (vec![1, 2, 3, 4], vec![1, 2, 3, 4]));
}

#[tokio::test]
async fn what_is_known_is_decided_once_and_time_goes_on() {
    let (pool, ours) = with_a_known_stock("known_right").await;
    let (decide, saw) = watched(|loaded| pricing(loaded, "3"));
    let before: time::OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&pool)
        .await
        .unwrap();

    ours.commit(touched(), decide).await.unwrap();

    let after: time::OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&pool)
        .await
        .unwrap();
    let saw: Vec<_> = saw.try_iter().collect();
    assert_eq!(saw.len(), 1);
    assert_eq!(saw[0].stocks[0].version.get(), 2);
    // It was not asked for: it is late by what the last answer took to arrive.
    let late = time::Duration::seconds(1);
    assert!(saw[0].now > before - late && saw[0].now < after);
    assert_eq!(versions(&pool).await, (vec![1, 2, 3], vec![1, 2, 3]));
}

#[tokio::test]
async fn what_changes_nothing_is_decided_on_what_is_there() {
    let (pool, ours) = with_a_known_stock("known_only_read").await;
    price(&others(&pool), "3").await;
    let (decide, saw) = watched(|_| Decided {
        only_read: true,
        ..Decided::default()
    });

    ours.commit(touched(), decide).await.unwrap();

    assert_eq!(seen(&saw), [2, 3]);
}

#[tokio::test]
async fn a_refusal_beside_a_change_is_decided_on_what_is_there() {
    let (pool, ours) = with_a_known_stock("known_beside").await;
    let (decide, saw) = watched(|loaded| Decided {
        only_read: true,
        ..pricing(loaded, "3")
    });

    ours.commit(touched(), decide).await.unwrap();

    assert_eq!(seen(&saw), [2, 2]);
    assert_eq!(versions(&pool).await, (vec![1, 2, 3], vec![1, 2, 3]));
}

#[tokio::test]
async fn a_row_that_an_operator_has_corrected_is_not_overwritten() {
    let (pool, ours) = with_a_known_stock("known_corrected").await;
    // The corrected row gets to where the known one was, with the same version and time.
    for step in [
        "CREATE TABLE kept AS SELECT * FROM stocks",
        "TRUNCATE stocks",
        "INSERT INTO stocks SELECT * FROM kept",
        "UPDATE stocks SET quantity = 70",
    ] {
        sqlx::query(step).execute(&pool).await.unwrap();
    }
    let place: String =
        sqlx::query_scalar("SELECT ctid::text FROM stocks WHERE stock_id = 'STK-1'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(place, "(0,2)", "where its second version was");
    let (decide, saw) = watched(|loaded| pricing(loaded, "3"));

    ours.commit(touched(), decide).await.unwrap();

    let quantities = saw.try_iter().map(|loaded| loaded.stocks[0].quantity.get());
    assert_eq!(quantities.collect::<Vec<_>>(), [100, 70]);
    let quantity: i64 = sqlx::query_scalar("SELECT quantity FROM stocks WHERE stock_id = 'STK-1'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(quantity, 70);
}

#[tokio::test]
async fn a_product_and_a_key_that_are_taken_elsewhere_are_noticed_when_they_are_written() {
    let (pool, ours) = with_a_known_stock("known_taken").await;
    let others = others(&pool);
    let created = |id: &str| Decided {
        changes: vec![contract::recorded(contract::new_stock(id, "P2"))],
        ..Decided::default()
    };
    let (first, second) = (created("STK-2"), created("STK-3"));
    let wants = Touched {
        product_ids: vec!["P2".parse().unwrap()],
        ..Touched::default()
    };
    let first = others.commit(wants.clone(), Box::new(move |_| first.clone()));
    first.await.unwrap();
    let (decide, saw) = watched(move |loaded| {
        if loaded.taken_products.is_empty() {
            second.clone()
        } else {
            Decided {
                only_read: true,
                ..Decided::default()
            }
        }
    });
    ours.commit(wants, decide).await.unwrap();
    let taken = saw.try_iter().map(|loaded| loaded.taken_products.len());
    assert_eq!(taken.collect::<Vec<_>>(), [0, 1]);

    // An instance that knows the stock, and has not been wrong yet.
    let ours = PgStockRepository::new(pool.clone(), MINUTE);
    price(&ours, "3").await;
    let named = Touched {
        keys: vec![key()],
        ..touched()
    };
    let keep = move |_| Decided {
        answered: vec![answer(key())],
        ..Decided::default()
    };
    others.commit(named.clone(), Box::new(keep)).await.unwrap();
    let (decide, saw) = watched(move |loaded| {
        if loaded.answered.is_empty() {
            Decided {
                answered: vec![answer(key())],
                ..pricing(loaded, "4")
            }
        } else {
            Decided {
                only_read: true,
                ..Decided::default()
            }
        }
    });
    ours.commit(named, decide).await.unwrap();
    let answered = saw.try_iter().map(|loaded| loaded.answered.len());
    assert_eq!(answered.collect::<Vec<_>>(), [0, 1]);
    assert_eq!(versions(&pool).await.1, [1, 2, 1, 3]);
}
