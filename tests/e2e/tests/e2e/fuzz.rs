//! The whole REST API under schemathesis: what its description says is what it does, whatever it is sent.

use std::process::Command;

use devstack::home;
use e2e::World;
use reqwest::Method;
use serde_json::json;

use crate::credentials;

#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing() {
    let (key, settings) =
        credentials::machine(&["stock:read", "stock:write", "stock:reserve", "stock:admin"]);
    let mut settings = settings.as_pairs();
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
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/schemathesis.toml");
    let url = format!("http://{}/api/openapi.json", world.virtual_stock.http);

    let output = Command::new(home().join("fuzz/bin/schemathesis"))
        .args(["--config-file", here, "run", &url])
        .args(["--checks", "all", "--no-color"])
        .env("FUZZ_API_KEY", &key)
        .env("FUZZ_RESERVATION_ID", held.text("reservationId"))
        .output()
        .unwrap();

    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    println!("{report}");
}
