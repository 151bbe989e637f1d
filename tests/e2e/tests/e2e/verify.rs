//! What cannot be right in the tables is found, from the command line and by the walk in the background.

use std::time::Duration;

use devstack::{Service, eventually};
use e2e::World;
use partner_sim::Fault;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

const PATIENCE: Duration = Duration::from_secs(30);

/// What each planted fault breaks; it is taken back by the second statement.
const STOCKS: [(&str, &str, &str); 5] = [
    (
        "reserved-is-what-is-held",
        "UPDATE stocks SET reserved = reserved + 1 WHERE stock_id = 'STK-1'",
        "UPDATE stocks SET reserved = reserved - 1 WHERE stock_id = 'STK-1'",
    ),
    (
        "stock-is-its-last-movement",
        "UPDATE stocks SET quantity = quantity + 1 WHERE stock_id = 'STK-1'",
        "UPDATE stocks SET quantity = quantity - 1 WHERE stock_id = 'STK-1'",
    ),
    (
        "movements-have-no-gap",
        "UPDATE movements SET version = 99 WHERE stock_id = 'STK-1' AND version = 2",
        "UPDATE movements SET version = 2 WHERE stock_id = 'STK-1' AND version = 99",
    ),
    (
        "movement-begins-where-the-last-ended",
        "UPDATE movements SET reserved_before = 7 WHERE stock_id = 'STK-1' AND version = 2",
        "UPDATE movements SET reserved_before = 0 WHERE stock_id = 'STK-1' AND version = 2",
    ),
    (
        "event-has-its-movement",
        "UPDATE outbox SET version = 99 WHERE stock_id = 'STK-1' AND version = 2",
        "UPDATE outbox SET version = 2 WHERE stock_id = 'STK-1' AND version = 99",
    ),
];
const DELIVERIES: [(&str, &str, &str); 3] = [
    (
        "event-has-an-outcome-or-waits",
        "UPDATE outcomes SET version = 99 WHERE stock_id = 'STK-1' AND version = 2",
        "UPDATE outcomes SET version = 2 WHERE stock_id = 'STK-1' AND version = 99",
    ),
    (
        "dead-letter-has-its-outcome",
        "UPDATE outcomes SET outcome = 'DELIVERED' WHERE outcome = 'DEAD'",
        "UPDATE outcomes SET outcome = 'DEAD' WHERE stock_id = 'STK-2' AND version = 2",
    ),
    (
        "acknowledged-was-told",
        "UPDATE external_stocks SET acknowledged_version = 99 WHERE stock_id = 'STK-1'",
        "UPDATE external_stocks SET acknowledged_version = 3 WHERE stock_id = 'STK-1'",
    ),
];

async fn planted_faults_are_found(
    service: &Service,
    database: &PgPool,
    faults: &[(&'static str, &'static str, &'static str)],
) {
    for (invariant, plant, mend) in faults {
        let well = service.ask(&["verify"]).unwrap();
        assert!(well.contains(&format!("{invariant}: 0")), "{well}");
        sqlx::query(*plant).execute(database).await.unwrap();
        let found = service.ask(&["verify"]).unwrap_err().to_string();
        let named = found.lines().filter(|line| line.starts_with(invariant));
        // How often, and where.
        assert!(named.count() >= 2, "{found}");
        assert!(!found.contains(&format!("{invariant}: 0")), "{found}");
        sqlx::query(*mend).execute(database).await.unwrap();
    }
    service.ask(&["verify"]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_right_is_found() {
    let settings = [
        ("VIRTUAL_STOCK__VERIFY__PAUSE", "200ms"),
        ("VIRTUAL_STOCK__VERIFY__ROWS_PER_SECOND", "1000000"),
    ];
    let world = World::new("verify", &settings).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    for n in 1..=2 {
        world.stock(&format!("STK-{n}"), 10).await.unwrap();
    }
    world.settled().await.unwrap();
    world.partner.inject(Fault {
        stock_id: Some("STK-2".to_owned()),
        status: Some(422),
        ..Fault::default()
    });
    for stock in ["STK-1", "STK-1", "STK-2"] {
        let path = format!("/stocks/{stock}/reserve");
        let body = json!({"quantityToReserve": 1, "reason": "order"});
        let held = world.call(Method::POST, &path, &body).await.unwrap();
        assert_eq!(held.status, 200, "{held:?}");
        world.settled().await.unwrap();
    }

    planted_faults_are_found(&world.virtual_stock, &world.stocks_db, &STOCKS).await;
    planted_faults_are_found(&world.acl, &world.acl_db, &DELIVERIES).await;

    // The walk of a service that runs finds it, too, and sees that it is mended.
    let (invariant, plant, mend) = STOCKS[0];
    let shown = async |count: &str| {
        let line = format!("invariant_violations{{invariant=\"{invariant}\"}} {count}");
        eventually(PATIENCE, &line, async || {
            let (_, text) = world.manage(&world.virtual_stock, "/metrics").await.ok()?;
            text.lines().any(|found| found == line).then_some(())
        })
        .await;
    };
    shown("0").await;
    let before = std::fs::read(world.virtual_stock.log()).unwrap().len();
    sqlx::query(plant).execute(&world.stocks_db).await.unwrap();
    shown("1").await;
    let log = std::fs::read(world.virtual_stock.log()).unwrap();
    let log = String::from_utf8_lossy(&log[before..]).into_owned();
    assert!(log.contains("\"code\":\"INVARIANT_VIOLATED\""), "{log}");
    sqlx::query(mend).execute(&world.stocks_db).await.unwrap();
    shown("0").await;
}
