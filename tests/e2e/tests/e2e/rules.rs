//! Alerts and their runbooks: rules fire when they should and are silent otherwise, and every page names what there is.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use application::metric::{acl, both, virtual_stock};
use devstack::{binary, home};

/// How metrics begin, ours and those that rules record.
const OURS: [&str; 16] = [
    "acl_",
    "build_",
    "clock_",
    "consumer_group:",
    "database_",
    "external_",
    "http_",
    "invariant_",
    "job:",
    "kafka_",
    "memory_",
    "message_",
    "process_",
    "stock_",
    "subscription:",
    "subscription_cause:",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files() -> PathBuf {
    root().join("helm/virtual-stock/files/prometheus")
}

/// Runs one of Prometheus's tools, which has to be content.
fn is_content(tool: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(home().join("prometheus").join(tool))
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{complained}");
    said
}

/// The members of every rule that begins with `begin`.
fn rules(text: &str, begin: &str) -> Vec<BTreeMap<String, String>> {
    let mut rules = Vec::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim().split_once(": ") else {
            continue;
        };
        if name.starts_with("- ") {
            rules.push(BTreeMap::new());
        }
        if let Some(rule) = rules.last_mut() {
            let name = name.trim_start_matches("- ").to_owned();
            rule.insert(name, value.trim_matches('\'').to_owned());
        }
    }
    rules.retain(|rule| rule.contains_key(begin));
    rules
}

fn alerts() -> Vec<BTreeMap<String, String>> {
    let alerts = rules(&read(&files().join("alerts.yaml")), "alert");
    assert!(alerts.len() >= 20);
    alerts
}

/// What there is to ask for: metrics, their parts, and what is recorded.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for metric in [both::ALL, virtual_stock::ALL, acl::ALL].concat() {
        for end in ["", "_bucket", "_sum", "_count"] {
            known.insert(format!("{}{end}", metric.name));
        }
    }
    for rule in rules(&read(&files().join("recording.yaml")), "record") {
        known.insert(rule["record"].clone());
    }
    known
}

/// Metrics of ours that a text names and that do not exist.
fn unknown(text: &str, known: &BTreeSet<String>) -> Vec<String> {
    let mut outside = String::new();
    // Values of labels are no names.
    for (index, part) in text.split('"').enumerate() {
        outside += if index % 2 == 0 { part } else { " " };
    }
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = outside.split(|c| !word(c));
    let ours = words.filter(|word| OURS.iter().any(|begin| word.starts_with(begin)));
    ours.filter(|word| !known.contains(*word))
        .map(str::to_owned)
        .collect()
}

/// The blocks of a page in a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = "```";
    let parts = page.split(fence).skip(1).step_by(2);
    parts
        .filter_map(|part| part.strip_prefix(language))
        .collect()
}

fn runbooks() -> Vec<(PathBuf, String)> {
    let folder = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let pages = paths.map(|path| (path.clone(), read(&path)));
    pages.collect()
}

#[test]
fn rules_are_right_and_fire_when_they_should() {
    is_content(
        "promtool",
        &["check", "rules", "recording.yaml", "alerts.yaml"],
        &files(),
    );
    let cases = root().join("tests/rules");
    is_content("promtool", &["test", "rules", "alerts_test.yaml"], &cases);
    let cases = read(&cases.join("alerts_test.yaml"));
    for alert in alerts() {
        let name = &alert["alert"];
        assert!(
            cases.contains(&format!("alertname=\"{name}\"")),
            "no case in which {name} fires"
        );
    }
}

#[test]
fn alerts_go_where_they_should() {
    let config = files().join("alertmanager.yaml");
    let config = config.to_str().unwrap();
    is_content("amtool", &["check-config", config], &files());
    for (severity, receivers) in [
        ("page", "webhook,pagerduty,slack"),
        ("ticket", "webhook,slack,e-mail"),
    ] {
        let flag = format!("--config.file={config}");
        let label = format!("severity={severity}");
        let arguments = ["config", "routes", "test", &flag, &label];
        assert_eq!(is_content("amtool", &arguments, &files()).trim(), receivers);
    }
    // What inhibits and what is inhibited exists.
    let names: BTreeSet<String> = alerts()
        .into_iter()
        .map(|mut a| a.remove("alert").unwrap())
        .collect();
    for line in read(Path::new(config))
        .lines()
        .filter(|line| line.contains("alertname ="))
    {
        let (_, matchers) = line.split_once('[').unwrap();
        let matcher = matchers.split([',', ']']).next().unwrap();
        let matcher = matcher
            .trim_start_matches("alertname =")
            .trim_start_matches('~');
        for name in matcher.trim().trim_matches('"').split('|') {
            assert!(names.contains(name), "there is no alert {name}");
        }
    }
}

#[test]
fn rules_ask_for_what_is_measured() {
    let known = known();
    let recorded = read(&files().join("recording.yaml"));
    assert_eq!(unknown(&recorded, &known), Vec::<String>::new());
    for alert in alerts() {
        let expr = &alert["expr"];
        assert_eq!(unknown(expr, &known), Vec::<String>::new(), "{expr}");
    }
    assert_eq!(
        unknown("rate(stock_creatd_total[5m])", &known),
        ["stock_creatd_total"]
    );
    assert_eq!(unknown("x{job=\"stock_a\"}", &known), Vec::<String>::new());
}

#[test]
fn every_alert_has_its_runbook_and_says_what_it_means() {
    for alert in alerts() {
        let name = &alert["alert"];
        assert!(
            ["page", "ticket"].contains(&alert["severity"].as_str()),
            "{name}"
        );
        for annotation in ["summary", "description", "dashboard_url"] {
            assert!(!alert[annotation].is_empty(), "{name}: {annotation}");
        }
        let (_, page) = alert["runbook_url"].rsplit_once('/').unwrap();
        let page = read(&root().join("docs/runbooks").join(page));
        assert!(
            page.contains(&format!("`{name}`")),
            "{name} is not in its runbook"
        );
        for title in ["## What it means", "## Confirm", "## Do", "## Over when"] {
            assert!(page.contains(title), "the runbook of {name} has no {title}");
        }
    }
}

#[test]
fn runbooks_name_what_there_is() {
    let known = known();
    let mut commands = 0;
    for (path, page) in runbooks() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut asked = blocks(&page, "promql").join("\n");
        // Metrics in the text.
        for inline in page.split('`').skip(1).step_by(2) {
            asked += "\n";
            asked += inline;
        }
        assert_eq!(unknown(&asked, &known), Vec::<String>::new(), "{name}");
        for link in page.split("](").skip(1) {
            let (link, _) = link.split_once(')').unwrap();
            let target = path.parent().unwrap().join(link);
            assert!(target.exists(), "{name}: {link}");
        }
        for line in blocks(&page, "sh").join("\n").lines().map(str::trim) {
            let mut words = words(line).into_iter();
            let program = words.next().unwrap_or_default();
            if program != "acl" && program != "virtual-stock" {
                continue;
            }
            commands += 1;
            let output = Command::new(binary(&program).unwrap())
                .args(words)
                .arg("--help")
                .output()
                .unwrap();
            let complained = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{name}: {line}: {complained}");
        }
    }
    assert!(commands > 20, "{commands}");
}

/// The words of a command; what is in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
