//! Events as they happen, for clients that follow them.

use std::{collections::HashMap, time::Duration};

use e2e::World;
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

/// Longest wait for the next event.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, Default)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

struct Stream {
    response: Response,
    text: String,
}

impl Stream {
    async fn open(world: &World, query: &str, last: Option<&str>) -> Self {
        let url = format!(
            "http://{}/api/v1/virtual-stock/events/stream{query}",
            world.virtual_stock.http
        );
        let mut request = Client::builder().build().unwrap().get(url);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    /// The next event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let mut read = Event::default();
                for line in event.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => name.clone_into(&mut read.name),
                        Some(("id", id)) => read.id = Some(id.to_owned()),
                        Some(("data", data)) => read.data = serde_json::from_str(data).unwrap(),
                        _ => {}
                    }
                }
                self.text = rest.into();
                if !read.name.is_empty() {
                    return Some(read);
                }
                continue;
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await;
            let chunk = chunk.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads until `count` events of stocks have come; returns them and the last position.
    async fn take(&mut self, count: usize) -> (Vec<Event>, Option<String>) {
        let (mut events, mut position) = (Vec::new(), None);
        while events.len() < count || position.is_none() {
            let event = self.next().await.unwrap();
            position = event.id.clone().or(position);
            if event.name != "position" {
                events.push(event);
            }
        }
        (events, position)
    }
}

async fn post(world: &World, path: &str, body: Value) {
    let answer = world.call(Method::POST, path, &body).await.unwrap();
    assert!(answer.status < 300, "{answer:?}");
}

async fn create(world: &World, n: usize) {
    let body = json!({"stockId": format!("STK-{n}"), "productId": format!("P{n}"), "quantity": 1000, "price": 1});
    post(world, "/stocks", body).await;
}

async fn adjust(world: &World, n: usize) {
    let body = json!({"delta": 1, "reason": "r"});
    post(world, &format!("/stocks/STK-{n}/adjustments"), body).await;
}

fn versions(events: &[Event]) -> HashMap<String, Vec<u64>> {
    let mut versions: HashMap<String, Vec<u64>> = HashMap::new();
    for event in events {
        let stock = &event.data["stock"];
        let id = stock["stockId"].as_str().unwrap().to_owned();
        versions
            .entry(id)
            .or_default()
            .push(stock["version"].as_u64().unwrap());
    }
    versions
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_misses_nothing_over_reconnections_keeps_the_order_and_ends_with_the_service() {
    let world = World::new("stream", &[]).await.unwrap();
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let mut all = Stream::open(&world, "", None).await;
    let hello = all.next().await.unwrap();
    assert_eq!(hello.name, "position");
    let begin = hello.id.unwrap();
    for n in 0..3 {
        create(&world, n).await;
    }
    let (created, position) = all.take(3).await;
    assert!(
        created
            .iter()
            .all(|event| event.name == "io.virtual-stock.stock.created.v1")
    );
    drop(all);

    // What happens while nobody looks comes afterwards, in order.
    for _ in 0..40 {
        for n in 0..3 {
            adjust(&world, n).await;
        }
    }
    let mut again = Stream::open(&world, "", position.as_deref()).await;
    let (missed, _) = again.take(120).await;
    for (id, versions) in versions(&missed) {
        assert_eq!(versions, (2..=41).collect::<Vec<_>>(), "{id}");
    }
    // And what happens then, too.
    adjust(&world, 0).await;
    let (live, _) = again.take(1).await;
    assert_eq!(versions(&live)["STK-0"], [42]);

    // From the beginning, some of it only.
    let query = "?stockId=STK-1,STK-2&operation=CREATED";
    let mut some = Stream::open(&world, query, Some(&begin)).await;
    let (some_events, _) = some.take(2).await;
    let ids: Vec<_> = some_events
        .iter()
        .map(|event| event.data["stock"]["stockId"].clone())
        .collect();
    assert_eq!(ids, ["STK-1", "STK-2"]);

    for (id, status) in [("nonsense", 400), ("MCAxOjE6", 410)] {
        let headers = [("last-event-id", id)];
        let answer = world
            .call_with(Method::GET, "/events/stream", &headers, String::new())
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let wrong = world
        .call(Method::GET, "/events/stream?operation=MADE", &Value::Null)
        .await;
    assert_eq!(wrong.unwrap().status, 400);

    let ended = tokio::task::spawn_blocking(move || stock.terminate());
    while again.next().await.is_some() {}
    while some.next().await.is_some() {}
    assert!(ended.await.unwrap().unwrap().success());
}
