//! What operators see of a service, and change while it runs.

use std::time::Duration;

use devstack::eventually;
use e2e::World;
use partner_sim::Fault;
use reqwest::{Client, Method};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_what_is_up_and_change_what_is_logged() {
    // Nobody listens there.
    let no_kafka = [(
        "VIRTUAL_STOCK__KAFKA__OPTIONS",
        "{\"bootstrap.servers\"=\"127.0.0.1:9\"}",
    )];
    let world = World::new("manage", &[]).await.unwrap();
    let mut cut_off = world.virtual_stock.another().unwrap();
    cut_off.set(no_kafka[0].0, no_kafka[0].1);
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _cut_off = world.start(&cut_off).await.unwrap();
    let asked = async |service, path: &str| {
        let (status, text) = world.manage(service, path).await.unwrap();
        (status, serde_json::from_str::<Value>(&text).unwrap())
    };
    let up = |component: &Value| component["status"] == "UP";

    let (status, health) = asked(&world.virtual_stock, "/actuator/health").await;
    assert_eq!(status, 200, "{health}");
    for name in ["database", "relay", "kafka"] {
        assert!(up(&health["components"][name]), "{name}: {health}");
    }
    // Without Kafka it serves all the same, and says so.
    let (status, health) = asked(&cut_off, "/actuator/health").await;
    assert_eq!(
        (status, up(&health["components"]["kafka"])),
        (503, false),
        "{health}"
    );
    for path in ["readiness", "liveness", "startup"] {
        let (status, _) = asked(&cut_off, &format!("/actuator/health/{path}")).await;
        assert_eq!(status, 200, "{path}");
    }
    let (status, info) = asked(&world.virtual_stock, "/actuator/info").await;
    assert_eq!(
        (status, &info["build"]["name"]),
        (200, &json!("virtual-stock"))
    );

    let log = || std::fs::read_to_string(world.virtual_stock.log()).unwrap();
    let url = format!(
        "http://{}/actuator/loglevel",
        world.virtual_stock.management
    );
    let put = async |filter: &str| {
        let body = json!({"filter": filter}).to_string();
        let answer = Client::builder()
            .build()
            .unwrap()
            .put(&url)
            .header("content-type", "application/json")
            .body(body);
        answer.send().await.unwrap().status().as_u16()
    };
    let path = "/stocks?limit=7";
    let id = |name: &str| format!("level-{name}");
    let ask = async |name: &str| {
        let (id, headers) = (id(name), "x-correlation-id");
        world
            .call_with(Method::GET, path, &[(headers, id.as_str())], String::new())
            .await
            .unwrap();
    };
    ask("one").await;
    assert_eq!(put("warn").await, 200);
    assert_eq!(
        asked(&world.virtual_stock, "/actuator/loglevel").await.1,
        json!({"filter": "warn"})
    );
    ask("two").await;
    assert_eq!(put("info").await, 200);
    ask("three").await;
    assert_eq!(put("info,[broken").await, 422);
    eventually(Duration::from_secs(10), "the log is written", async || {
        log().contains(&id("three")).then_some(())
    })
    .await;
    assert!(log().contains(&id("one")) && !log().contains(&id("two")));
}

#[tokio::test(flavor = "multi_thread")]
async fn routing_is_explained_by_request_and_by_command() {
    let world = World::new("explain", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let dear = json!({"operation": "CREATED", "stock": {"unitPrice": "100.01", "status": "AVAILABLE", "more": 1}});
    let answer = world
        .call(Method::POST, "/routing/explain", &dear)
        .await
        .unwrap();
    let topic = |name: &str| world.topic(name);
    assert_eq!(
        answer.body,
        json!({
            "rules": [
                {"rule": "valuable", "topic": topic("high-priority-updates"), "copy": false},
                {"rule": "audit", "topic": topic("stock-audit-logs"), "copy": true},
            ],
            "topics": [topic("high-priority-updates"), topic("stock-audit-logs")],
        })
    );
    let low = json!({"operation": "RESERVED", "stock": {"unitPrice": "1", "status": "LOW_STOCK"}, "previous": {"status": "AVAILABLE"}});
    let answer = world
        .call(Method::POST, "/routing/explain", &low)
        .await
        .unwrap();
    assert_eq!(
        answer.body["topics"],
        json!([
            topic("high-priority-updates"),
            topic("critical-stock-events"),
            topic("stock-audit-logs")
        ])
    );
    for (wrong, status) in [
        (json!({}), 400),
        (
            json!({"operation": "MADE", "stock": {"unitPrice": "1", "status": "LOW_STOCK"}}),
            422,
        ),
    ] {
        let answer = world
            .call(Method::POST, "/routing/explain", &wrong)
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }

    let file = devstack::home().join("run/explained.json");
    std::fs::write(&file, low.to_string()).unwrap();
    let said = world
        .virtual_stock
        .ask(&["route", "explain", file.to_str().unwrap()])
        .unwrap();
    assert!(said.contains("rule \"reservations\" (decides)"), "{said}");
    assert!(
        said.contains("rule \"became low or empty\" (copy)"),
        "{said}"
    );
    std::fs::write(&file, "{}").unwrap();
    let refused = world
        .virtual_stock
        .ask(&["route", "explain", file.to_str().unwrap()]);
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("missing field `operation`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn acl_is_not_ready_while_it_ends_what_it_has_begun() {
    let timeout = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET__CLIENT__TIMEOUT";
    let long = [(timeout, "10s"), ("ACL__DELIVERY__CLAIM_LEASE", "40s")];
    let world = World::new("draining", &long).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    world.partner.inject(Fault {
        hang: true,
        times: Some(1),
        ..Fault::default()
    });
    world.stock("STK-1", 1).await.unwrap();
    let patience = Duration::from_secs(20);
    eventually(patience, "the partner is called", async || {
        let calls = world.partner.look(|ledger| ledger.calls.len());
        (calls > 0).then_some(())
    })
    .await;

    let ended = tokio::task::spawn_blocking(move || acl.terminate());
    eventually(patience, "it is not ready any more", async || {
        let path = "/actuator/health/readiness";
        let (status, text) = world.manage(&world.acl, path).await.ok()?;
        let health: Value = serde_json::from_str(&text).ok()?;
        let serving = &health["components"]["serving"]["status"];
        (status == 503 && serving == "DOWN").then_some(())
    })
    .await;
    assert!(ended.await.unwrap().unwrap().success());
}
