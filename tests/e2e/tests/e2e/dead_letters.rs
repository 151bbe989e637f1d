//! Dead letters: inspected, edited, replayed, discarded.

use std::time::Duration;

use devstack::{eventually, produce};
use e2e::World;
use partner_sim::Fault;
use serde_json::{Value, json};

use crate::operators::{get, not_before_its_time, post, reserve};

const PATIENCE: Duration = Duration::from_mins(1);

fn refused(prefix: &str) -> Fault {
    Fault {
        stock_prefix: Some(prefix.to_owned()),
        endpoint: Some("stock-reserved".to_owned()),
        status: Some(422),
        ..Fault::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_dead_letters_replayed_twice_are_a_thousand_effects() {
    let world = World::new("replays", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let _other = world.start(&world.acl.another().unwrap()).await.unwrap();
    for n in 0..20 {
        world.stock(&format!("STK-{n}"), 1000).await.unwrap();
    }
    world.settled().await.unwrap();
    world.partner.inject(refused("STK-"));
    for _ in 0..50 {
        for n in 0..20 {
            reserve(&world, &format!("STK-{n}")).await;
        }
    }
    world
        .counts(
            "all are dead",
            "SELECT count(*) FROM dead_letters WHERE state = 'OPEN'",
            1000,
        )
        .await;
    world.partner.heal();

    let groups = get(&world, "/dead-letters/groups").await;
    assert_eq!(groups["items"][0]["count"], 1000, "{groups}");
    assert_eq!(groups["items"][0]["cause"], "status 422");
    let filter =
        json!({"partner": "trading-partner", "cause": "status 422", "operation": "RESERVED"});
    let with = |name: &str, value: Value| {
        let mut body = filter.clone();
        body[name] = value;
        body
    };
    let dry = post(
        &world,
        "/dead-letters/replay",
        with("dryRun", json!(true)),
        200,
    )
    .await;
    assert_eq!(
        (&dry["matched"], &dry["replaying"]),
        (&json!(1000), &json!(0))
    );
    let asked = world.partner.now_ms();
    let first = post(
        &world,
        "/dead-letters/replay",
        with("rate", json!(200)),
        202,
    )
    .await;
    assert_eq!(
        (&first["matched"], &first["replaying"]),
        (&json!(1000), &json!(1000))
    );
    let ids: Vec<i64> = sqlx::query_scalar("SELECT id FROM dead_letters ORDER BY id")
        .fetch_all(&world.acl_db)
        .await
        .unwrap();
    let again = post(&world, "/dead-letters/replay", json!({"ids": ids}), 202).await;
    assert_eq!(again["replaying"], 0, "{again}");
    assert_eq!(again["skipped"].as_array().unwrap().len(), 1000);
    world
        .counts(
            "all were replayed",
            "SELECT count(*) FROM dead_letters WHERE state = 'REPLAYED' AND outcome = 'DELIVERED'",
            1000,
        )
        .await;
    let later = post(&world, "/dead-letters/replay", json!({"ids": ids}), 202).await;
    assert_eq!(later["replaying"], 0, "{later}");

    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    let effects = ledger
        .calls
        .iter()
        .filter(|call| call.applied && call.endpoint == "stock-reserved");
    let times: Vec<u64> = effects.map(|call| call.at_ms).collect();
    assert_eq!(times.len(), 1000);
    let long = times[999] - asked;
    println!("1000 dead letters at 200 a second: {long} ms");
    not_before_its_time(&times, asked, 200);
    for stock in ledger.stocks.values() {
        assert_eq!(
            (stock.reserved_by_effects, stock.version),
            (50, 51),
            "{}",
            stock.stock_id
        );
    }
    let outcomes = world
        .count("SELECT count(*) FROM outcomes WHERE outcome = 'DELIVERED'")
        .await
        .unwrap();
    assert_eq!(outcomes, 1020, "every event has one outcome");
    let actions = world
        .count(
            "SELECT count(*) FROM operator_actions WHERE actor = 'anonymous' AND action = 'REPLAY'",
        )
        .await
        .unwrap();
    assert_eq!(actions, 1000);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_inspected_edited_replayed_and_discarded() {
    let world = World::new("letters", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-A", 1000).await.unwrap();
    world.stock("STK-B", 1000).await.unwrap();
    world.settled().await.unwrap();
    world.partner.inject(refused("STK-A"));
    reserve(&world, "STK-A").await;
    reserve(&world, "STK-B").await;
    world.settled().await.unwrap();
    // A foreign producer sends the reservation of STK-B without its type.
    let events = world.records("high-priority-updates").unwrap();
    let event = events.iter().find(|event| event.key == "STK-B").unwrap();
    let headers: Vec<(&str, &[u8])> = event
        .headers
        .iter()
        .map(|(name, value)| {
            let value = if name == "ce_type" {
                "io.other.v9"
            } else {
                value
            };
            (name.as_str(), value.as_bytes())
        })
        .collect();
    let payload = [&b"\xff"[..], &event.payload].concat();
    produce(
        &world.brokers,
        &world.topic("virtual-stock-updates"),
        "STK-B",
        &headers,
        &payload,
    )
    .unwrap();
    world
        .counts("two are dead", "SELECT count(*) FROM dead_letters", 2)
        .await;

    let letters = get(&world, "/dead-letters?state=OPEN&limit=1").await;
    let next = letters["nextCursor"].as_str().unwrap();
    let more = get(
        &world,
        &format!("/dead-letters?state=OPEN&limit=1&cursor={next}"),
    )
    .await;
    assert_eq!(more["nextCursor"], Value::Null);
    let letters = get(&world, "/dead-letters?state=OPEN").await;
    let letters = letters["items"].as_array().unwrap();
    let of = |stock: Value| {
        letters
            .iter()
            .find(|letter| letter["stockId"] == stock)
            .unwrap()
    };
    let (rejected, unreadable) = (of(json!("STK-A")), of(Value::Null));
    let rejected_at = format!("/dead-letters/{}", rejected["id"]);
    let unreadable_at = format!("/dead-letters/{}", unreadable["id"]);

    let shown = get(&world, &rejected_at).await;
    assert_eq!(shown["payload"]["operation"], "RESERVED");
    assert_eq!(shown["history"][0]["status"], "DEAD");
    assert_eq!(shown["history"][0]["responseCode"], 422);
    assert_eq!(get(&world, &unreadable_at).await["payload"], Value::Null);

    // The same event stays the same event.
    let mut other = shown["payload"].clone();
    other["stock"]["version"] = json!(99);
    let edit = json!({"payload": other, "headers": {"ce_stockversion": "99"}});
    let wrong = post(&world, &format!("{rejected_at}/replay"), edit, 422).await;
    assert_eq!(wrong["code"], "another-event");
    let broken = json!({"payload": {"operation": "RESERVED"}});
    let wrong = post(&world, &format!("{rejected_at}/replay"), broken, 409).await;
    assert_eq!(wrong["code"], "unreadable-event");
    let wrong = post(&world, &format!("{unreadable_at}/replay"), json!({}), 409).await;
    assert_eq!(wrong["code"], "unreadable-event");

    // It dies again, and is open again.
    post(
        &world,
        &format!("{rejected_at}/replay"),
        json!({"reason": "once more"}),
        202,
    )
    .await;
    eventually(PATIENCE, "it died again", async || {
        let letter = get(&world, &rejected_at).await;
        (letter["state"] == "OPEN" && letter["attempts"] == 2).then_some(())
    })
    .await;
    world.partner.heal();
    let mut mended = shown["payload"].clone();
    mended["stock"]["symbol"] = json!("MENDED");
    let edit = json!({"payload": mended, "reason": "the symbol was wrong"});
    post(&world, &format!("{rejected_at}/replay"), edit, 202).await;
    eventually(PATIENCE, "it was delivered", async || {
        (get(&world, &rejected_at).await["state"] == "REPLAYED").then_some(())
    })
    .await;
    let shown = get(&world, &rejected_at).await;
    assert_eq!(shown["outcome"], "DELIVERED");
    let actions: Vec<_> = shown["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| action["action"].clone())
        .collect();
    assert_eq!(actions, ["REPLAY", "EDIT_AND_REPLAY"]);
    assert_eq!(shown["actions"][1]["reason"], "the symbol was wrong");
    let calls = world.partner.ledger().calls;
    let effect = calls
        .iter()
        .find(|call| call.applied && call.endpoint == "stock-reserved" && call.stock_id == "STK-A");
    assert_eq!(effect.unwrap().body["symbol"], "MENDED");

    // Mended by its headers and bytes, the other is an event that was delivered already.
    let text = event.json().unwrap();
    let edit = json!({"payload": text, "headers": {"ce_type": event.headers["ce_type"]}});
    post(&world, &format!("{unreadable_at}/replay"), edit, 202).await;
    eventually(PATIENCE, "it is a duplicate", async || {
        let letter = get(&world, &unreadable_at).await;
        (letter["state"] == "REPLAYED" && letter["outcome"] == "DELIVERED").then_some(())
    })
    .await;
    let late = post(
        &world,
        &format!("{unreadable_at}/discard"),
        json!({"reason": "noise"}),
        409,
    )
    .await;
    assert_eq!(
        (&late["code"], &late["state"]),
        (&json!("dead-letter-state"), &json!("REPLAYED"))
    );

    world.partner.inject(refused("STK-A"));
    reserve(&world, "STK-A").await;
    world.settled().await.unwrap();
    let open = get(&world, "/dead-letters?state=OPEN&stockId=STK-A").await;
    let at = format!("/dead-letters/{}", open["items"][0]["id"]);
    let no_reason = post(&world, &format!("{at}/discard"), json!({}), 422).await;
    assert_eq!(no_reason["errors"][0]["pointer"], "/reason");
    let discarded = post(
        &world,
        &format!("{at}/discard"),
        json!({"reason": "test order"}),
        200,
    )
    .await;
    assert_eq!(discarded["state"], "DISCARDED");
    let log = get(&world, "/deliveries?stockId=STK-A&status=DISCARDED").await;
    assert_eq!(log["items"][0]["error"], "test order");
    world.verify().unwrap();
}
