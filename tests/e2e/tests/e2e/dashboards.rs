//! Dashboards and rules on a real Prometheus that watches both services: every query is one, and none is empty that has something to
//! show.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use devstack::Watch;
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

/// Until every query has something to show.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn dashboards() -> Vec<Value> {
    let folder = std::fs::read_dir(root().join("helm/virtual-stock/files/dashboards")).unwrap();
    let read = |path: PathBuf| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let all: Vec<Value> = folder.map(|entry| read(entry.unwrap().path())).collect();
    assert!(all.len() >= 7);
    all
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// Whether a panel asks the database of stocks itself.
fn is_of_database(panel: &Value) -> bool {
    panel["datasource"]["type"] == "grafana-postgresql-datasource"
}

#[test]
fn dashboards_are_what_the_script_makes_and_rules_lead_to_them() {
    let script = root().join("scripts/dashboards.py");
    let output = Command::new("python3").arg(script).arg("--check").output();
    let output = output.unwrap();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complained}");

    let dashboards = dashboards();
    let known: BTreeSet<&str> = dashboards
        .iter()
        .map(|d| d["uid"].as_str().unwrap())
        .collect();
    let rules = root().join("helm/virtual-stock/files/prometheus/alerts.yaml");
    let rules = std::fs::read_to_string(rules).unwrap();
    let named = rules
        .lines()
        .filter_map(|line| line.split_once("/grafana/d/"));
    let named: Vec<_> = named.map(|(_, uid)| uid).collect();
    assert!(named.len() > 20);
    for uid in named {
        assert!(known.contains(uid), "there is no dashboard {uid}");
    }
}

/// The rules of Grafana's dashboard linter that hold for these.
#[test]
fn panels_say_what_they_show() {
    for dashboard in dashboards() {
        let title = dashboard["title"].as_str().unwrap();
        assert_eq!(dashboard["editable"], false, "{title}");
        let variables = list(&dashboard["templating"], "list").iter();
        let variables: Vec<_> = variables.map(|v| v["name"].as_str().unwrap()).collect();
        for variable in ["datasource", "job", "instance", "traces", "trace"] {
            assert!(variables.contains(&variable), "{title}: {variable}");
        }
        let mut titles = BTreeSet::new();
        for panel in list(&dashboard, "panels") {
            let name = panel["title"].as_str().unwrap();
            assert!(titles.insert(name), "{title}: {name} is there twice");
            for member in ["title", "description"] {
                assert_ne!(panel[member], "", "{title}: {name}");
            }
            assert_ne!(panel["fieldConfig"]["defaults"]["unit"], Value::Null);
            assert!(!list(panel, "targets").is_empty(), "{title}: {name}");
            if is_of_database(panel) {
                assert_eq!(panel["datasource"]["uid"], "${database}");
                assert!(variables.contains(&"database"), "{title}");
                continue;
            }
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
            for target in list(panel, "targets") {
                let expr = target["expr"].as_str().unwrap();
                let counter = expr.contains("_total{");
                let rated = expr.contains("rate(") || expr.contains("increase(");
                assert!(!counter || rated, "{title}: {name}: {expr}");
                let recorded = expr.contains(':') || expr.contains("ALERTS");
                assert!(
                    recorded || expr.contains("$instance"),
                    "{title}: {name}: {expr}"
                );
                assert!(target["legendFormat"] != "", "{title}: {name}");
            }
        }
    }
}

/// A query with its variables filled in.
fn plain(expr: &str) -> String {
    expr.replace("$__rate_interval", "30s")
        .replace("$job", ".*")
        .replace("$instance", ".*")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_is_one_and_has_something_to_show() {
    let world = World::new("dashboards", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    for n in 1..=3 {
        world.stock(&format!("STK-{n}"), 1000).await.unwrap();
    }
    world.settled().await.unwrap();
    // What sums up all stocks does so at its start.
    let another = world.virtual_stock.another().unwrap();
    let _another = world.start(&another).await.unwrap();
    let rules = root().join("helm/virtual-stock/files/prometheus");
    let watch = Watch {
        name: "dashboards".to_owned(),
        targets: vec![
            ("virtual-stock".to_owned(), world.virtual_stock.management),
            ("virtual-stock".to_owned(), another.management),
            ("acl".to_owned(), world.acl.management),
        ],
        rules: ["recording.yaml", "alerts.yaml"]
            .map(|name| rules.join(name))
            .into(),
        every: 1,
        ..Watch::default()
    };
    let prometheus = watch.start().await.unwrap();
    world.partner.inject(Fault {
        stock_id: Some("STK-2".to_owned()),
        status: Some(422),
        times: Some(1),
        ..Fault::default()
    });
    let mut queries: Vec<(String, String)> = Vec::new();
    for dashboard in dashboards() {
        for panel in list(&dashboard, "panels") {
            for target in list(panel, "targets") {
                if is_of_database(panel) {
                    let sql = target["rawSql"].as_str().unwrap().to_owned();
                    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&world.stocks_db);
                    assert_eq!(rows.await.unwrap().len(), 3, "{}", panel["title"]);
                    continue;
                }
                let expr = target["expr"].as_str().unwrap();
                // The partner has no certificate.
                if expr.contains("acl_partner_certificate_end") {
                    prometheus.query(&plain(expr)).await.unwrap();
                    continue;
                }
                let expr = plain(expr);
                let name = format!("{}: {}", dashboard["title"], panel["title"]);
                queries.push((name, expr));
            }
        }
    }
    assert!(queries.len() > 60, "{}", queries.len());

    // Rates need commands that go on.
    let deadline = Instant::now() + PATIENCE;
    while !queries.is_empty() && Instant::now() < deadline {
        for stock in ["STK-1", "STK-2", "STK-3"] {
            let path = format!("/stocks/{stock}/reserve");
            for quantity in [1, 5000] {
                let body = json!({"quantityToReserve": quantity, "reason": "order"});
                world.call(Method::POST, &path, &body).await.unwrap();
            }
        }
        let invalid = world.call(Method::POST, "/stocks", &json!({})).await;
        assert_eq!(invalid.unwrap().status, 422);
        let mut empty = Vec::new();
        for (name, expr) in queries {
            let shown = prometheus.query(&expr).await;
            if shown
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .is_empty()
            {
                empty.push((name, expr));
            }
        }
        queries = empty;
        tokio::time::sleep(LOOK).await;
    }
    assert!(queries.is_empty(), "nothing to show: {queries:?}");
}
