//! Both REST APIs under schemathesis: what its description says is what it does, whatever it is sent.

use std::process::Command;

use devstack::home;
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::json;

use crate::credentials;

/// However fast the requests come, none is one too many.
const UNLIMITED: [(&str, &str); 2] = [
    ("VIRTUAL_STOCK__RATE_LIMIT__PER_SECOND", "1000000"),
    ("VIRTUAL_STOCK__RATE_LIMIT__BURST", "1000000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let (key, settings) =
        credentials::machine(&["stock:read", "stock:write", "stock:reserve", "stock:admin"]);
    let mut settings = settings.as_pairs();
    settings.extend(UNLIMITED);
    // The longest time that the schema knows of.
    settings.push(("VIRTUAL_STOCK__RESERVATIONS__MAX_TTL", "365days"));
    let world = World::new("fuzz", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    // What the examples of the description name.
    let call = async |path: &str, body: serde_json::Value| {
        let headers = [("x-api-key", key.as_str())];
        let answer = world
            .call_with(Method::POST, path, &headers, body.to_string())
            .await
            .unwrap();
        assert!(answer.status < 300, "{answer:?}");
        answer
    };
    let stock =
        json!({"stockId": "STK-001", "productId": "FUZZ", "quantity": 1_000_000, "price": 1});
    call("/stocks", stock).await;
    let reserve = json!({"quantityToReserve": 10, "reason": "fuzz"});
    let held = call("/stocks/STK-001/reserve", reserve).await;
    let url = format!("http://{}/api/openapi.json", world.virtual_stock.http);
    schemathesis(&url, &key, held.text("reservationId"));
}

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_in_the_operators_api() {
    let (key, settings) = credentials::machine(&["acl:read", "acl:operate"]);
    let mut settings = settings.as_pairs();
    settings.extend(UNLIMITED);
    let settings: Vec<(String, String)> = settings
        .into_iter()
        .map(|(name, value)| (name.replace("VIRTUAL_STOCK__", "ACL__"), value.to_owned()))
        .collect();
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let world = World::new("fuzz_acl", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    // Something of everything: a delivery, a held stock, a dead letter.
    world.stock("STK-001", 10).await.unwrap();
    world.settled().await.unwrap();
    world.partner.inject(Fault {
        status: Some(422),
        times: Some(1),
        ..Fault::default()
    });
    world.stock("STK-002", 10).await.unwrap();
    world
        .counts("one is dead", "SELECT count(*) FROM dead_letters", 1)
        .await;
    let url = format!("http://{}/api/openapi.json", world.acl.http);
    schemathesis(&url, &key, "");
}

/// All of its checks on the API that is described at `url`.
fn schemathesis(url: &str, key: &str, reservation_id: &str) {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/schemathesis.toml");
    let output = Command::new(home().join("fuzz/bin/schemathesis"))
        .args(["--config-file", here, "run", url])
        .args(["--checks", "all", "--no-color"])
        .env("FUZZ_API_KEY", key)
        .env("FUZZ_RESERVATION_ID", reservation_id)
        .output()
        .unwrap();

    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    println!("{report}");
}
