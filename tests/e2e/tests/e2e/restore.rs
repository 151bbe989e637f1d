//! A backup of virtual-stock's database, restored on another server when the first one is lost: what was acknowledged after the
//! backup is gone there, and no partner is told an old state because of it.

use std::{collections::BTreeMap, time::Duration};

use devstack::{Postgres, eventually, home};
use e2e::World;
use futures::TryStreamExt;
use reqwest::Method;
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolCopyExt};

const PATIENCE: Duration = Duration::from_mins(1);

/// What a dump holds: tables with their rows in COPY's format, and where sequences stand.
struct Dump {
    tables: BTreeMap<String, Vec<u8>>,
    sequences: Vec<(String, Option<i64>)>,
}

/// The tables of a schema, those of migrations aside; partitions are in their table.
const TABLES: &str = "SELECT relname::text FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> '_sqlx_migrations'
    ORDER BY relname";

async fn tables(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(TABLES).fetch_all(pool).await.unwrap()
}

/// Everything, as of one moment: nobody writes meanwhile.
async fn dump(pool: &PgPool) -> Dump {
    let mut dump = BTreeMap::new();
    for table in tables(pool).await {
        let sql = format!("COPY (SELECT * FROM {table}) TO STDOUT");
        let rows = pool.copy_out_raw(&sql).await.unwrap();
        let rows = rows.try_fold(Vec::new(), |mut all, part| async move {
            all.extend_from_slice(&part);
            Ok(all)
        });
        dump.insert(table, rows.await.unwrap());
    }
    let sequences =
        "SELECT sequencename::text, last_value FROM pg_sequences WHERE schemaname = 'public'";
    Dump {
        tables: dump,
        sequences: sqlx::query_as(sequences).fetch_all(pool).await.unwrap(),
    }
}

/// Puts a dump where `migrate` has made the tables.
async fn restore(pool: &PgPool, dump: &Dump) {
    let mut connection = pool.acquire().await.unwrap();
    // As pg_restore does it: rows first, their references are right already.
    for sql in [
        "SET session_replication_role = replica".to_owned(),
        format!("TRUNCATE {}", tables(pool).await.join(", ")),
    ] {
        let sql = AssertSqlSafe(sql);
        sqlx::query(sql).execute(&mut *connection).await.unwrap();
    }
    for (table, rows) in &dump.tables {
        let sql = format!("COPY {table} FROM STDIN");
        let mut copy = connection.copy_in_raw(&sql).await.unwrap();
        copy.send(rows.as_slice()).await.unwrap();
        copy.finish().await.unwrap();
    }
    for (name, last) in &dump.sequences {
        if let Some(last) = last {
            sqlx::query("SELECT setval($1::regclass, $2)")
                .bind(name)
                .bind(last)
                .execute(&mut *connection)
                .await
                .unwrap();
        }
    }
    connection.detach();
}

async fn reserve(world: &World, id: &str) -> u64 {
    let body = json!({"quantityToReserve": 1, "reason": "order"});
    let path = format!("/stocks/{id}/reserve");
    let answer = world.call(Method::POST, &path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["version"].as_u64().unwrap()
}

fn told(world: &World, id: &str) -> u64 {
    world.partner.look(|ledger| ledger.stocks[id].version)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_older_state_is_published_again_and_no_partner_goes_back() {
    let mut world = World::new("restore", &[]).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let ids = ["STK-1", "STK-2", "STK-3"];
    for id in ids {
        world.stock(id, 1000).await.unwrap();
        reserve(&world, id).await;
    }
    world.settled().await.unwrap();
    let backup = dump(&world.stocks_db).await;

    // After the backup: three changes of the first stock, which its partner is told of.
    for _ in 0..3 {
        reserve(&world, "STK-1").await;
    }
    world.settled().await.unwrap();
    assert_eq!(told(&world, "STK-1"), 5);
    let published = world.audit().unwrap().len();

    // The server is lost.
    assert!(stock.terminate().unwrap().success());
    let another = Postgres::fresh(&home(), "restored").await.unwrap();
    let url = another.database("restored").await.unwrap();
    world
        .virtual_stock
        .set("VIRTUAL_STOCK__DATABASE__URL", &url);
    world.virtual_stock.prepare().unwrap();
    let restored = PgPool::connect(&url).await.unwrap();
    restore(&restored, &backup).await;
    world.stocks_db = restored;
    let _stock = world.start(&world.virtual_stock).await.unwrap();

    // The checkpoint is of another server: nothing is skipped, everything of the backup comes again.
    eventually(PATIENCE, "the events are published again", async || {
        let audit = world.audit().ok()?;
        (audit.len() >= published + 2 * ids.len()).then_some(())
    })
    .await;
    let log = std::fs::read_to_string(world.virtual_stock.log()).unwrap();
    assert!(log.contains("RELAY_HISTORY_CHANGED"), "it was not noticed");
    let mut looked = world
        .call(Method::GET, "/stocks/STK-1", &json!({}))
        .await
        .unwrap();
    assert_eq!(looked.body["version"], 2, "the backup's state");

    // The partner keeps what it was told; an operator sees that it is ahead.
    assert_eq!(told(&world, "STK-1"), 5);
    for id in ids {
        reserve(&world, id).await;
    }
    eventually(PATIENCE, "new changes arrive", async || {
        (told(&world, "STK-2") == 3 && told(&world, "STK-3") == 3).then_some(())
    })
    .await;
    assert_eq!(told(&world, "STK-1"), 5, "it went back");

    // Once it is beyond what was told, it is told again.
    for expected in 4..=6 {
        assert_eq!(reserve(&world, "STK-1").await, expected);
    }
    eventually(PATIENCE, "the partner is told again", async || {
        (told(&world, "STK-1") == 6).then_some(())
    })
    .await;
    looked = world
        .call(Method::GET, "/stocks/STK-1", &json!({}))
        .await
        .unwrap();
    let picture = world
        .partner
        .look(|ledger| ledger.stocks["STK-1"].picture.clone());
    assert_eq!(picture["totalReserved"], looked.body["reserved"]);
    world.virtual_stock.run("verify").unwrap();
}
