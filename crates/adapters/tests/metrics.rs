//! `docs/METRICS.md` is what the code measures, and names are as Prometheus wants them. `UPDATE_DOCUMENTS=1` writes the page anew.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::{collections::HashSet, fmt::Write};

use application::metric::{Kind, Metric, acl, both, virtual_stock};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/METRICS.md");
const HEAD: &str = "# Metrics

What the services measure, at `/metrics` of their management listeners, in Prometheus's text format. Names, units and labels are
stable. A label has at most as many values per process as the number behind it: there are no ids, quantities or symbols among
them. Times have buckets from 1 ms to 10 s, batches from 1 to 256 commands. What has labels appears with its first value.

`make contracts` writes this page from the code.
";

fn sections() -> [(&'static str, &'static [Metric]); 3] {
    [
        ("Both services", both::ALL),
        ("virtual-stock", virtual_stock::ALL),
        ("acl", acl::ALL),
    ]
}

fn page() -> String {
    let mut page = HEAD.to_owned();
    for (title, metrics) in sections() {
        write!(page, "\n## {title}\n\n| metric | kind | unit | labels | what |\n| --- | --- | --- | --- | --- |\n").unwrap();
        for metric in metrics {
            let kind = format!("{:?}", metric.kind).to_lowercase();
            let labels = metric.labels.iter();
            let labels: Vec<String> = labels
                .map(|label| format!("`{}` ({})", label.name, label.most))
                .collect();
            let (name, unit, help) = (metric.name, metric.unit(), metric.help);
            let labels = labels.join(", ");
            writeln!(page, "| `{name}` | {kind} | {unit} | {labels} | {help} |").unwrap();
        }
    }
    page
}

#[test]
fn the_page_is_what_the_code_measures() {
    if std::env::var_os("UPDATE_DOCUMENTS").is_some() {
        std::fs::write(PAGE, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(PAGE).unwrap() == page(),
        "docs/METRICS.md is not what the code says: make contracts writes it anew"
    );
}

#[test]
fn names_are_unique_and_as_prometheus_wants_them() {
    let mut names = HashSet::new();
    for metric in sections().into_iter().flat_map(|(_, metrics)| metrics) {
        let name = metric.name;
        assert!(names.insert(name), "{name} is there twice");
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        assert!(name.bytes().all(legal), "{name}");
        let total = name.ends_with("_total");
        assert_eq!(metric.kind == Kind::Counter, total, "{name}");
        if metric.kind == Kind::Histogram {
            // Its buckets are found by how its name ends.
            let unit = metric.unit();
            assert!(["seconds", "commands"].contains(&unit), "{name}: {unit}");
        }
        assert!(metric.help.ends_with(['.', '`']), "{name}: {}", metric.help);
    }
}
