//! Batches that are tried without locks, beside somebody who changes the same.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use adapters::postgres::{DatabaseSettings, PgStockRepository, Plans, VIRTUAL_STOCK_SCHEMA, pool};
use application::{
    fakes::contract,
    ports::{
        Answered, Decided, IdempotencyKey, Loaded, Recorded, StockRepository, StoredAnswer, Touched,
    },
};
use devstack::{Servers, eventually, home};
use domain::stock::{NewDetails, Stamp, Stock, StockId};
use sqlx::PgPool;
use tokio::{runtime::Handle, task::block_in_place};

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

/// A database on connections as the service has them.
pub(crate) async fn database(name: &str) -> PgPool {
    let servers = Servers::start(&home()).await.unwrap();
    let settings = DatabaseSettings {
        url: servers.database(name).await.unwrap().into(),
        max_connections: 5,
        acquire_timeout: MINUTE,
        lock_timeout: MINUTE,
        statement_timeout: None,
    };
    let pool = pool(&settings, "compared", Plans::Keys).unwrap();
    VIRTUAL_STOCK_SCHEMA.run(&pool).await.unwrap();
    pool
}

/// A database with one stock, and its repository.
pub(crate) async fn with_a_stock(name: &str) -> (PgPool, PgStockRepository) {
    let pool = database(name).await;
    let ours = PgStockRepository::new(pool.clone(), MINUTE);
    contract::keep(&ours, vec![contract::new_stock("STK-1", "P")])
        .await
        .unwrap();
    (pool, ours)
}

pub(crate) fn id() -> StockId {
    "STK-1".parse().unwrap()
}

pub(crate) fn touched() -> Touched {
    Touched {
        stock_ids: vec![id()],
        ..Touched::default()
    }
}

fn stamp() -> Stamp {
    Stamp {
        event_id: uuid::Uuid::from_u128(rand::random()),
        at: time::OffsetDateTime::UNIX_EPOCH,
        actor: "tester".parse().unwrap(),
    }
}

/// A price of so much for the stock as it is.
fn priced(stock: &Stock, price: &str) -> Recorded {
    let reason = "r".parse().unwrap();
    contract::recorded(stock.set_price(price.parse().unwrap(), reason, stamp()))
}

pub(crate) fn pricing(loaded: &Loaded, price: &str) -> Decided {
    Decided {
        changes: loaded
            .stocks
            .iter()
            .map(|stock| priced(stock, price))
            .collect(),
        ..Decided::default()
    }
}

pub(crate) fn key() -> IdempotencyKey {
    IdempotencyKey {
        principal: "tester".parse().unwrap(),
        key: "k".to_owned(),
    }
}

pub(crate) fn answer(key: IdempotencyKey) -> Answered {
    Answered {
        key,
        fingerprint: [7; 32],
        answer: StoredAnswer {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        },
    }
}

/// Waits until somebody waits for a lock.
async fn waits_for_a_lock(pool: &PgPool) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(MINUTE, "somebody waits for a lock", async || {
        let waiting: i64 = sqlx::query_scalar(waits).fetch_one(pool).await.unwrap();
        (waiting > 0).then_some(())
    })
    .await;
}

/// The versions in the ledger, and those in the outbox in the order of their ids.
pub(crate) async fn versions(pool: &PgPool) -> (Vec<i64>, Vec<i64>) {
    sqlx::query_as(
        "SELECT ARRAY(SELECT version FROM movements ORDER BY version), ARRAY(SELECT version FROM outbox ORDER BY id)",
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_that_changes_between_reading_and_writing_is_decided_anew() {
    let (pool, ours) = with_a_stock("compared_changed").await;
    let others = Arc::new(PgStockRepository::new(pool.clone(), MINUTE));
    let asked = AtomicUsize::new(0);
    let (seen, saw) = mpsc::channel();

    let decide = move |loaded: Loaded| {
        seen.send(loaded.stocks[0].version.get()).unwrap();
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            let first = others.commit(touched(), Box::new(|loaded| pricing(&loaded, "2")));
            block_in_place(|| Handle::current().block_on(first)).unwrap();
        }
        pricing(&loaded, "3")
    };
    let decided = ours.commit(touched(), Box::new(decide)).await.unwrap();

    assert_eq!(saw.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(decided.changes[0].event.stock.version.get(), 3);
    assert_eq!(versions(&pool).await, (vec![1, 2, 3], vec![1, 2, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_stock_in_the_place_of_the_one_that_was_read_is_left_alone() {
    let (pool, ours) = with_a_stock("compared_moved").await;
    let steps = [
        "CREATE TABLE kept AS SELECT * FROM stocks",
        "TRUNCATE stocks",
        "UPDATE kept SET stock_id = 'STK-2', product_id = 'P2'",
        "INSERT INTO stocks SELECT * FROM kept",
        "UPDATE kept SET stock_id = 'STK-1', product_id = 'P'",
        "INSERT INTO stocks SELECT * FROM kept",
    ];
    let asked = AtomicUsize::new(0);
    let beside = pool.clone();

    let decide = move |loaded: Loaded| {
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            let moved = async {
                for step in steps {
                    sqlx::query(step).execute(&beside).await.unwrap();
                }
            };
            block_in_place(|| Handle::current().block_on(moved));
        }
        pricing(&loaded, "3")
    };
    ours.commit(touched(), Box::new(decide)).await.unwrap();

    // The other one got there, and nothing happened to it.
    let rows: Vec<(String, i64, String)> =
        sqlx::query_as("SELECT stock_id, version, ctid::text FROM stocks ORDER BY stock_id")
            .fetch_all(&pool)
            .await
            .unwrap();
    let row = |id: &str, version, place: &str| (id.to_owned(), version, place.to_owned());
    assert_eq!(rows, [row("STK-1", 2, "(0,3)"), row("STK-2", 1, "(0,1)")]);
    assert_eq!(versions(&pool).await, (vec![1, 2], vec![1, 2]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stock_that_is_being_changed_is_waited_for_with_a_lock() {
    let (pool, ours) = with_a_stock("compared_locked").await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("UPDATE stocks SET version = 2")
        .execute(&mut *other)
        .await
        .unwrap();
    let (seen, saw) = mpsc::channel();

    let decide = move |loaded: Loaded| {
        seen.send(loaded.stocks[0].version.get()).unwrap();
        pricing(&loaded, "3")
    };
    let commits = ours.commit(touched(), Box::new(decide));
    let let_go = async {
        waits_for_a_lock(&pool).await;
        other.commit().await.unwrap();
    };
    let (decided, ()) = tokio::join!(commits, let_go);

    assert_eq!(saw.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(decided.unwrap().changes[0].event.stock.version.get(), 3);
    assert_eq!(versions(&pool).await, (vec![1, 3], vec![1, 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_answered_meanwhile_has_one_effect() {
    let (pool, ours) = with_a_stock("compared_answered").await;
    let others = Arc::new(PgStockRepository::new(pool.clone(), MINUTE));
    let key = key();
    let named = Touched {
        keys: vec![key.clone()],
        ..touched()
    };
    let answered = answer(key);
    let asked = AtomicUsize::new(0);
    let (seen, saw) = mpsc::channel();

    let again = named.clone();
    let decide = move |loaded: Loaded| {
        seen.send(loaded.answered.len()).unwrap();
        if !loaded.answered.is_empty() {
            return Decided::default();
        }
        let answered = vec![answered.clone()];
        if asked.fetch_add(1, Ordering::Relaxed) == 0 {
            // It changes no stock: only the key says that it was there.
            let refused = Decided {
                answered: answered.clone(),
                ..Decided::default()
            };
            let first = others.commit(again.clone(), Box::new(move |_| refused.clone()));
            block_in_place(|| Handle::current().block_on(first)).unwrap();
        }
        Decided {
            answered,
            ..pricing(&loaded, "2")
        }
    };
    let decided = ours.commit(named, Box::new(decide)).await.unwrap();

    assert_eq!(saw.iter().collect::<Vec<_>>(), [0, 1]);
    assert!(decided.changes.is_empty());
    assert_eq!(versions(&pool).await, (vec![1], vec![1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_batch_leaves_nothing_behind() {
    let pool = database("compared_refused").await;
    let ours = PgStockRepository::new(pool.clone(), MINUTE);
    let others = Arc::new(PgStockRepository::new(pool.clone(), MINUTE));
    let untouched = contract::new_stock("STK-2", "P2");
    let both = vec![contract::new_stock("STK-1", "P"), untouched.clone()];
    contract::keep(&ours, both).await.unwrap();
    let batch = Touched {
        keys: vec![key()],
        stock_ids: vec![id(), untouched.stock.id.clone()],
        ..Touched::default()
    };
    let asked = AtomicUsize::new(0);

    let decide = move |loaded: Loaded| {
        if asked.fetch_add(1, Ordering::Relaxed) > 0 {
            return Decided::default();
        }
        let first = others.commit(touched(), Box::new(|loaded| pricing(&loaded, "2")));
        block_in_place(|| Handle::current().block_on(first)).unwrap();
        let held = contract::reserved(&loaded.stocks[1], 5, MINUTE);
        let details = NewDetails {
            symbol: Some("S".parse().unwrap()),
            ..NewDetails::default()
        };
        let described = held.stock.describe(details, stamp()).unwrap();
        Decided {
            changes: vec![
                priced(&loaded.stocks[0], "3"),
                contract::recorded(held),
                contract::recorded(described),
                contract::recorded(contract::new_stock("STK-3", "P3")),
            ],
            answered: vec![answer(key())],
            ..Decided::default()
        }
    };
    ours.commit(batch, Box::new(decide)).await.unwrap();

    let kept: Vec<(String, i64)> =
        sqlx::query_as("SELECT stock_id, version FROM stocks ORDER BY stock_id")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(kept, [("STK-1".to_owned(), 2), ("STK-2".to_owned(), 1)]);
    for (table, rows) in [
        ("stock_details", 0),
        ("movements", 3),
        ("outbox", 3),
        ("reservations", 0),
        ("idempotency_keys", 0),
    ] {
        let count = format!("SELECT count(*) FROM {table}");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(count, rows, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_taken_meanwhile_is_waited_for_without_a_stock() {
    let (pool, ours) = with_a_stock("compared_key").await;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("INSERT INTO idempotency_keys (principal, key) VALUES ('tester', 'k')")
        .execute(&mut *other)
        .await
        .unwrap();
    let named = Touched {
        keys: vec![key()],
        ..touched()
    };
    let (seen, saw) = mpsc::channel();

    let decide = move |loaded: Loaded| {
        seen.send(()).unwrap();
        Decided {
            answered: vec![answer(key())],
            ..pricing(&loaded, "2")
        }
    };
    let commits = ours.commit(named, Box::new(decide));
    let let_go = async {
        // The first attempt gives the stock back, and what waits then has not read it.
        eventually(
            MINUTE,
            "the stock is free while the key is waited for",
            async || {
                waits_for_a_lock(&pool).await;
                let stock = sqlx::query("SELECT FROM stocks FOR UPDATE SKIP LOCKED");
                let free = stock.fetch_all(&pool).await.unwrap();
                (free.len() == 1).then_some(())
            },
        )
        .await;
        other.rollback().await.unwrap();
    };
    let (decided, ()) = tokio::join!(commits, let_go);

    decided.unwrap();
    assert_eq!(saw.iter().count(), 2);
    assert_eq!(versions(&pool).await, (vec![1, 2], vec![1, 2]));
}
