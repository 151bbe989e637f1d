//! The relay against many writers: nothing lost, nothing out of order; and the checker turns red on two wrong readers.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use adapters::postgres::PgStockRepository;
use application::{
    fakes::{FakeEncoder, contract},
    ports::{Decided, EventEncoder, Loaded, Recorded, StockRepository, Touched},
    stock::RequestContext,
};
use devstack::{Sighting, check, eventually};
use domain::stock::{Actor, Quantity, Stamp, Stock, StockId};
use e2e::World;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);
const WRITERS: usize = 24;
const STOCKS: usize = 20;
const TRANSACTIONS: i64 = 20_000;

/// A pause inside every transaction, behind the point where outbox ids are drawn.
const PAUSE: [&str; 2] = [
    "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$
     BEGIN
         PERFORM pg_sleep(CASE WHEN random() < 0.3 THEN random() * 0.006 ELSE 0 END);
         RETURN NULL;
     END $$",
    "CREATE TRIGGER pause AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION pause()",
];

fn stock_id(n: usize) -> StockId {
    format!("STK-{n:02}").parse().unwrap()
}

/// Changes one or two stocks in one transaction.
async fn write(stocks: &PgStockRepository, topic: &str) {
    let one = rand::random_range(0..STOCKS);
    let other = rand::random_range(0..STOCKS);
    let mut ids = vec![stock_id(one), stock_id(other)];
    ids.sort_unstable();
    ids.dedup();
    let touched = Touched {
        stock_ids: ids,
        ..Touched::default()
    };
    let topic = topic.to_owned();
    let decide = Box::new(move |loaded: Loaded| {
        let changes = loaded.stocks.iter().map(|stock| change(stock, &topic));
        Decided {
            changes: changes.collect(),
            ..Decided::default()
        }
    });
    stocks.commit(touched, decide).await.unwrap();
}

fn change(stock: &Stock, topic: &str) -> Recorded {
    let actor: Actor = "writer".parse().unwrap();
    let stamp = Stamp {
        event_id: uuid::Uuid::from_u128(rand::random()),
        at: time::OffsetDateTime::UNIX_EPOCH + Duration::from_secs(stock.version.get()),
        actor: actor.clone(),
    };
    let quantity = Quantity::try_from(rand::random_range(0..1000_u64)).unwrap();
    let event = stock
        .set_quantity(quantity, "count".parse().unwrap(), None, stamp)
        .unwrap();
    let context = RequestContext {
        actor,
        request_id: "r".into(),
        correlation_id: "c".into(),
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into(),
    };
    let mut message = FakeEncoder.encode(&event, &[], &context).unwrap();
    message.topics = vec![topic.to_owned()];
    Recorded {
        event,
        message,
        request: 0,
    }
}

type Row = (i64, String, i64, uuid::Uuid, i64);

/// A wrong reader: reads what is above the last row of its own order, again and again.
async fn read_wrongly(pool: PgPool, by: &'static str, stop: CancellationToken) -> Vec<Sighting> {
    let sql = format!(
        "SELECT id, stock_id, version, event_id, txid::text::bigint FROM outbox
         WHERE {by} > $1 ORDER BY {by} LIMIT 1000"
    );
    let mut seen = Vec::new();
    let mut last = 0_i64;
    loop {
        let stopping = stop.is_cancelled();
        let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql.clone()))
            .bind(last)
            .fetch_all(&pool)
            .await
            .unwrap();
        for (id, stock_id, version, event_id, txid) in &rows {
            last = if by == "id" { *id } else { *txid };
            seen.push(Sighting {
                stock_id: stock_id.clone(),
                version: u64::try_from(*version).unwrap(),
                event_id: event_id.to_string(),
                payload: Vec::new(),
            });
        }
        if stopping && rows.is_empty() {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A wrong reader that loses nothing that the right one would not lose: it uses the right windows, ordered by
/// transaction.
async fn order_by_transaction(pool: PgPool, stop: CancellationToken) -> Vec<Sighting> {
    let mut seen = Vec::new();
    let mut from = "1:1:".to_owned();
    loop {
        let stopping = stop.is_cancelled();
        let to: String = sqlx::query_scalar("SELECT pg_current_snapshot()::text")
            .fetch_one(&pool)
            .await
            .unwrap();
        let rows: Vec<(String, i64, uuid::Uuid)> = sqlx::query_as(
            "SELECT stock_id, version, event_id FROM outbox
             WHERE NOT pg_visible_in_snapshot(txid, $1::pg_snapshot) AND pg_visible_in_snapshot(txid, $2::pg_snapshot)
             ORDER BY txid, id",
        )
        .bind(&from)
        .bind(&to)
        .fetch_all(&pool)
        .await
        .unwrap();
        let empty = rows.is_empty();
        seen.extend(
            rows.into_iter()
                .map(|(stock_id, version, event_id)| Sighting {
                    stock_id,
                    version: u64::try_from(version).unwrap(),
                    event_id: event_id.to_string(),
                    payload: Vec::new(),
                }),
        );
        from = to;
        if stopping && empty {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_or_reordered_under_24_writers_and_the_wrong_readers_are_caught() {
    let world = World::new("relay", &[]).await.unwrap();
    let url = world
        .virtual_stock
        .settings
        .iter()
        .find(|(name, _)| name.ends_with("DATABASE__URL"));
    let options = sqlx::postgres::PgPoolOptions::new().max_connections(40);
    let pool = options.connect(&url.unwrap().1).await.unwrap();
    let stocks = Arc::new(PgStockRepository::new(pool.clone(), MINUTE));
    for n in 0..STOCKS {
        let mut created = contract::new_stock(stock_id(n).as_str(), &format!("P{n}"));
        created.occurred_at = time::OffsetDateTime::UNIX_EPOCH;
        // The first event, like all others, goes to the audit topic of this world.
        let context = RequestContext {
            actor: created.actor.clone(),
            request_id: "r".into(),
            correlation_id: "c".into(),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into(),
        };
        let mut message = FakeEncoder.encode(&created, &[], &context).unwrap();
        message.topics = vec![world.topic("stock-audit-logs")];
        let recorded = Recorded {
            event: created,
            message,
            request: 0,
        };
        let decide = Box::new(move |_| Decided {
            changes: vec![recorded.clone()],
            ..Decided::default()
        });
        stocks.commit(Touched::default(), decide).await.unwrap();
    }
    for sql in PAUSE {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let _relay = world.start(&world.virtual_stock).await.unwrap();
    let stop = CancellationToken::new();
    let mut wrong = JoinSet::new();
    let (by_id, in_order) = (pool.clone(), pool.clone());
    let (stop_one, stop_two) = (stop.clone(), stop.clone());
    wrong.spawn(async move { ("last id", read_wrongly(by_id, "id", stop_one).await) });
    wrong.spawn(async move { ("txid", order_by_transaction(in_order, stop_two).await) });

    let left = Arc::new(AtomicI64::new(TRANSACTIONS));
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let (stocks, left, topic) = (
            Arc::clone(&stocks),
            Arc::clone(&left),
            world.topic("stock-audit-logs"),
        );
        writers.spawn(async move {
            while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                write(&stocks, &topic).await;
            }
        });
    }
    writers.join_all().await;
    stop.cancel();

    let newest: Vec<(String, i64)> = sqlx::query_as("SELECT stock_id, version FROM stocks")
        .fetch_all(&pool)
        .await
        .unwrap();
    let newest = newest
        .into_iter()
        .map(|(id, version)| (id, u64::try_from(version).unwrap()));
    let expected: BTreeMap<String, u64> = newest.collect();
    let events: u64 = expected.values().sum();
    eventually(Duration::from_mins(1), "everything is published", async || {
        let open: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM outbox, relay_checkpoint WHERE NOT pg_visible_in_snapshot(txid, window_from)",
        )
        .fetch_one(&pool)
        .await
        .ok()?;
        (open == 0).then_some(())
    })
    .await;
    let checked = check(&world.audit().unwrap(), &expected);
    println!("{events} events by the relay: {checked:?}");

    assert_eq!(checked.events, usize::try_from(events).unwrap());
    assert_eq!(
        (checked.lost, checked.out_of_order, checked.different),
        (0, 0, 0)
    );
    for (name, seen) in wrong.join_all().await {
        let checked = check(&seen, &expected);
        println!("{events} events by the wrong reader ({name}): {checked:?}");
        match name {
            "last id" => assert!(checked.lost > 0, "{checked:?}"),
            _ => assert!(checked.lost == 0 && checked.out_of_order > 0, "{checked:?}"),
        }
    }
}
