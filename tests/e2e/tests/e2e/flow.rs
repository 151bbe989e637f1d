//! One correlation id, from the REST call to the consumption log.

use devstack::Record;
use e2e::World;
use reqwest::Method;
use serde_json::json;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn of<'a>(records: &'a [Record], correlation_id: &str) -> Vec<&'a Record> {
    let mine = |record: &&Record| record.headers["ce_correlationid"] == correlation_id;
    records.iter().filter(mine).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_correlation_id_is_followed_from_the_request_to_the_consumption_log() {
    let world = World::new("flow", &[]).await.unwrap();
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    let call = async |method, path: &str, id: &str, body: serde_json::Value| {
        let headers = [("x-correlation-id", id), ("traceparent", TRACE)];
        let answer = world
            .call_with(method, path, &headers, body.to_string())
            .await
            .unwrap();
        assert_eq!(answer.headers["x-correlation-id"], id);
        answer
    };

    let created = call(
        Method::POST,
        "/stocks",
        "c-create",
        json!({"productId": "AAPL", "quantity": 150, "price": 150.00}),
    )
    .await;
    let id = created.text("stockId").to_owned();
    let path = |end: &str| format!("/stocks/{id}/{end}");
    let priced = call(
        Method::PUT,
        &path("price"),
        "c-price",
        json!({"newPrice": "99.5", "reason": "close"}),
    )
    .await;
    let counted = call(
        Method::PUT,
        &path("quantity"),
        "c-quantity",
        json!({"newQuantity": 200, "reason": "delivery", "referenceUri": "po:7"}),
    )
    .await;
    let reserved = call(
        Method::POST,
        &path("reserve"),
        "c-reserve",
        json!({"quantityToReserve": 50, "reason": "order 1"}),
    )
    .await;
    let emptied = call(
        Method::POST,
        &path("reserve"),
        "c-empty",
        json!({"quantityToReserve": 150, "reason": "order 2"}),
    )
    .await;

    assert_eq!(created.status, 201);
    assert_eq!(created.text("totalValue"), "22500.00");
    assert_eq!(
        created.headers["location"],
        format!("/api/v1/virtual-stock/stocks/{id}").as_str()
    );
    assert_eq!(created.headers["etag"], "\"1\"");
    assert_eq!((priced.status, priced.text("unitPrice")), (200, "99.50"));
    assert_eq!(
        (counted.status, counted.body["quantity"].as_u64()),
        (200, Some(200))
    );
    assert_eq!(reserved.status, 200);
    assert_eq!(reserved.body["reserved"], 50);
    assert_eq!(reserved.body["remaining"], 150);
    assert_eq!(emptied.body["remaining"], 0);

    world.settled().await.unwrap();
    let topics = [
        "high-priority-updates",
        "virtual-stock-updates",
        "critical-stock-events",
        "stock-audit-logs",
    ];
    let records = topics.map(|topic| world.records(topic).unwrap());
    // By the routing rules: dear creations and reservations first, cheap prices and quantities in the normal topic, and
    // what empties a stock in the critical one too.
    for (correlation_id, expected) in [
        ("c-create", [1, 0, 0, 1]),
        ("c-price", [0, 1, 0, 1]),
        ("c-quantity", [0, 1, 0, 1]),
        ("c-reserve", [1, 0, 0, 1]),
        ("c-empty", [1, 0, 1, 1]),
    ] {
        let found = records
            .each_ref()
            .map(|records| of(records, correlation_id).len());
        assert_eq!(found, expected, "{correlation_id}");
    }
    let event = of(&records[3], "c-reserve")[0].clone();
    assert_eq!(event.key, id);
    assert_eq!(event.headers["ce_specversion"], "1.0");
    assert_eq!(
        event.headers["ce_type"],
        "io.virtual-stock.stock.reserved.v1"
    );
    assert_eq!(event.headers["ce_subject"], id);
    assert_eq!(event.headers["ce_stockversion"], "4");
    assert_eq!(event.headers["content-type"], "application/json");
    assert_eq!(event.headers["traceparent"], TRACE);
    let value = event.json().unwrap();
    assert_eq!(event.headers["ce_time"], value["occurredAt"]);
    assert_eq!(value["operation"], "RESERVED");
    assert_eq!(value["stock"]["available"], 150);
    assert_eq!(value["previous"]["reserved"], 0);
    assert_eq!(value["change"]["reservedDelta"], 50);

    let calls = world.partner.ledger().calls;
    for (correlation_id, endpoint) in [
        ("c-create", "stock-created"),
        ("c-price", "stock-price-updated"),
        ("c-quantity", "stock-updated"),
        ("c-reserve", "stock-reserved"),
    ] {
        // An event of one topic may overtake one of another: then the later one made the stock known, and the older
        // state was superseded. Whatever was called carries the id and the trace.
        for call in calls
            .iter()
            .filter(|call| call.correlation_id == correlation_id)
        {
            assert_eq!(call.traceparent.as_deref(), Some(TRACE));
            assert!(["stock-created", endpoint].contains(&call.endpoint.as_str()));
        }
        let log: Vec<(String, String, String, i64)> = sqlx::query_as(
            "SELECT topic, operation, status, version FROM consumption_log WHERE correlation_id = $1",
        )
        .bind(correlation_id)
        .fetch_all(&world.acl_db)
        .await
        .unwrap();
        assert_eq!(log.len(), 1, "{correlation_id}: {log:?}");
        assert!(
            ["DELIVERED", "SUPERSEDED"].contains(&log[0].2.as_str()),
            "{log:?}"
        );
    }
    let holds = calls
        .iter()
        .filter(|call| call.endpoint == "stock-reserved");
    assert_eq!(holds.count(), 2);
    let ledger = world.partner.ledger();
    assert_eq!(ledger.violations, Vec::<String>::new());
    let stock = &ledger.stocks[&id];
    assert_eq!(stock.version, 5);
    assert_eq!(stock.picture["quantity"], 200);
    assert_eq!(stock.picture["price"], "99.50");
    assert_eq!(stock.picture["available"], 0);
    assert_eq!(stock.reserved_by_effects, 200);

    for log in [world.virtual_stock.log(), world.acl.log()] {
        let text = std::fs::read_to_string(log).unwrap();
        assert!(
            text.lines().any(|line| line.contains("\"c-reserve\"")),
            "{text}"
        );
    }
    let (_, metrics) = world
        .manage(&world.virtual_stock, "/metrics")
        .await
        .unwrap();
    assert!(metrics.contains("stock_reserved_total 2"), "{metrics}");
    assert!(metrics.contains("kafka_messages_sent_total{"), "{metrics}");
    let (_, metrics) = world.manage(&world.acl, "/metrics").await.unwrap();
    assert!(metrics.contains("acl_deliveries_total{"), "{metrics}");
    assert!(
        metrics.contains("kafka_messages_consumed_total{"),
        "{metrics}"
    );
    world.verify().unwrap();
}
