//! Uploads of many lines.

use std::collections::HashSet;

use e2e::{Answer, World};
use reqwest::Method;
use serde_json::{Value, json};

async fn get(world: &World, path: &str) -> Answer {
    world.call(Method::GET, path, &Value::Null).await.unwrap()
}

fn lines(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.bytes).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn import(world: &World, kind: &str, key: &str, body: String) -> Answer {
    let headers = [("content-type", kind), ("idempotency-key", key)];
    world
        .call_with(Method::POST, "/imports", &headers, body)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_has_a_result_per_line_and_can_be_sent_again() {
    let world = World::new("imports", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let ndjson = [
        r#"{"stockId": "STK-1", "productId": "P1", "quantity": 5, "price": "1.50"}"#,
        "",
        r#"{"op": "reserve", "stockId": "STK-1", "quantityToReserve": 9, "reason": "r"}"#,
        r#"{"productId": "P1", "quantity": -1}"#,
        "nonsense",
        &format!(r#"{{"productId": "{}"}}"#, "x".repeat(20_000)),
        r#"{"op": "adjust", "stockId": "STK-1", "delta": 5, "reason": "r"}"#,
    ]
    .join("\n");
    let first = import(&world, "application/x-ndjson", "i1", ndjson.clone()).await;
    assert_eq!(first.headers["content-type"], "application/x-ndjson");
    let results: Vec<_> = lines(&first)
        .iter()
        .map(|line| {
            (
                line["line"].clone(),
                line["status"].clone(),
                line["code"].clone(),
            )
        })
        .collect();
    let expected = [
        (json!(1), json!(201), Value::Null),
        (json!(3), json!(409), json!("insufficient-stock")),
        (json!(4), json!(422), json!("validation-failed")),
        (json!(5), json!(400), json!("malformed-request")),
        (json!(6), json!(400), json!("malformed-request")),
        (json!(7), json!(201), Value::Null),
        (Value::Null, Value::Null, Value::Null),
    ];
    assert_eq!(results, expected);
    assert_eq!(
        lines(&first)[6],
        json!({"summary": {"accepted": 2, "refused": 4, "complete": true}})
    );
    let again = import(&world, "application/x-ndjson", "i1", ndjson).await;
    let statuses = |answer: &Answer| -> Vec<Value> {
        lines(answer)
            .iter()
            .map(|line| line["status"].clone())
            .collect()
    };
    assert_eq!(statuses(&again), statuses(&first));
    assert_eq!(get(&world, "/stocks/STK-1").await.body["quantity"], 10);

    let csv = "productId,productName,quantity,price,lowStockThreshold\r\n\
               C1,\"Cheese, \"\"old\"\"\",5,1.25,\r\n\
               C2,,six,1,\r\n\
               C3,Three,3\r\n\
               C4,\"two\nlines\",3,1,2\r\n\
               C1,Again,1,1,1\r\n";
    let answer = import(&world, "text/csv; charset=utf-8", "i2", csv.to_owned()).await;
    let results = lines(&answer);
    let statuses: Vec<_> = results.iter().map(|line| line["status"].as_u64()).collect();
    assert_eq!(
        statuses,
        [Some(201), Some(422), Some(400), Some(422), Some(409), None]
    );
    assert_eq!(results[1]["errors"][0]["pointer"], "/quantity");
    let found = get(&world, "/stocks?productId=C1").await;
    assert_eq!(found.body["items"][0]["productName"], "Cheese, \"old\"");

    let wrong = import(&world, "text/plain", "i3", "x".to_owned()).await;
    assert_eq!(
        (wrong.status, wrong.text("code")),
        (415, "unsupported-media-type")
    );
    let endless = format!("productId,productName\nC9,\"{}", "x".repeat(3_000_000));
    let cut = lines(&import(&world, "text/csv", "i4", endless).await);
    assert_eq!(cut.last().unwrap()["summary"]["complete"], false, "{cut:?}");
    world.verify().unwrap();
}

/// The most memory that the service had so far, in KiB.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_lines_are_imported_without_growing_memory() {
    const LINES: usize = 100_000;
    let world = World::new("hundred", &[]).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let csv = |from: usize, to: usize| {
        let rows =
            (from..to).map(|n| format!("P{n},Product number {n} of a long catalogue,10,1.25\n"));
        format!(
            "productId,productName,quantity,price\n{}",
            rows.collect::<String>()
        )
    };
    // What a small one needs is needed once.
    let small = lines(&import(&world, "text/csv", "small", csv(0, 5000)).await);
    assert_eq!(small.last().unwrap()["summary"]["accepted"], 5000);
    let before = peak(stock.id());

    let large = lines(&import(&world, "text/csv", "large", csv(5000, LINES)).await);

    assert_eq!(
        large.last().unwrap()["summary"],
        json!({"accepted": LINES - 5000, "refused": 0, "complete": true})
    );
    let numbers: HashSet<_> = large
        .iter()
        .filter_map(|line| line["line"].as_u64())
        .collect();
    assert_eq!(numbers.len(), LINES - 5000);
    let grown = peak(stock.id()).saturating_sub(before);
    println!("the peak of memory grew by {grown} KiB, from {before} KiB");
    assert!(grown < 20_000, "{grown} KiB more than {before} KiB");
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM stocks")
        .fetch_one(&world.stocks_db)
        .await
        .unwrap();
    assert_eq!(kept, 100_000);
    world.verify().unwrap();
}
