//! Dependencies point inwards only: domain, then application, then adapters, then services.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// What a crate may depend on, besides what `cargo test` alone sees.
const ALLOWED: [(&str, &[&str]); 2] = [
    ("domain", &["rust_decimal", "thiserror", "time", "uuid"]),
    (
        "application",
        &[
            "async-trait",
            "domain",
            "metrics",
            "opentelemetry",
            "opentelemetry-semantic-conventions",
            "rand",
            "thiserror",
            "time",
            "tokio",
            "tokio-util",
            "tracing",
            "uuid",
        ],
    ),
];
/// Crates of the workspace, from the inside out; each may depend on those before it.
const LAYERS: [&[&str]; 4] = [
    &["domain"],
    &["application"],
    &["adapters"],
    &["virtual-stock", "acl"],
];

type Graph = BTreeMap<String, Vec<String>>;

/// The normal and build dependencies of the crates of this workspace.
fn graph() -> Graph {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let dependencies = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"] != "dev")
            .map(name)
            .collect()
    };
    packages
        .map(|package| (name(package), dependencies(package)))
        .collect()
}

fn violations(graph: &Graph) -> Vec<String> {
    let mut violations = Vec::new();
    for (name, allowed) in ALLOWED {
        let dependencies = graph.get(name).into_iter().flatten();
        let foreign = dependencies.filter(|dependency| !allowed.contains(&dependency.as_str()));
        violations.extend(foreign.map(|dependency| format!("{name} depends on {dependency}")));
    }
    for (layer, names) in LAYERS.iter().enumerate() {
        // Beside it, outside of it, or not part of the product at all.
        let inner: Vec<&str> = LAYERS[..layer].concat();
        for name in *names {
            let Some(dependencies) = graph.get(*name) else {
                violations.push(format!("{name} does not exist"));
                continue;
            };
            let own = dependencies
                .iter()
                .filter(|dependency| graph.contains_key(*dependency));
            let outward = own.filter(|dependency| !inner.contains(&dependency.as_str()));
            violations.extend(outward.map(|dependency| format!("{name} depends on {dependency}")));
        }
    }
    violations.sort();
    violations.dedup();
    violations
}

#[test]
fn dependencies_point_inwards_only() {
    assert_eq!(violations(&graph()), Vec::<String>::new());
}

#[test]
fn a_planted_violation_is_found() {
    for (from, to) in [
        ("domain", "serde"),
        ("domain", "application"),
        ("application", "sqlx"),
        ("application", "adapters"),
        ("adapters", "acl"),
        ("acl", "virtual-stock"),
        ("virtual-stock", "devstack"),
    ] {
        let mut planted = graph();
        planted.get_mut(from).unwrap().push(to.to_owned());

        assert_eq!(violations(&planted), [format!("{from} depends on {to}")]);
    }
}
