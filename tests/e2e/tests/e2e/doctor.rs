//! `doctor` of both services: what is well, and each thing that is not.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use adapters::{
    clock::SystemClock,
    kafka::{ClockError, KafkaSettings, broker_clocks},
};
use application::ports::Clock;
use devstack::{Service, eventually, home};
use e2e::World;
use partner_sim::{Demands, Simulator, Tls};
use serde_json::Value;
use sqlx::PgPool;
use time::OffsetDateTime;

use crate::{
    authentication::{authority, identity_until},
    targets::demanding,
};

const PATIENCE: Duration = Duration::from_secs(30);
const TARGET: &str = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";

/// Subjects, states and details; and whether all was well.
fn findings(service: &Service) -> (Vec<[String; 3]>, bool) {
    let (json, good) = match service.ask(&["doctor", "--json"]) {
        Ok(json) => (json, true),
        Err(error) => {
            let text = error.to_string();
            let json = text.find("[\n").map(|at| text[at..].to_owned());
            (json.unwrap_or_else(|| panic!("{text}")), false)
        }
    };
    let findings: Vec<Value> = serde_json::from_str(&json).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let findings = findings
        .iter()
        .map(|finding| ["subject", "state", "detail"].map(|name| text(finding, name)));
    (findings.collect(), good)
}

/// The only one that is not well.
fn fault(service: &Service) -> [String; 3] {
    let (mut findings, _) = findings(service);
    findings.retain(|[_, state, _]| state != "ok");
    let [only] = &findings[..] else {
        panic!("{findings:#?} {:?}", service.ask(&["doctor"]));
    };
    only.clone()
}

/// A partner whose certificate holds until `end`, for this world's acl.
pub(crate) async fn over_tls(world: &mut World, name: &str, end: OffsetDateTime) -> Simulator {
    let servers = authority();
    let partner = demanding(Demands {
        tls: Some(Tls {
            identity: identity_until(&servers, "localhost", Some(end)),
            callers: None,
        }),
        ..Demands::default()
    })
    .await;
    let trusted = home().join(format!("run/{name}-authorities.pem"));
    std::fs::write(&trusted, servers.pem()).unwrap();
    for (setting, value) in [
        (
            "URL",
            format!("https://localhost:{}", partner.address.port()),
        ),
        ("CLIENT__NETWORK", "{allow_private=true}".to_owned()),
        ("CLIENT__TLS__AUTHORITIES", trusted.display().to_string()),
    ] {
        world.acl.set(&format!("{TARGET}__{setting}"), &value);
    }
    partner
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_finds_nothing_where_all_is_well() {
    let world = World::new("well", &[]).await.unwrap();

    let (stock, good) = findings(&world.virtual_stock);
    assert!(
        good && stock.iter().all(|[_, state, _]| state == "ok"),
        "{stock:#?}"
    );
    let subjects: Vec<&str> = stock.iter().map(|[subject, ..]| subject.as_str()).collect();
    let writes = |topic: &str| format!("right to write {}", world.topic(topic));
    for expected in [
        "database",
        "tables",
        "database's clock",
        "transactions",
        "brokers",
        "topics",
        &writes("high-priority-updates"),
        &writes("stock-audit-logs"),
        "clock of broker 1",
        "disk of the outbox",
    ] {
        assert!(subjects.contains(&expected), "{expected}: {subjects:?}");
    }

    let (acl, good) = findings(&world.acl);
    assert!(
        good && acl.iter().all(|[_, state, _]| state == "ok"),
        "{acl:#?}"
    );
    let partner = acl
        .iter()
        .find(|[subject, ..]| subject == "partner trading-partner");
    assert!(partner.unwrap()[2].starts_with("HTTP "), "{partner:?}");

    // A record that is too large must not become smaller on its way.
    let mut small = world.virtual_stock.clone();
    let options = "{\"compression.type\"=\"lz4\"}";
    small.set("VIRTUAL_STOCK__KAFKA__OPTIONS", options);
    let table = small.ask(&["doctor"]).unwrap();
    assert!(table.contains("disk of the outbox"), "{table}");
    assert_eq!(world.partner.ledger().calls.len(), 0, "nothing is told");
    for topic in ["high-priority-updates", "stock-audit-logs"] {
        assert_eq!(world.records(topic).unwrap().len(), 0, "nothing is written");
    }
}

/// A clock that is an hour behind.
struct Behind;

impl Clock for Behind {
    fn now(&self) -> OffsetDateTime {
        SystemClock.now() - time::Duration::HOUR
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_brokers_clock_is_compared_with_ours() {
    let world = World::new("clocks", &[]).await.unwrap();
    let kafka = KafkaSettings {
        brokers: world.brokers.clone(),
        client_id: "doctor".to_owned(),
        options: BTreeMap::new(),
    };
    let topic = world.topic("stock-clock");

    let ahead = async |clock: &dyn Clock| {
        let mut clocks = broker_clocks(&kafka, &topic, clock).await.unwrap();
        assert_eq!(clocks.len(), 1, "one broker: {clocks:?}");
        let (_, clock) = clocks.pop_first().unwrap();
        clock.unwrap()
    };
    // One machine has one clock; the broker's time is in milliseconds.
    let same = ahead(&SystemClock).await;
    assert!(same.ahead.abs() <= same.unsure + 0.002, "{same:?}");
    let hour = ahead(&Behind).await;
    assert!(
        (hour.ahead - 3600.0).abs() <= hour.unsure + 0.002,
        "{hour:?}"
    );

    let by_us = world.topic("stock-audit-logs");
    let mut clocks = broker_clocks(&kafka, &by_us, &SystemClock).await.unwrap();
    let (_, refused) = clocks.pop_first().unwrap();
    assert!(matches!(refused, Err(ClockError::NotStamped(topic)) if topic == by_us));
    let none = world.topic("none");
    let refused = broker_clocks(&kafka, &none, &SystemClock).await;
    assert!(matches!(refused, Err(ClockError::Kafka(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_names_what_is_not_as_it_has_to_be() {
    let mut world = World::new("unwell", &[]).await.unwrap();

    sqlx::query(
        "DELETE FROM _sqlx_migrations WHERE version = (SELECT max(version) FROM _sqlx_migrations)",
    )
    .execute(&world.stocks_db)
    .await
    .unwrap();
    let [subject, state, detail] = fault(&world.virtual_stock);
    assert_eq!((subject.as_str(), state.as_str()), ("tables", "failed"));
    assert_eq!(
        detail,
        "1 migrations are missing: run `virtual-stock migrate`"
    );

    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (90000000000000, 'of a newer version', true, '', 0)",
    )
    .execute(&world.acl_db)
    .await
    .unwrap();
    let [subject, state, detail] = fault(&world.acl);
    assert_eq!((subject.as_str(), state.as_str()), ("tables", "warning"));
    assert_eq!(detail, "1 migrations are of a newer acl than this one");

    let mut small = world.virtual_stock.clone();
    small.set("VIRTUAL_STOCK__OUTBOX__MAX_BYTES", "1000");
    let (all, _) = findings(&small);
    let disk = all
        .iter()
        .find(|[subject, ..]| subject == "disk of the outbox");
    assert_eq!(disk.unwrap()[1], "warning", "{disk:?}");

    let mut elsewhere = world.virtual_stock.clone();
    elsewhere.set("VIRTUAL_STOCK__TOPICS__NORMAL__PARTITIONS", "7");
    let (all, _) = findings(&elsewhere);
    let topics = all.iter().find(|[subject, ..]| subject == "topics");
    let [_, state, detail] = topics.unwrap();
    assert_eq!(state, "failed");
    assert!(detail.contains("partitions, not 7"), "{detail}");

    elsewhere.set("VIRTUAL_STOCK__KAFKA__BROKERS", "127.0.0.1:1");
    elsewhere.set(
        "VIRTUAL_STOCK__DATABASE__URL",
        "postgres://127.0.0.1:1/none",
    );
    let (all, _) = findings(&elsewhere);
    for (subject, why) in [
        ("database", "refused"),
        ("brokers", "no broker answers"),
        ("disk of the outbox", ""),
    ] {
        let found = all.iter().find(|[name, ..]| name == subject);
        let [_, state, detail] = found.unwrap();
        assert_eq!(state, "failed", "{subject}");
        assert!(detail.contains(why), "{subject}: {detail}");
    }

    world
        .acl
        .set(&format!("{TARGET}__URL"), "http://127.0.0.1:1");
    let (all, _) = findings(&world.acl);
    let partner = all
        .iter()
        .find(|[name, ..]| name == "partner trading-partner");
    let [_, state, detail] = partner.unwrap();
    assert_eq!(state, "failed");
    assert!(detail.contains("refused"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_named() {
    let world = World::new("rights", &[]).await.unwrap();
    let rule = |what: &str, operations: &[&str], topic: &str| {
        let user = ["--add", what, "User:ANONYMOUS", "--topic", topic];
        let operations = operations.iter().flat_map(|one| ["--operation", one]);
        let arguments: Vec<_> = user.into_iter().chain(operations).collect();
        let class = "org.apache.kafka.tools.AclCommand";
        world.kafka(class, &arguments).unwrap();
    };
    // A topic with a rule gives no right that no rule gives.
    let unwritten = world.topic("virtual-stock-updates");
    rule(
        "--allow-principal",
        &["Describe", "DescribeConfigs", "Read"],
        &unwritten,
    );
    let unread = world.topic("high-priority-updates");
    rule(
        "--allow-principal",
        &["Describe", "DescribeConfigs", "Write"],
        &unread,
    );
    let unknown = world.topic("critical-stock-events");
    rule(
        "--allow-principal",
        &["Describe", "Write", "Read"],
        &unknown,
    );

    let found = async |service: &Service, subject: &str, wanted: &str| {
        eventually(PATIENCE, subject, async || {
            let (all, _) = findings(service);
            let mut all = all.into_iter();
            all.find(|[name, state, _]| name.starts_with(subject) && state == wanted)
        })
        .await[2]
            .to_lowercase()
    };
    let stock = &world.virtual_stock;
    let refused = found(stock, &format!("right to write {unwritten}"), "failed").await;
    assert!(refused.contains("authorization"), "{refused}");
    found(stock, &format!("right to write {unread}"), "ok").await;
    let untried = found(stock, &format!("right to write {unknown}"), "warning").await;
    assert!(untried.contains("describeconfigs"), "{untried}");
    let refused = found(&world.acl, "right to read as", "failed").await;
    assert!(refused.contains("authorization"), "{refused}");
    for topic in ["virtual-stock-updates", "critical-stock-events"] {
        assert_eq!(world.records(topic).unwrap().len(), 0, "{topic}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_is_named_and_measured() {
    let mut world = World::new("ending", &[]).await.unwrap();
    let in_days = |days| OffsetDateTime::from(SystemTime::now()) + time::Duration::days(days);
    let end = in_days(5) + time::Duration::hours(1);
    let _partner = over_tls(&mut world, "ending", end).await;

    let [subject, state, detail] = fault(&world.acl);
    assert_eq!(subject, "partner trading-partner");
    assert_eq!(state, "warning");
    assert!(
        detail.ends_with("its certificate ends in 5 days"),
        "{detail}"
    );

    let _acl = world.start(&world.acl).await.unwrap();
    let line = format!(
        "acl_partner_certificate_end_timestamp_seconds{{subscription=\"trading-partner\"}} {}",
        end.unix_timestamp()
    );
    eventually(PATIENCE, &line, async || {
        let (_, metrics) = world.manage(&world.acl, "/metrics").await.ok()?;
        metrics.contains(&line).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_is_measured() {
    let world = World::new("open", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let oldest = async || {
        let (_, metrics) = world.manage(&world.virtual_stock, "/metrics").await.ok()?;
        let name = "database_oldest_transaction_seconds ";
        let line = metrics.lines().find_map(|line| line.strip_prefix(name))?;
        line.parse::<f64>().ok()
    };
    let pool: &PgPool = &world.stocks_db;
    let transaction = pool.begin().await.unwrap();
    eventually(PATIENCE, "it is seen", async || {
        (oldest().await? > 2.0).then_some(())
    })
    .await;
    transaction.rollback().await.unwrap();
    eventually(PATIENCE, "it is gone", async || {
        (oldest().await? < 2.0).then_some(())
    })
    .await;
}
