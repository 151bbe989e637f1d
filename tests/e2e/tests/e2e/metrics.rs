//! What the services measure is what their catalogue says: nothing is missing, nothing is undocumented, no label has more values
//! than it may.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    io::Write,
    process::{Command, Stdio},
    time::{Duration, Instant, SystemTime},
};

use application::metric::{Kind, Metric, acl, both, virtual_stock};
use devstack::{eventually, home};
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;

use crate::doctor::over_tls;

/// Lag is known after some seconds.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(100);

/// A metric as it was scraped.
#[derive(Debug, Default)]
struct Family {
    kind: String,
    help: String,
    /// The values of each label.
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn families(text: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::<String, Family>::new();
    for line in text.lines() {
        let words = |line: &str| {
            let (name, rest) = line.split_once(' ').unwrap();
            (name.to_owned(), rest.to_owned())
        };
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, help) = words(help);
            families.entry(name).or_default().help = help;
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = words(kind);
            families.entry(name).or_default().kind = kind;
        } else if !line.is_empty() {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let of_histogram = ["_bucket", "_sum", "_count"].iter();
            let base = of_histogram
                .filter_map(|end| name.strip_suffix(end))
                .find(|base| families.contains_key(*base));
            let family = families.get_mut(base.unwrap_or(name)).unwrap();
            let labels = labels.strip_suffix('}').unwrap();
            for label in labels.split("\",").filter(|label| !label.is_empty()) {
                let (label, value) = label.split_once("=\"").unwrap();
                if label != "le" {
                    let values = family.labels.entry(label.to_owned()).or_default();
                    values.insert(value.trim_end_matches('"').to_owned());
                }
            }
        }
    }
    families
}

/// What is wrong with a scrape.
fn faults(text: &str, catalogue: &[&[Metric]]) -> Vec<String> {
    let mut found = families(text);
    let mut faults = Vec::new();
    for metric in catalogue.iter().copied().flatten() {
        let name = metric.name;
        let Some(family) = found.remove(name) else {
            faults.push(format!("{name} is missing"));
            continue;
        };
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        if family.kind != kind {
            faults.push(format!("{name} is a {}", family.kind));
        }
        if family.help != metric.help {
            faults.push(format!("{name} says {}", family.help));
        }
        let expected: HashSet<&str> = metric.labels.iter().map(|label| label.name).collect();
        let labels: HashSet<&str> = family.labels.keys().map(String::as_str).collect();
        if labels != expected {
            faults.push(format!("{name} has labels {labels:?}"));
        }
        for label in metric.labels {
            let values = family.labels.get(label.name).map_or(0, BTreeSet::len);
            if values > label.most {
                faults.push(format!("{name} has {values} values of {}", label.name));
            }
        }
    }
    faults.extend(
        found
            .into_keys()
            .map(|name| format!("{name} is undocumented")),
    );
    faults
}

#[test]
fn a_missing_an_undocumented_and_a_boundless_metric_are_found() {
    let good = "# HELP stock_created_total Stocks created.\n# TYPE stock_created_total counter\nstock_created_total 0\n";
    let catalogue = [virtual_stock::STOCK_CREATED];
    assert_eq!(faults(good, &[&catalogue]), Vec::<String>::new());
    assert_eq!(
        faults("", &[&catalogue]),
        ["stock_created_total is missing"]
    );
    assert_eq!(faults(good, &[]), ["stock_created_total is undocumented"]);
    let labelled = good.replace("total 0", "total{stock=\"STK-1\"} 0");
    assert_eq!(faults(&labelled, &[&catalogue]).len(), 1);
    let gauge = good.replace("counter", "gauge");
    assert_eq!(
        faults(&gauge, &[&catalogue]),
        ["stock_created_total is a gauge"]
    );

    let reason = |n| format!("stock_reservations_rejected_total{{reason=\"r{n}\"}} 1\n");
    let of = |count: usize| {
        let head = "# HELP stock_reservations_rejected_total Reservations that a rule refused.\n\
                    # TYPE stock_reservations_rejected_total counter\n";
        let series: String = (0..count).map(reason).collect();
        faults(
            &format!("{head}{series}"),
            &[&[virtual_stock::RESERVATIONS_REJECTED]],
        )
        .len()
    };
    assert_eq!((of(8), of(9)), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_measured_is_in_the_catalogue_and_the_catalogue_is_measured() {
    let mut world = World::new("metrics", &[]).await.unwrap();
    let next_year = OffsetDateTime::from(SystemTime::now()) + time::Duration::days(365);
    let partner = over_tls(&mut world, "metrics", next_year).await;
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let send = async |method, path: &str, body| world.call(method, path, &body).await.unwrap();
    for n in 1..=3 {
        world.stock(&format!("STK-{n}"), 10).await.unwrap();
    }
    world.settled().await.unwrap();
    // One event dies, one waits, and one is refused by a rule.
    for (stock, status) in [("STK-1", 422), ("STK-2", 503)] {
        partner.inject(Fault {
            stock_id: Some(stock.to_owned()),
            status: Some(status),
            ..Fault::default()
        });
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        let held = send(Method::POST, &format!("/stocks/{stock}/reserve"), body).await;
        assert_eq!(held.status, 200, "{held:?}");
    }
    let too_many = json!({"quantityToReserve": 100, "reason": "order"});
    let refused = send(Method::POST, "/stocks/STK-3/reserve", too_many).await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let invalid = send(Method::POST, "/stocks", json!({"quantity": "many"})).await;
    assert_eq!(invalid.status, 422, "{invalid:?}");
    let unknown = send(Method::GET, "/nothing", json!({})).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    let read = send(Method::GET, "/stocks/STK-3", json!({})).await;
    assert_eq!(read.status, 200, "{read:?}");
    let operators = world.operate(Method::GET, "/dead-letters?limit=0", None);
    assert_eq!(operators.await.unwrap().status, 400);
    // What sums up all stocks does so at its start.
    let another = world.virtual_stock.another().unwrap();
    let _another = world.start(&another).await.unwrap();

    for (services, own) in [
        (vec![&world.virtual_stock, &another], virtual_stock::ALL),
        (vec![&world.acl], acl::ALL),
    ] {
        let catalogue = [both::ALL, own];
        let mut all = String::new();
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            all.clear();
            for service in &services {
                all += &world.manage(service, "/metrics").await.unwrap().1;
            }
            if faults(&all, &catalogue).is_empty() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        assert_eq!(faults(&all, &catalogue), Vec::<String>::new());
    }

    // What the figures say is what happened.
    let (_, stock) = world
        .manage(&world.virtual_stock, "/metrics")
        .await
        .unwrap();
    let (_, acls) = world.manage(&world.acl, "/metrics").await.unwrap();
    let (_, sums) = world.manage(&another, "/metrics").await.unwrap();
    for (text, line) in [
        (&stock, "stock_created_total 3"),
        (&stock, "stock_reserved_total 2"),
        (
            &stock,
            "stock_reservations_rejected_total{reason=\"insufficient-stock\"} 1",
        ),
        (
            &stock,
            "http_validation_failures_total{endpoint=\"/api/v1/virtual-stock/stocks\"} 1",
        ),
        (&sums, "stock_total_value{currency=\"USD\"} 30"),
        (&sums, "stock_reservations_held 2"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    for start in [
        "acl_dead_letters{subscription=\"trading-partner\",cause=\"status 422\"} 1",
        "acl_held_stocks{subscription=\"trading-partner\"} 1",
    ] {
        eventually(PATIENCE, start, async || {
            let (_, text) = world.manage(&world.acl, "/metrics").await.unwrap();
            text.lines().any(|line| line == start).then_some(())
        })
        .await;
    }
    for text in [&stock, &acls] {
        let faults = promtool(text);
        assert!(faults.is_empty(), "{faults}");
    }
}

/// What `promtool check metrics` has to say.
fn promtool(text: &str) -> String {
    let mut check = Command::new(home().join("prometheus/promtool"))
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = check.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
