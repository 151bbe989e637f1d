//! The life of a hold: its time, its ends, and that exactly one of them wins.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use devstack::eventually;
use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::task::JoinSet;

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.call(Method::POST, path, &body).await.unwrap()
}

async fn reserve(world: &World, id: &str, units: u64, ttl: u64) -> Answer {
    let body = json!({"quantityToReserve": units, "reason": "order", "ttlSeconds": ttl});
    post(world, &format!("/stocks/{id}/reserve"), body).await
}

async fn get(world: &World, path: &str) -> Answer {
    world.call(Method::GET, path, &Value::Null).await.unwrap()
}

fn state(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.text("state"))
}

/// Movements of the stock, as operations, the oldest first.
async fn operations(world: &World, id: &str) -> Vec<String> {
    let ledger = get(world, &format!("/stocks/{id}/movements?limit=500")).await;
    let lines = ledger.body["items"].as_array().unwrap().iter().rev();
    lines
        .map(|line| line["operation"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_ends_once_and_says_how() {
    let world = World::new("ends", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    world.stock("STK-1", 100).await.unwrap();
    let held = async |units| {
        let answer = reserve(&world, "STK-1", units, 60).await;
        let id = answer.text("reservationId").to_owned();
        assert_eq!(
            answer.headers["location"],
            format!("/api/v1/virtual-stock/reservations/{id}")
        );
        id
    };
    let end = async |id: &str, how: &str, body: Value| {
        post(&world, &format!("/reservations/{id}/{how}"), body).await
    };

    let whole = held(10).await;
    let path = format!("/reservations/{whole}/confirm");
    let no_body = world
        .call_with(Method::POST, &path, &[], String::new())
        .await;
    let confirmed = no_body.unwrap();
    assert_eq!(state(&confirmed), (200, "CONFIRMED"), "{confirmed:?}");
    assert_eq!(confirmed.body["confirmedQuantity"], 10);
    let again = end(&whole, "confirm", json!({})).await;
    assert_eq!((again.status, &again.body), (200, &confirmed.body));
    let other_units = end(&whole, "confirm", json!({"quantity": 3})).await;
    assert_eq!(state(&other_units), (409, "CONFIRMED"));
    let released = end(&whole, "release", json!({"reason": "r"})).await;
    assert_eq!(state(&released), (409, "CONFIRMED"));
    assert_eq!(released.text("code"), "reservation-state");

    let part = held(10).await;
    let too_many = end(&part, "confirm", json!({"quantity": 11})).await;
    assert_eq!(
        (too_many.status, too_many.text("code")),
        (409, "confirms-more")
    );
    let confirmed = end(&part, "confirm", json!({"quantity": 4})).await;
    assert_eq!(state(&confirmed), (200, "CONFIRMED"));
    assert_eq!(confirmed.body["confirmedQuantity"], 4);
    let stock = get(&world, "/stocks/STK-1").await;
    assert_eq!(
        (&stock.body["quantity"], &stock.body["reserved"]),
        (&json!(86), &json!(0))
    );

    let back = held(10).await;
    let extended = end(&back, "extend", json!({"ttlSeconds": 3600})).await;
    assert_eq!(state(&extended), (200, "HELD"));
    let expires = OffsetDateTime::parse(extended.text("expiresAt"), &Rfc3339).unwrap();
    assert!(expires > OffsetDateTime::parse(extended.text("updatedAt"), &Rfc3339).unwrap());
    let too_long = end(&back, "extend", json!({"ttlSeconds": 86_401})).await;
    assert_eq!(too_long.status, 422);
    assert_eq!(too_long.body["errors"][0]["pointer"], "/ttlSeconds");
    let released = end(&back, "release", json!({"reason": "r"})).await;
    assert_eq!(state(&released), (200, "RELEASED"));
    assert_eq!(
        state(&end(&back, "release", json!({"reason": "r"})).await),
        (200, "RELEASED")
    );
    assert_eq!(
        state(&end(&back, "extend", json!({"ttlSeconds": 9})).await),
        (409, "RELEASED")
    );
    assert_eq!(
        state(&get(&world, &format!("/reservations/{back}")).await),
        (200, "RELEASED")
    );

    for path in ["/reservations/RSV-none", "/reservations/nonsense"] {
        assert_eq!(get(&world, path).await.text("code"), "unknown-reservation");
        let answer = post(&world, &format!("{path}/confirm"), json!({})).await;
        assert_eq!(
            (answer.status, answer.text("code")),
            (404, "unknown-reservation")
        );
    }
    assert_eq!(
        operations(&world, "STK-1").await,
        [
            "CREATED",
            "RESERVED",
            "RESERVATION_CONFIRMED",
            "RESERVED",
            "RESERVATION_CONFIRMED",
            "RESERVED",
            "RESERVATION_RELEASED"
        ]
    );
    let listed = get(&world, "/stocks/STK-1/reservations?state=CONFIRMED").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(get(&world, "/stocks/STK-2/reservations").await.status, 404);
    world.verify().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_hold_never_blocks_a_sale_and_all_others_are_freed_within_two_seconds() {
    // Nobody sweeps here: only the sale itself can free what it needs.
    let nobody = [("VIRTUAL_STOCK__RESERVATIONS__SWEEP", "1h")];
    let world = World::new("due", &nobody).await.unwrap();
    let unswept = world.start(&world.virtual_stock).await.unwrap();
    world.stock("STK-1", 100).await.unwrap();
    for _ in 0..10 {
        assert_eq!(reserve(&world, "STK-1", 10, 1).await.status, 200);
    }
    let refused = reserve(&world, "STK-1", 1, 60).await;
    assert_eq!(
        (refused.status, refused.text("code")),
        (409, "insufficient-stock")
    );
    let soonest = OffsetDateTime::parse(refused.text("soonestExpiry"), &Rfc3339).unwrap();
    let patience = Duration::from_secs(30);
    eventually(patience, "a due hold gives way", async || {
        let answer = reserve(&world, "STK-1", 15, 60).await;
        (answer.status == 200).then_some(())
    })
    .await;
    // Two of ten holds were in the way, and no more of them ended.
    let ended = |operations: Vec<String>| {
        operations
            .iter()
            .filter(|name| *name == "RESERVATION_EXPIRED")
            .count()
    };
    assert_eq!(ended(operations(&world, "STK-1").await), 2);
    let now: OffsetDateTime = sqlx::query_scalar("SELECT clock_timestamp()")
        .fetch_one(&world.stocks_db)
        .await
        .unwrap();
    assert!(soonest <= now);
    // What is due cannot be confirmed, swept or not.
    let due: String = sqlx::query_scalar(
        "SELECT reservation_id FROM reservations WHERE state = 'HELD' AND expires_at <= clock_timestamp() LIMIT 1",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    let late = post(&world, &format!("/reservations/{due}/confirm"), json!({})).await;
    assert_eq!(state(&late), (409, "EXPIRED"));
    drop(unswept);

    let mut swept = world.virtual_stock.clone();
    swept.set("VIRTUAL_STOCK__RESERVATIONS__SWEEP", "500ms");
    let _swept = world.start(&swept).await.unwrap();
    for n in 0..50 {
        world.stock(&format!("STK-S{n}"), 10).await.unwrap();
        for _ in 0..3 {
            let id = format!("STK-S{n}");
            assert_eq!(reserve(&world, &id, 1, 1).await.status, 200);
        }
    }
    eventually(patience, "all due holds have ended", async || {
        let due: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM reservations WHERE state = 'HELD' AND stock_id LIKE 'STK-S%'",
        )
        .fetch_one(&world.stocks_db)
        .await
        .ok()?;
        (due == 0).then_some(())
    })
    .await;
    let late: (i64, i64, i64) = sqlx::query_as(
        "SELECT count(*), count(*) FILTER (WHERE updated_at > expires_at + interval '2 seconds'),
             count(*) FILTER (WHERE updated_at < expires_at)
         FROM reservations WHERE state = 'EXPIRED' AND stock_id LIKE 'STK-S%'",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    let events: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM outbox WHERE operation = 'RESERVATION_EXPIRED' AND stock_id LIKE 'STK-S%'",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    assert_eq!((late, events), ((150, 0, 0), 150));
    world.verify().unwrap();
}

/// Holds of two seconds, each confirmed at the moment at which it runs out, while the sweeper is after it.
#[tokio::test(flavor = "multi_thread")]
async fn of_confirm_and_expire_exactly_one_wins_10_000_times() {
    const RACES: usize = 10_000;
    const CLIENTS: usize = 32;
    let often = [("VIRTUAL_STOCK__RESERVATIONS__SWEEP", "10ms")];
    let world = Arc::new(World::new("races", &often).await.unwrap());
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..CLIENTS {
        world.stock(&format!("STK-{n}"), 1_000_000).await.unwrap();
    }
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let world = Arc::clone(&world);
        clients.spawn(async move {
            let (mut confirmed, mut expired) = (0_u64, 0_u64);
            let mut left = RACES.div_ceil(CLIENTS);
            // How long before its time a hold is confirmed: a loser tries earlier and a winner later, so that all stay
            // about the moment, however long the way to the database is. All clocks are this machine's.
            let mut lead = time::Duration::milliseconds(100);
            let step = time::Duration::milliseconds(10);
            let longest = time::Duration::milliseconds(1500);
            while left > 0 {
                let (began, mut holds) = (Instant::now(), Vec::new());
                // On a slow machine fewer at once: the first must not have run out when the last is made.
                while holds.len() < left.min(20) && began.elapsed() < Duration::from_secs(1) {
                    let answer = reserve(&world, &format!("STK-{n}"), 1, 2).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    let at = OffsetDateTime::parse(answer.text("expiresAt"), &Rfc3339).unwrap();
                    holds.push((answer.text("reservationId").to_owned(), at));
                }
                left -= holds.len();
                for (id, at) in holds {
                    let now = time::OffsetDateTime::from(std::time::SystemTime::now());
                    if let Ok(wait) = Duration::try_from(at - lead - now) {
                        tokio::time::sleep(wait).await;
                    }
                    let answer =
                        post(&world, &format!("/reservations/{id}/confirm"), json!({})).await;
                    match state(&answer) {
                        (200, "CONFIRMED") => {
                            confirmed += 1;
                            lead -= step;
                        }
                        (409, "EXPIRED") => {
                            expired += 1;
                            lead = (lead + step).min(longest);
                        }
                        other => panic!("{other:?}: {answer:?}"),
                    }
                }
            }
            (confirmed, expired)
        });
    }
    let counts = clients.join_all().await;
    let confirmed: u64 = counts.iter().map(|(confirmed, _)| confirmed).sum();
    let expired: u64 = counts.iter().map(|(_, expired)| expired).sum();
    println!("{confirmed} confirmed, {expired} expired");
    assert!(confirmed + expired >= RACES as u64);
    assert!(
        confirmed > 100 && expired > 100,
        "no race: {confirmed} confirmed, {expired} expired"
    );

    let kept: (i64, i64, i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM reservations WHERE state = 'CONFIRMED'),
             (SELECT count(*) FROM reservations WHERE state = 'EXPIRED'),
             (SELECT count(*) FROM outbox WHERE operation = 'RESERVATION_CONFIRMED'),
             (SELECT count(*) FROM outbox WHERE operation = 'RESERVATION_EXPIRED'),
             (SELECT sum(reserved)::bigint FROM stocks),
             (SELECT sum(1000000 - quantity)::bigint FROM stocks)",
    )
    .fetch_one(&world.stocks_db)
    .await
    .unwrap();
    let (confirmed, expired) = (confirmed.cast_signed(), expired.cast_signed());
    assert_eq!(kept, (confirmed, expired, confirmed, expired, 0, confirmed));
    world.verify().unwrap();
}
