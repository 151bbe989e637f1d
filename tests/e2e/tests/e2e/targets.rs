//! Targets of every kind: who is told what, in whose words, with which credentials.

use std::{path::PathBuf, time::Duration};

use devstack::{Process, eventually, free_port, home};
use e2e::World;
use partner_sim::{Call, Demands, Simulator};
use reqwest::Method;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_mins(1);
const OLD_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn local() -> std::net::SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Points a subscription at a local target.
pub(crate) fn enable(world: &mut World, subscription: &str, simulator: &Simulator, path: &str) {
    let setting = |name: &str| {
        let subscription = subscription.to_uppercase();
        format!("ACL__SUBSCRIPTIONS__{subscription}__{name}")
    };
    let url = format!("http://{}{path}", simulator.address);
    world.acl.set(&setting("ENABLED"), "true");
    world.acl.set(&setting("TARGET__URL"), &url);
    let network = "{allow_http=true, allow_private=true}";
    world.acl.set(&setting("TARGET__CLIENT__NETWORK"), network);
    world.acl.set(&setting("TARGET__CLIENT__TIMEOUT"), "1s");
    world.acl.set(&setting("DELIVERY__CLAIM_LEASE"), "4s");
}

pub(crate) async fn demanding(demands: Demands) -> Simulator {
    Simulator::demanding(local(), demands).await.unwrap()
}

fn header(name: &str, value: &str) -> Demands {
    Demands {
        header: Some((name.to_owned(), value.to_owned())),
        ..Demands::default()
    }
}

async fn called(simulator: &Simulator, what: &str, count: usize) -> Vec<Call> {
    eventually(PATIENCE, what, async || {
        let calls = simulator.ledger().calls;
        let done = calls.iter().filter(|call| call.status == 200).count();
        (done >= count).then_some(calls)
    })
    .await
}

/// A mail server that prints what it gets.
fn mail_server(port: u16) -> (Process, PathBuf) {
    let mut command = std::process::Command::new(home().join("fuzz/bin/python"));
    let listen = format!("127.0.0.1:{port}");
    command.args(["-u", "-m", "aiosmtpd", "-n", "-l", &listen]);
    let process = Process::start(&home(), "aiosmtpd", command).unwrap();
    let log = process.log().to_owned();
    (process, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_shipped_subscription_tells_its_target_in_its_own_words() {
    let inventory = demanding(header("authorization", "Bearer inventory-t0ken")).await;
    let analytics = demanding(header("x-api-key", "analytics-k3y")).await;
    let slack = demanding(Demands::default()).await;
    let pagerduty = demanding(Demands::default()).await;
    // The partner still knows only the old secret, or only the new one: both are live.
    let webhook = demanding(Demands {
        secrets: vec![NEW_SECRET.to_owned()],
        ..Demands::default()
    })
    .await;
    drop(std::fs::remove_file(home().join("run/aiosmtpd.log")));
    let port = free_port(0).unwrap();
    let (_mail, mails) = mail_server(port);

    let mut world = World::new("targets", &[]).await.unwrap();
    enable(&mut world, "inventory_system", &inventory, "");
    enable(&mut world, "analytics_platform", &analytics, "");
    enable(&mut world, "alerts_slack", &slack, "");
    enable(&mut world, "alerts_pagerduty", &pagerduty, "");
    enable(&mut world, "alerts_webhook", &webhook, "/hooks/stock");
    let alerts = "ACL__SUBSCRIPTIONS__ALERTS";
    let slack_url = format!("http://{}/services/T0/B0/sl4ck", slack.address);
    for (variable, value) in [
        ("INVENTORY_TOKEN".to_owned(), "inventory-t0ken"),
        ("ANALYTICS_KEY".to_owned(), "analytics-k3y"),
        ("SLACK_WEBHOOK_URL".to_owned(), slack_url.as_str()),
        (
            format!("{alerts}_SLACK__TARGET__URL"),
            "{env=\"SLACK_WEBHOOK_URL\"}",
        ),
        ("PAGERDUTY_ROUTING_KEY".to_owned(), "r0uting"),
        ("ALERTS_WEBHOOK_SECRET".to_owned(), OLD_SECRET),
        ("ALERTS_WEBHOOK_NEXT".to_owned(), NEW_SECRET),
        (
            format!("{alerts}_WEBHOOK__TARGET__SIGNATURE__SECRETS"),
            "[{env=\"ALERTS_WEBHOOK_SECRET\"}, {env=\"ALERTS_WEBHOOK_NEXT\"}]",
        ),
        ("MAIL_PASSWORD".to_owned(), "unused"),
        (format!("{alerts}_EMAIL__ENABLED"), "true"),
        (format!("{alerts}_EMAIL__TARGET__HOST"), "127.0.0.1"),
        (
            format!("{alerts}_EMAIL__TARGET__PORT"),
            port.to_string().as_str(),
        ),
        (format!("{alerts}_EMAIL__TARGET__SECURITY"), "none"),
        (format!("{alerts}_EMAIL__TARGET__AUTHENTICATE"), "false"),
        (
            format!("{alerts}_EMAIL__TARGET__NETWORK"),
            "{allow_http=true, allow_private=true}",
        ),
    ] {
        world.acl.set(&variable, value);
    }
    world.acl.run("check-config").unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();

    world.stock("STK-1", 100).await.unwrap();
    let reserve = json!({"quantityToReserve": 95, "reason": "big order"});
    let answer = world
        .call(Method::POST, "/stocks/STK-1/reserve", &reserve)
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let price = json!({"newPrice": "7.50", "reason": "tick"});
    world
        .call(Method::PUT, "/stocks/STK-1/price", &price)
        .await
        .unwrap();

    let events = called(&analytics, "analytics has every event", 3).await;
    let versions: Vec<_> = events
        .iter()
        .map(|call| call.body["stock"]["version"].clone())
        .collect();
    assert_eq!(
        versions,
        [1, 2, 3],
        "every event, in order, with its own state"
    );
    assert_eq!(events[1].body["event"], "stock.RESERVED");
    assert_eq!(
        events[1].body["change"],
        json!({"quantity": 0, "reserved": 95, "units": 95, "reservation": answer.body["reservationId"]})
    );
    assert_eq!(events[1].body["stock"]["previousStatus"], "AVAILABLE");
    eventually(PATIENCE, "inventory has the newest state", async || {
        let ledger = inventory.ledger();
        let last = ledger.calls.iter().rfind(|call| call.status == 200)?;
        assert_eq!(
            (last.method.as_str(), last.path.as_str()),
            ("PUT", "/api/v1/inventory/STK-1")
        );
        (last.body["version"] == 3 && last.body["allocated"] == 95).then_some(())
    })
    .await;
    let alert = called(&slack, "Slack has the alert", 1).await;
    assert_eq!(alert[0].path, "/services/T0/B0/sl4ck");
    let text = "*STK-1* is LOW_STOCK: 5 of 100 available (stock STK-1, RESERVED, was AVAILABLE)";
    assert_eq!(alert[0].body, json!({"text": text}));
    let incident = called(&pagerduty, "PagerDuty has the incident", 1).await;
    assert_eq!(incident[0].path, "/v2/enqueue");
    assert_eq!(incident[0].body["routing_key"], "r0uting");
    assert_eq!(incident[0].body["payload"]["severity"], "warning");
    assert_eq!(incident[0].body["dedup_key"], "virtual-stock/STK-1");
    let hook = called(&webhook, "the webhook has the alert", 1).await;
    assert_eq!(hook[0].path, "/hooks/stock");
    assert_eq!(hook[0].body["status"], "LOW_STOCK");
    assert_eq!(webhook.ledger().violations, Vec::<String>::new());
    assert_eq!(hook[0].signature.as_deref().unwrap().split(' ').count(), 2);
    eventually(PATIENCE, "the mail has arrived", async || {
        let mail = std::fs::read_to_string(&mails).ok()?;
        (mail.contains("Subject: STK-1 is LOW_STOCK") && mail.contains("Available: 5 of 100"))
            .then_some(())
    })
    .await;

    // Each has seen each event that it wants once, and the log holds no secret.
    let log = std::fs::read_to_string(world.acl.log()).unwrap();
    for secret in [
        "inventory-t0ken",
        "analytics-k3y",
        "sl4ck",
        "r0uting",
        OLD_SECRET,
        NEW_SECRET,
    ] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
    let rows = world
        .count("SELECT count(*) FROM consumption_log WHERE error ~ 'k3y|t0ken|sl4ck|r0uting|whsec'")
        .await;
    assert_eq!(rows.unwrap(), 0);
    let said = world.acl.ask(&["dry-run"]).unwrap();
    for expected in [
        "trading-partner (LatestState",
        "POST /api/v1/trading/stock-created",
        "alerts-pagerduty (EveryEvent",
        "\"routing_key\":\"<secret>\"",
        "MAIL Trading desk",
        "CREATE /virtual-stock-logs-2026.03.02/_doc/0192f5c0",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }

    // A look at all of them tells nothing and shows no secret.
    let seen = world.acl.ask(&["doctor", "--json"]).unwrap();
    for secret in ["sl4ck", "r0uting", "t0ken"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
    let seen: Vec<Value> = serde_json::from_str(&seen).unwrap();
    let partners = seen
        .iter()
        .filter(|it| it["subject"].as_str().unwrap().starts_with("partner "));
    let answers: Vec<_> = partners.map(|it| it["detail"].as_str().unwrap()).collect();
    assert!(answers.len() >= 7, "{answers:?}");
    assert!(answers.contains(&"SMTP greeting"), "{answers:?}");
    assert_eq!(slack.ledger().calls.len(), alert.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_subscription_does_not_want_is_filtered_and_has_its_outcome() {
    let mut world = World::new("filtered", &[]).await.unwrap();
    world.acl.set(
        "ACL__SUBSCRIPTIONS__TRADING_PARTNER__FILTER",
        "{operations=[\"CREATED\", \"PRICE_UPDATED\"], min_unit_price=\"100\"}",
    );
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    for (id, price) in [("STK-cheap", "99.99"), ("STK-dear", "100")] {
        let body = json!({"stockId": id, "productId": id, "quantity": 10, "price": price});
        world.call(Method::POST, "/stocks", &body).await.unwrap();
        let reserve = json!({"quantityToReserve": 1, "reason": "order"});
        world
            .call(Method::POST, &format!("/stocks/{id}/reserve"), &reserve)
            .await
            .unwrap();
    }
    world.settled().await.unwrap();

    let outcomes: Vec<(String, i64, String)> = sqlx::query_as(
        "SELECT stock_id, version, outcome FROM outcomes ORDER BY stock_id, version",
    )
    .fetch_all(&world.acl_db)
    .await
    .unwrap();
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|(id, version, outcome)| (id.as_str(), *version, outcome.as_str()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("STK-cheap", 1, "FILTERED"),
            ("STK-cheap", 2, "FILTERED"),
            ("STK-dear", 1, "DELIVERED"),
            ("STK-dear", 2, "FILTERED"),
        ]
    );
    assert_eq!(world.partner.ledger().calls.len(), 1);
    let logged = world
        .count("SELECT count(*) FROM consumption_log WHERE status = 'FILTERED' AND attempt = 0")
        .await;
    assert_eq!(logged.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_our_own_network_is_refused_after_it_was_resolved_and_nothing_is_lost() {
    let mut world = World::new("ssrf", &[("ACL__DELIVERY__PROBE_EVERY", "1s")])
        .await
        .unwrap();
    let port = world.partner.address.port();
    let target = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";
    world.acl.set(
        &format!("{target}__URL"),
        &format!("http://localhost:{port}"),
    );
    world.acl.set(
        &format!("{target}__CLIENT__NETWORK__ALLOW_PRIVATE"),
        "false",
    );
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-1", 10).await.unwrap();
    world
        .counts(
            "the call was refused",
            "SELECT count(*) FROM waiting_events WHERE last_error LIKE '%private%' AND counted = 0",
            1,
        )
        .await;
    assert_eq!(world.partner.ledger().calls.len(), 0);
    let looked = world.acl.ask(&["doctor"]).unwrap_err().to_string();
    assert!(looked.contains("private"), "{looked}");

    assert!(acl.terminate().unwrap().success());
    world
        .acl
        .set(&format!("{target}__CLIENT__NETWORK__ALLOW_PRIVATE"), "true");
    let _acl = world.start(&world.acl).await.unwrap();
    world.settled().await.unwrap();
    assert_eq!(world.partner.ledger().stocks.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_be_used_are_named_before_anything_is_called() {
    let world = World::new("unusable", &[]).await.unwrap();
    let trading = "ACL__SUBSCRIPTIONS__TRADING_PARTNER__TARGET";
    let named = "subscriptions.trading_partner.target";
    for (variable, value, expected) in [
        ("URL", "http://10.1.2.3/", "url must not be a private"),
        ("URL", "ftp://partner", "url must be an http or https URL"),
        (
            "URL",
            "{env=\"NOT_SET_AT_ALL\"}",
            "url names the variable NOT_SET_AT_ALL",
        ),
        ("AUTH__KIND", "bearer", "auth.token is missing"),
        (
            "AUTH",
            "{kind=\"bearer\", token={file=\"/none\"}}",
            "auth.token names the file /none",
        ),
        ("AUTH__KIND", "kerberos", "auth"),
        (
            "SIGNATURE__SECRETS",
            "[{env=\"HOME\"}]",
            "signature.secrets.0 must hold whsec_",
        ),
        (
            "CLIENT__TLS__IDENTITY",
            "/none.pem",
            "client.tls.identity names the file",
        ),
    ] {
        let mut acl = world.acl.clone();
        acl.set(&format!("{trading}__{variable}"), value);
        if value.contains("10.1.2.3") {
            acl.set(
                &format!("{trading}__CLIENT__NETWORK__ALLOW_PRIVATE"),
                "false",
            );
        }
        let error = acl.ask(&["check-config"]).expect_err(value).to_string();
        assert!(
            error.contains(named) && error.contains(expected),
            "{value}: {error}"
        );
    }
    let error = world
        .acl
        .ask(&["dry-run", "--subscription", "nobody"])
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no such subscription"), "{error}");
}
