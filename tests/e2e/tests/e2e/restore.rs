//! Backups of both databases, by the shipped scripts, restored on another server when the first one is lost: what was acknowledged
//! after the backup is gone there, and no partner is told an old state because of it.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, SystemTime},
};

use devstack::{Postgres, Servers, Service, eventually, home, postgres_client};
use e2e::World;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;
use time::{OffsetDateTime, macros::format_description};

const PATIENCE: Duration = Duration::from_mins(1);
const STOCKS: &str = "VIRTUAL_STOCK__DATABASE__URL";
const ACL: &str = "ACL__DATABASE__URL";
const IDS: [&str; 3] = ["STK-1", "STK-2", "STK-3"];

/// Runs one of the shipped scripts, with PostgreSQL's programs in its path.
fn script(name: &str, arguments: &[&str]) -> Output {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let programs = postgres_client("pg_dump");
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", programs.parent().unwrap().display());
    Command::new(scripts.join(name))
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap()
}

fn done(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// A dump of a service's database.
fn backup(service: &Service, variable: &str, name: &str) -> PathBuf {
    let file = home().join(format!("run/{name}.dump"));
    let url = service.setting(variable).unwrap();
    done(&script("backup.sh", &[url, file.to_str().unwrap()]));
    file
}

/// Puts a dump into the empty database, and the service onto it.
async fn restore(service: &mut Service, variable: &str, dump: &Path, url: &str) -> PgPool {
    done(&script("restore.sh", &[dump.to_str().unwrap(), url]));
    service.set(variable, url);
    service.run("migrate").unwrap();
    PgPool::connect(url).await.unwrap()
}

async fn reserve(world: &World, id: &str) -> u64 {
    let body = json!({"quantityToReserve": 1, "reason": "order"});
    let path = format!("/stocks/{id}/reserve");
    let answer = world.call(Method::POST, &path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["version"].as_u64().unwrap()
}

/// Stocks with a hold each, of which the partner has been told.
async fn begin(world: &World) {
    for id in IDS {
        world.stock(id, 1000).await.unwrap();
        reserve(world, id).await;
    }
    world.settled().await.unwrap();
}

fn told(world: &World, id: &str) -> u64 {
    world.partner.look(|ledger| ledger.stocks[id].version)
}

/// The stocks' database is lost, and its backup, three changes older, restored in the one at `url`.
async fn no_partner_goes_back(name: &str, url: &str, server_is_new: bool) {
    let mut world = World::new(name, &[]).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    begin(&world).await;
    let dump = backup(&world.virtual_stock, STOCKS, name);

    // After the backup: three changes of the first stock, which its partner is told of.
    for _ in 0..3 {
        reserve(&world, "STK-1").await;
    }
    world.settled().await.unwrap();
    assert_eq!(told(&world, "STK-1"), 5);
    let published = world.audit().unwrap().len();

    assert!(stock.terminate().unwrap().success());
    world.stocks_db = restore(&mut world.virtual_stock, STOCKS, &dump, url).await;
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    if server_is_new {
        // The checkpoint is of another server: nothing is skipped, everything of the backup comes again.
        eventually(PATIENCE, "the events are published again", async || {
            let audit = world.audit().ok()?;
            (audit.len() >= published + 2 * IDS.len()).then_some(())
        })
        .await;
    }
    let log = std::fs::read_to_string(world.virtual_stock.log()).unwrap();
    assert_eq!(log.contains("RELAY_HISTORY_CHANGED"), server_is_new);
    let mut looked = world
        .call(Method::GET, "/stocks/STK-1", &json!({}))
        .await
        .unwrap();
    assert_eq!(looked.body["version"], 2, "the backup's state");

    // The partner keeps what it was told; an operator sees that it is ahead.
    assert_eq!(told(&world, "STK-1"), 5);
    for id in IDS {
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

/// A server of its own, and an empty database on it.
async fn another_server(name: &str) -> (Postgres, String) {
    let server = Postgres::fresh(&home(), name, 0).await.unwrap();
    let url = server.database(name).await.unwrap();
    (server, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_on_another_server_is_published_again_and_no_partner_goes_back() {
    let (_server, url) = another_server("elsewhere").await;
    no_partner_goes_back("restored_elsewhere", &url, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_state_on_the_same_server_goes_on_and_no_partner_goes_back() {
    let servers = Servers::start(&home()).await.unwrap();
    let url = servers.database("older").await.unwrap();
    no_partner_goes_back("restored_here", &url, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acl_on_a_restored_database_repeats_what_it_forgot_and_nothing_has_two_effects() {
    let mut world = World::new("restored_acl", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    begin(&world).await;
    let before = OffsetDateTime::from(SystemTime::now());
    let dump = backup(&world.acl, ACL, "acl");
    for id in IDS {
        for _ in 0..3 {
            reserve(&world, id).await;
        }
    }
    world.settled().await.unwrap();
    let (effects, calls) = world
        .partner
        .look(|ledger| (ledger.effects, ledger.calls.len()));

    assert!(acl.terminate().unwrap().success());
    let (_server, url) = another_server("acl_elsewhere").await;
    world.acl_db = restore(&mut world.acl, ACL, &dump, &url).await;
    // What the runbook says.
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]");
    let group = world.topic("acl-stock-consumer-group");
    let before = before.format(form).unwrap();
    let class = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    let reset = ["--reset-offsets", "--all-topics", "--execute"];
    let which = ["--group", &group, "--to-datetime", &before];
    world.kafka(class, &[&reset[..], &which].concat()).unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    reserve(&world, "STK-1").await;
    world.settled().await.unwrap();

    let ledger = world.partner.ledger();
    assert!(ledger.calls.len() > calls + 1, "nothing was repeated");
    assert_eq!(
        ledger.effects,
        effects + 1,
        "only the last reservation is new"
    );
    // A repeat may show what was known then, under a key that the partner knows: it applies nothing.
    let mut others = ledger.violations.iter();
    assert!(others.all(|violation| violation.contains("came after")));
    for id in IDS {
        let looked = world
            .call(Method::GET, &format!("/stocks/{id}"), &json!({}))
            .await
            .unwrap();
        assert_eq!(
            ledger.stocks[id].picture["totalReserved"], looked.body["reserved"],
            "{id}"
        );
    }
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_goes_into_an_empty_database_whole_or_not_at_all() {
    let world = World::new("whole", &[]).await.unwrap();
    let dump = backup(&world.virtual_stock, STOCKS, "whole");
    let (_server, url) = another_server("whole").await;
    let tables = async || {
        let pool = PgPool::connect(&url).await.unwrap();
        let sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        sqlx::query_scalar::<_, i64>(sql)
            .fetch_one(&pool)
            .await
            .unwrap()
    };

    let cut_off = home().join("run/cut-off.dump");
    let bytes = std::fs::read(&dump).unwrap();
    // The last rows are missing: it fails when all tables have been made.
    std::fs::write(&cut_off, &bytes[..bytes.len() - 64]).unwrap();
    let refused = script("restore.sh", &[cut_off.to_str().unwrap(), &url]);
    assert!(!refused.status.success(), "{refused:?}");
    assert_eq!(tables().await, 0, "nothing of it stays");

    done(&script("restore.sh", &[dump.to_str().unwrap(), &url]));
    let there = tables().await;
    assert!(there > 5, "{there}");
    let refused = script("restore.sh", &[dump.to_str().unwrap(), &url]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(
        told,
        format!("restore: the database has {there} tables: name an empty one\n")
    );

    let nowhere = home().join("run/none.dump");
    let failed = script(
        "backup.sh",
        &["postgres://127.0.0.1:1/none", nowhere.to_str().unwrap()],
    );
    assert!(!failed.status.success(), "{failed:?}");
    assert!(!nowhere.exists() && !nowhere.with_extension("dump.part").exists());
}
