//! What operators see and do: partners, held stocks, the consumption log.

use std::time::Duration;

use devstack::eventually;
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::{Value, json};

use crate::credentials;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn reserve(world: &World, id: &str) {
    let body = json!({"quantityToReserve": 1, "reason": "order"});
    let path = format!("/stocks/{id}/reserve");
    let answer = world.call(Method::POST, &path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

pub(crate) async fn get(world: &World, path: &str) -> Value {
    let answer = world.operate(Method::GET, path, None).await.unwrap();
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.body
}

pub(crate) async fn post(world: &World, path: &str, body: Value, status: u16) -> Value {
    let answer = world
        .operate(Method::POST, path, Some(&body))
        .await
        .unwrap();
    assert_eq!(answer.status, status, "{path} {body}: {answer:?}");
    answer.body
}

/// No call of these, in their order, came before its turn at so many a second; each may come late.
pub(crate) fn not_before_its_time(times: &[u64], asked: u64, rate: u64) {
    let mut times = times.to_vec();
    times.sort_unstable();
    for (n, at) in (0..).zip(times) {
        let due = asked + n * 1000 / rate;
        assert!(at >= due, "call {n} came {} ms too early", due - at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_paused_resumed_and_told_everything_again() {
    let world = World::new("pause", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let another = world.acl.another().unwrap();
    let _other = world.start(&another).await.unwrap();
    for n in 0..30 {
        world.stock(&format!("STK-{n}"), 100).await.unwrap();
    }
    world.settled().await.unwrap();

    let paused = post(
        &world,
        "/partners/trading-partner/pause",
        json!({"reason": "maintenance"}),
        200,
    )
    .await;
    assert_eq!(paused["standing"]["state"], "PAUSED");
    assert_eq!(paused["standing"]["why"], "maintenance");
    eventually(PATIENCE, "both instances have stopped", async || {
        for service in [&world.acl, &another] {
            let (_, metrics) = world.manage(service, "/metrics").await.ok()?;
            let halted = "acl_partner_halted{subscription=\"trading-partner\"} 1";
            metrics.contains(halted).then_some(())?;
        }
        Some(())
    })
    .await;
    let calls = world.partner.ledger().calls.len();
    for n in 0..30 {
        reserve(&world, &format!("STK-{n}")).await;
    }
    eventually(PATIENCE, "the events are on Kafka", async || {
        (world.records("high-priority-updates").ok()?.len() >= 30).then_some(())
    })
    .await;
    let propagation = get(&world, "/stocks/STK-1/propagation").await;
    assert_eq!(propagation["items"][0]["version"], 1);
    assert_eq!(
        world.partner.ledger().calls.len(),
        calls,
        "a paused partner was called"
    );

    post(&world, "/partners/trading-partner/resume", json!({}), 200).await;
    world.settled().await.unwrap();
    assert_eq!(world.partner.ledger().calls.len(), calls + 30);
    let propagation = get(&world, "/stocks/STK-1/propagation").await;
    assert_eq!(propagation["items"][0]["version"], 2);
    assert_eq!(propagation["items"][0]["state"], "CURRENT");
    assert!(propagation["items"][0]["ageMs"].as_i64().unwrap() >= 0);

    let asked = world.partner.now_ms();
    let resync = post(
        &world,
        "/partners/trading-partner/resync",
        json!({"rate": 10, "reason": "restored"}),
        202,
    )
    .await;
    assert_eq!(resync["total"], 30);
    eventually(PATIENCE, "everything was told again", async || {
        let partner = get(&world, "/partners/trading-partner").await;
        (partner["resync"]["remaining"] == 0).then_some(())
    })
    .await;
    let ledger = world.partner.ledger();
    let told = ledger
        .calls
        .iter()
        .filter(|call| call.body["operation"] == "RESYNCHRONIZED");
    let times: Vec<u64> = told.map(|call| call.at_ms).collect();
    assert_eq!(times.len(), 30);
    let long = times[29] - asked;
    println!("30 stocks at 10 a second: {long} ms");
    not_before_its_time(&times, asked, 10);
    assert_eq!(ledger.violations, Vec::<String>::new());
    assert!(
        ledger
            .stocks
            .values()
            .all(|stock| stock.version == 2 && stock.reserved_by_effects == 1)
    );
    world
        .counts(
            "no stock is claimed any more",
            "SELECT count(*) FROM external_stocks WHERE claim IS NOT NULL",
            0,
        )
        .await;
    let actions: Vec<String> =
        sqlx::query_scalar("SELECT action FROM operator_actions ORDER BY id")
            .fetch_all(&world.acl_db)
            .await
            .unwrap();
    assert_eq!(actions, ["PAUSE", "RESUME", "RESYNC"]);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_why_is_shown_and_the_command_line_asks_the_same() {
    let world = World::new("held_shown", &[("ACL__DELIVERY__RETRY", "[\"1h\"]")])
        .await
        .unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-A", 100).await.unwrap();
    world.settled().await.unwrap();
    world.partner.inject(Fault {
        status: Some(500),
        times: Some(1),
        ..Fault::default()
    });
    reserve(&world, "STK-A").await;
    world
        .counts("it is held", "SELECT count(*) FROM waiting_events", 1)
        .await;
    reserve(&world, "STK-A").await;
    world
        .counts("two are held", "SELECT count(*) FROM waiting_events", 2)
        .await;

    let held = get(&world, "/held?partner=trading-partner").await;
    let item = &held["items"][0];
    assert_eq!(
        (&item["stockId"], &item["waiting"], &item["attempts"]),
        (&json!("STK-A"), &json!(2), &json!(1))
    );
    assert!(
        item["why"].as_str().unwrap().contains("status 500"),
        "{item}"
    );
    let propagation = get(&world, "/stocks/STK-A/propagation").await;
    assert_eq!(propagation["items"][0]["state"], "HELD");
    assert_eq!(propagation["items"][0]["newestVersion"], 3);

    let log = get(&world, "/deliveries?stockId=STK-A&limit=1").await;
    let next = log["nextCursor"].as_str().unwrap();
    assert_eq!(log["items"][0]["status"], "RETRY_SCHEDULED");
    let earlier = get(
        &world,
        &format!("/deliveries?stockId=STK-A&limit=1&cursor={next}"),
    )
    .await;
    assert_eq!(earlier["items"][0]["status"], "DELIVERED");
    let correlation = log["items"][0]["correlationId"].as_str().unwrap();
    let mine = get(&world, &format!("/deliveries?correlationId={correlation}&partner=trading-partner&from=2026-01-01T00:00:00Z")).await;
    assert_eq!(mine["items"].as_array().unwrap().len(), 1);

    for (path, code) in [
        ("/deliveries?status=SOLD", "bad-query"),
        ("/deliveries?until=tomorrow", "bad-query"),
        ("/deliveries?colour=red", "bad-query"),
        ("/dead-letters?cursor=x", "bad-cursor"),
        ("/dead-letters/7", "unknown-dead-letter"),
        ("/dead-letters/x", "unknown-dead-letter"),
        ("/partners/nobody", "unknown-partner"),
        ("/stocks/STK-Z/propagation", "unknown-stock"),
    ] {
        let answer = world.operate(Method::GET, path, None).await.unwrap();
        assert_eq!(answer.text("code"), code, "{path}: {answer:?}");
    }
    let everything = post(&world, "/dead-letters/replay", json!({}), 422).await;
    assert_eq!(everything["errors"][0]["pointer"], "/ids");

    let said = world.acl.ask(&["operate", "held"]).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["items"][0]["stockId"], "STK-A");
    let said = world
        .acl
        .ask(&[
            "operate",
            "deliveries",
            "--stock",
            "STK-A",
            "--status",
            "DELIVERED",
        ])
        .unwrap();
    assert!(said.contains("\"CREATED\""), "{said}");
    let refused = world
        .acl
        .ask(&["operate", "partners", "nobody"])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("There is no partner nobody"), "{refused}");
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_look_may_not_act_and_the_other_way_round() {
    let (reader, operator) = ("r".repeat(40), "o".repeat(40));
    let known = credentials::known(&[
        ("reader", &reader, &["acl:read"]),
        ("operator", &operator, &["acl:operate"]),
    ]);
    let settings = [
        ("ACL__AUTH__MODE", "required"),
        ("ACL__AUTH__API_KEYS", known.as_str()),
    ];
    let world = World::new("scopes", &settings).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let described: Value =
        serde_json::from_str(include_str!("../../../../docs/contracts/acl-openapi.json")).unwrap();
    let (mut looked, mut acted) = (0, 0);
    for (path, methods) in described["paths"].as_object().unwrap() {
        let Some(path) = path.strip_prefix("/api/v1/acl") else {
            continue;
        };
        let path = path
            .replace("{partner}", "trading-partner")
            .replace("{id}", "1")
            .replace("{stockId}", "STK-1");
        for method in methods.as_object().unwrap().keys() {
            let acts = method == "post";
            let method: Method = method.to_uppercase().parse().unwrap();
            let body = acts.then(|| json!({"reason": "because"}));
            let ask = async |key| {
                let answer = world.operate_with(method.clone(), &path, key, body.as_ref());
                answer.await.unwrap()
            };
            let (may, may_not) = if acts {
                acted += 1;
                (&operator, &reader)
            } else {
                looked += 1;
                (&reader, &operator)
            };
            let allowed = ask(Some(may)).await;
            assert!(
                ![401, 403].contains(&allowed.status) && allowed.status < 500,
                "{method} {path}: {allowed:?}"
            );
            let refused = ask(Some(may_not)).await;
            assert_eq!(refused.status, 403, "{method} {path}: {refused:?}");
            assert_eq!(refused.text("code"), "forbidden");
            assert_eq!(ask(None).await.status, 401, "{method} {path}");
        }
    }
    assert_eq!((looked, acted), (8, 6));
    let by_readers = world
        .count("SELECT count(*) FROM operator_actions WHERE actor = 'reader'")
        .await;
    assert_eq!(by_readers.unwrap(), 0);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_wants_no_more_events_is_disabled_until_an_operator_resumes_it() {
    let world = World::new("gone", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.partner.inject(partner_sim::Fault {
        status: Some(410),
        times: Some(1),
        ..partner_sim::Fault::default()
    });
    world.stock("STK-1", 10).await.unwrap();
    world
        .counts(
            "it is disabled",
            "SELECT count(*) FROM partners WHERE disabled_at IS NOT NULL",
            1,
        )
        .await;
    world.stock("STK-2", 10).await.unwrap();
    let answer = world
        .operate(Method::GET, "/partners/trading-partner", None)
        .await
        .unwrap();
    assert_eq!(answer.body["standing"]["state"], "DISABLED");
    assert_eq!(world.partner.ledger().calls.len(), 1);

    let resumed = json!({"reason": "they want them again"});
    world
        .operate(
            Method::POST,
            "/partners/trading-partner/resume",
            Some(&resumed),
        )
        .await
        .unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.partner.ledger().stocks.len(), 2);
    let dead = world
        .count("SELECT count(*) FROM dead_letters")
        .await
        .unwrap();
    assert_eq!(dead, 0);
}
