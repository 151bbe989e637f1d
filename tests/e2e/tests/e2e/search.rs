//! Audit documents in a real OpenSearch: as many as events, whatever happens.

use std::time::Duration;

use devstack::{OpenSearch, eventually, produce};
use e2e::World;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// A cluster on a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_mins(3);
const SUBSCRIPTION: &str = "ACL__SUBSCRIPTIONS__AUDIT_SEARCH";

struct Cluster {
    client: Client,
    url: String,
}

impl Cluster {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        answer.json().await.unwrap()
    }

    async fn ready(&self) {
        eventually(PATIENCE, "OpenSearch is ready", async || {
            let health = self
                .client
                .get(format!("{}/_cluster/health", self.url))
                .send()
                .await
                .ok()?;
            let health: Value = health.json().await.ok()?;
            (health["status"] == "green" || health["status"] == "yellow").then_some(())
        })
        .await;
    }

    async fn count(&self) -> u64 {
        self.ask(Method::POST, "/virtual-stock-logs-*/_refresh", None)
            .await;
        let count = self
            .ask(Method::GET, "/virtual-stock-logs-*/_count", None)
            .await;
        count["count"].as_u64().unwrap_or(0)
    }
}

async fn events(world: &World) -> u64 {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox")
        .fetch_one(&world.stocks_db)
        .await
        .unwrap();
    u64::try_from(count).unwrap()
}

/// Every event has its outcome at the index.
async fn indexed(world: &World) {
    let events = events(world).await;
    eventually(
        PATIENCE,
        &format!("{events} events are indexed"),
        async || {
            let outcomes = world
                .count("SELECT count(*) FROM outcomes WHERE subscription = 'audit-search'")
                .await
                .ok()?;
            (outcomes >= i64::try_from(events).ok()?).then_some(())
        },
    )
    .await;
}

async fn create(world: &World, id: &str, symbol: &str) {
    let body = json!({"stockId": id, "productId": id, "symbol": symbol, "quantity": 1000, "price": "12.50"});
    let answer = world.call(Method::POST, "/stocks", &body).await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_as_many_as_events() {
    // Real backpressure: a request of many documents is more than the cluster takes at once.
    let server = OpenSearch::start(&["indexing_pressure.memory.limit=50kb"])
        .await
        .unwrap();
    let cluster = Cluster {
        client: Client::builder()
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap(),
        url: server.url.clone(),
    };
    cluster.ready().await;
    let settings = [
        ("ACL__DELIVERY__PROBE_EVERY", "1s"),
        ("ACL__SUBSCRIPTIONS__AUDIT_SEARCH__ENABLED", "true"),
    ];
    let mut world = World::new("search", &settings).await.unwrap();
    for (name, value) in [
        ("TARGET__URL", server.url.as_str()),
        ("TARGET__AUTH__KIND", "none"),
        ("TARGET__REPLICAS", "0"),
        ("TARGET__CLIENT__TIMEOUT", "5s"),
        (
            "TARGET__CLIENT__NETWORK",
            "{allow_http=true, allow_private=true}",
        ),
        ("DELIVERY__CLAIM_LEASE", "20s"),
    ] {
        world.acl.set(&format!("{SUBSCRIPTION}__{name}"), value);
    }
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    for n in 0..400 {
        create(&world, &format!("STK-{n}"), &format!("SYM{n}")).await;
    }
    let acl = world.start(&world.acl).await.unwrap();
    indexed(&world).await;
    assert_eq!(cluster.count().await, events(&world).await);
    let pressure = cluster
        .ask(Method::GET, "/_nodes/stats/indexing_pressure", None)
        .await;
    let nodes = pressure["nodes"].as_object().unwrap();
    let total = &nodes.values().next().unwrap()["indexing_pressure"]["memory"]["total"];
    let rejections = total["coordinating_rejections"].as_u64().unwrap();
    assert!(
        rejections > 0,
        "the cluster was never under pressure: {total}"
    );
    let template = cluster
        .ask(Method::GET, "/_index_template/virtual-stock-logs", None)
        .await;
    assert_eq!(template["index_templates"][0]["name"], "virtual-stock-logs");
    let found = cluster
        .ask(
            Method::GET,
            "/virtual-stock-logs-*/_search?q=stockId:%22STK-7%22",
            None,
        )
        .await;
    let document = &found["hits"]["hits"][0]["_source"];
    assert_eq!(
        (
            &document["operation"],
            &document["symbol"],
            &document["version"]
        ),
        (&json!("CREATED"), &json!("SYM7"), &json!(1))
    );
    assert_eq!(found["hits"]["hits"][0]["_id"], document["eventId"]);

    // A repeat finds its document there and changes nothing.
    sqlx::query("DELETE FROM outcomes WHERE subscription = 'audit-search' AND stock_id = 'STK-7'")
        .execute(&world.acl_db)
        .await
        .unwrap();
    let records = world.records("stock-audit-logs").unwrap();
    let record = records.iter().find(|record| record.key == "STK-7").unwrap();
    let headers: Vec<(&str, &[u8])> = record
        .headers
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_bytes()))
        .collect();
    produce(
        &world.brokers,
        &world.topic("stock-audit-logs"),
        "STK-7",
        &headers,
        &record.payload,
    )
    .unwrap();
    world.counts("the repeat was indexed again", "SELECT count(*) FROM consumption_log WHERE subscription = 'audit-search' AND stock_id = 'STK-7' AND status = 'DELIVERED'", 2).await;
    let again = world.count("SELECT count(*) FROM consumption_log WHERE subscription = 'audit-search' AND stock_id = 'STK-7' AND response_code = 409").await;
    assert_eq!(again.unwrap(), 1);
    assert_eq!(cluster.count().await, events(&world).await);
    let found = cluster
        .ask(
            Method::GET,
            "/virtual-stock-logs-*/_search?version=true&q=stockId:%22STK-7%22",
            None,
        )
        .await;
    assert_eq!(found["hits"]["hits"][0]["_version"], 1);

    // The server is away: everything waits.
    let stopped = server.stop().unwrap();
    for n in 0..50 {
        create(
            &world,
            &format!("STK-away-{n}").replace("away-", "away"),
            "AWAY",
        )
        .await;
    }
    world.counts("the breaker is open", "SELECT count(*) FROM partners WHERE subscription = 'audit-search' AND breaker_opened_at IS NOT NULL", 1).await;
    let server = stopped.start().await.unwrap();
    cluster.ready().await;
    indexed(&world).await;
    assert_eq!(cluster.count().await, events(&world).await);
    let dead = world
        .count("SELECT count(*) FROM dead_letters")
        .await
        .unwrap();
    assert_eq!(dead, 0);

    // An index in which symbols are numbers: some documents of a request conflict with it, the others do not.
    let all = events(&world).await;
    cluster
        .ask(Method::DELETE, "/virtual-stock-logs-*", None)
        .await;
    let today: String =
        sqlx::query_scalar("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY.MM.DD')")
            .fetch_one(&world.acl_db)
            .await
            .unwrap();
    let mapping = json!({"mappings": {"properties": {"symbol": {"type": "long"}}}});
    let made = cluster
        .ask(
            Method::PUT,
            &format!("/virtual-stock-logs-{today}"),
            Some(mapping),
        )
        .await;
    assert_eq!(made["acknowledged"], true, "{made}");
    for n in 0..40 {
        let symbol = if n % 4 == 0 {
            "LETTERS".to_owned()
        } else {
            n.to_string()
        };
        create(&world, &format!("STK-mixed{n}"), &symbol).await;
    }
    indexed(&world).await;
    assert_eq!(cluster.count().await, 30);
    let letters: Vec<String> =
        sqlx::query_scalar("SELECT reason FROM dead_letters WHERE subscription = 'audit-search'")
            .fetch_all(&world.acl_db)
            .await
            .unwrap();
    assert_eq!(letters.len(), 10);
    assert!(
        letters[0].contains("mapper_parsing_exception"),
        "{letters:?}"
    );
    assert_eq!(events(&world).await, all + 40);
    drop((acl, server));
}
