//! One trace, from the REST call to the partner and its retries, as a real receiver of OTLP gets it over the wire.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use devstack::eventually;
use e2e::World;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use partner_sim::Fault;
use prost::Message;
use reqwest::Method;
use serde_json::json;
use tokio::{net::TcpListener, task::JoinSet};

const PATIENCE: Duration = Duration::from_mins(1);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

/// A span, and the service that recorded it.
#[derive(Debug, Clone)]
struct Recorded {
    service: String,
    span: Span,
}

impl Recorded {
    fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    fn parent(&self) -> String {
        hex(&self.span.parent_span_id)
    }

    fn links(&self) -> Vec<String> {
        let links = self.span.links.iter();
        links.map(|link| hex(&link.span_id)).collect()
    }

    fn is(&self, service: &str, kind: SpanKind, name: &str) -> bool {
        self.service == service && self.span.kind == kind as i32 && self.span.name.starts_with(name)
    }

    fn attribute(&self, name: &str) -> String {
        attribute(&self.span.attributes, name)
    }

    fn failed(&self) -> bool {
        let status = self.span.status.as_ref();
        status.is_some_and(|status| status.code == StatusCode::Error as i32)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.filter_map(|digit| char::from_digit(digit.into(), 16));
    digits.collect()
}

fn attribute(
    attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue],
    name: &str,
) -> String {
    let found = attributes.iter().find(|attribute| attribute.key == name);
    match found.and_then(|found| found.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

type Spans = Arc<Mutex<Vec<Recorded>>>;

/// A receiver of OTLP over HTTP.
struct Receiver {
    spans: Spans,
    url: String,
    /// Ends with what holds it.
    _serving: JoinSet<std::io::Result<()>>,
}

impl Receiver {
    async fn start() -> Self {
        let spans = Spans::default();
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&spans));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await });
        Self {
            spans,
            url,
            _serving: serving,
        }
    }

    fn spans(&self) -> Vec<Recorded> {
        self.spans.lock().unwrap().clone()
    }

    fn of(&self, trace: &str) -> Vec<Recorded> {
        let mut spans = self.spans();
        spans.retain(|recorded| hex(&recorded.span.trace_id) == trace);
        spans.sort_by_key(|recorded| recorded.span.start_time_unix_nano);
        spans
    }
}

async fn take(State(taken): State<Spans>, body: Bytes) {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    for resource in request.resource_spans {
        let service = attribute(&resource.resource.unwrap().attributes, "service.name");
        for scope in resource.scope_spans {
            let spans = scope.spans.into_iter().map(|span| Recorded {
                service: service.clone(),
                span,
            });
            taken.lock().unwrap().extend(spans);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_the_partner_and_its_retries() {
    let receiver = Receiver::start().await;
    let url = receiver.url.clone();
    let settings = [
        ("VIRTUAL_STOCK__TRACES__ENDPOINT", url.as_str()),
        ("ACL__TRACES__ENDPOINT", &url),
        ("VIRTUAL_STOCK__TRACES__RATIO", "0"),
        ("VIRTUAL_STOCK__TRACES__FOLLOW_CLIENTS", "true"),
        ("ACL__TRACES__RATIO", "0"),
        ("ACL__DELIVERY__RETRY", "[\"300ms\", \"300ms\", \"300ms\"]"),
    ];
    let mut world = World::new("traced", &settings).await.unwrap();
    world.virtual_stock.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    world.acl.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let _acl = world.start(&world.acl).await.unwrap();
    world.stock("STK-traced", 1000).await.unwrap();
    world.settled().await.unwrap();
    world.partner.inject(Fault {
        stock_id: Some("STK-traced".to_owned()),
        endpoint: Some("stock-reserved".to_owned()),
        times: Some(2),
        status: Some(503),
        ..Fault::default()
    });
    let reserve = async |trace: String| {
        let headers = [("traceparent", trace.as_str())];
        let body = json!({"quantityToReserve": 1, "reason": "order"}).to_string();
        let path = "/stocks/STK-traced/reserve";
        let answer = world
            .call_with(Method::POST, path, &headers, body)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    };
    reserve(format!("00-{TRACE}-{CLIENT}-01")).await;
    eventually(PATIENCE, "three attempts are in the trace", async || {
        let mut spans = receiver.of(TRACE);
        spans.retain(|it| it.attribute("delivery.subscription") == "trading-partner");
        (spans.len() == 3).then_some(())
    })
    .await;

    let all = |service: &str, kind, name: &str| {
        let mut spans = receiver.of(TRACE);
        spans.retain(|it| it.is(service, kind, name));
        spans
    };
    let [server] = &all("virtual-stock", SpanKind::Server, "POST ")[..] else {
        panic!("{:#?}", receiver.of(TRACE));
    };
    let route = "/api/v1/virtual-stock/stocks/{stockId}/reserve";
    assert_eq!(server.span.name, format!("POST {route}"));
    assert_eq!(server.parent(), CLIENT);
    assert_eq!(server.attribute("http.route"), route);
    assert_eq!(server.attribute("http.response.status_code"), "200");

    let [commit] = &all("virtual-stock", SpanKind::Internal, "commit")[..] else {
        panic!("{:#?}", receiver.of(TRACE));
    };
    assert_eq!(commit.parent(), server.id());
    let everything = receiver.spans();
    let batch = everything.iter().find(|it| it.span.name == "commit batch");
    let batch = batch.unwrap();
    assert_eq!(commit.links(), [batch.id()]);
    assert_eq!(batch.links(), [server.id()]);
    assert_eq!(batch.parent(), "");

    let sent = all("virtual-stock", SpanKind::Producer, "send ");
    let mut topics: Vec<String> = sent
        .iter()
        .map(|it| it.attribute("messaging.destination.name"))
        .collect();
    topics.sort();
    assert_eq!(
        topics,
        ["high-priority-updates", "stock-audit-logs"].map(|topic| world.topic(topic))
    );
    let retried = all("acl", SpanKind::Producer, "send ");
    assert_eq!(retried.len(), 2, "{retried:#?}");
    for span in sent.iter().chain(&retried) {
        assert_eq!(span.parent(), server.id());
        assert_eq!(span.attribute("messaging.system"), "kafka");
        assert_eq!(span.attribute("messaging.kafka.message.key"), "STK-traced");
    }

    let mut attempts = all("acl", SpanKind::Consumer, "process ");
    attempts.retain(|it| it.attribute("delivery.subscription") == "trading-partner");
    let calls = all("acl", SpanKind::Client, "POST ");
    let at_partner = world.partner.ledger().calls;
    let expected = [
        ("1", "RETRY_SCHEDULED", "503"),
        ("2", "RETRY_SCHEDULED", "503"),
        ("3", "DELIVERED", "201"),
    ];
    assert_eq!((attempts.len(), calls.len()), (3, 3), "{attempts:#?}");
    for ((attempt, call), (number, status, code)) in attempts.iter().zip(&calls).zip(expected) {
        assert_eq!(attempt.parent(), server.id());
        assert_eq!(attempt.attribute("delivery.attempt"), number);
        assert_eq!(attempt.attribute("delivery.status"), status);
        assert_eq!(attempt.failed(), status != "DELIVERED");
        assert_eq!(call.parent(), attempt.id());
        let answered = call.attribute("http.response.status_code");
        assert_eq!(answered.as_bytes()[0], code.as_bytes()[0], "{answered}");
        let told = format!("00-{TRACE}-{}-01", call.id());
        let arrived = |it: &partner_sim::Call| it.traceparent.as_deref() == Some(&told);
        assert!(at_partner.iter().any(arrived), "{told}");
    }

    let strangers = receiver.spans().into_iter();
    let strangers = strangers.filter(|it| it.span.name == "POST /api/v1/virtual-stock/stocks");
    assert_eq!(
        strangers.count(),
        0,
        "nobody asked for the creation's trace"
    );

    // Each of many at once sees its own commit, and with it all that it shared a batch with.
    let trace = |number: usize| format!("{number:032x}");
    let many = (1..=30).map(|number| reserve(format!("00-{}-{CLIENT}-01", trace(number))));
    futures::future::join_all(many).await;
    eventually(PATIENCE, "all commits are recorded", async || {
        let recorded = (1..=30).filter(|number| {
            let spans = receiver.of(&trace(*number));
            let server = spans.iter().find(|it| it.span.name.starts_with("POST "));
            let commit = spans.iter().find(|it| it.span.name == "commit");
            let (Some(server), Some(commit)) = (server, commit) else {
                return false;
            };
            let batch = receiver.spans().into_iter();
            batch
                .filter(|it| commit.links().contains(&it.id()))
                .any(|batch| {
                    let size = batch.attribute("batch.commands");
                    batch.links().contains(&server.id()) && size == batch.links().len().to_string()
                })
        });
        (recorded.count() == 30).then_some(())
    })
    .await;
    let batches = receiver.spans().into_iter();
    let largest = batches.map(|it| it.links().len()).max();
    assert!(largest > Some(1), "no two shared a batch");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_not_followed_is_pointed_to() {
    let receiver = Receiver::start().await;
    let settings = [
        ("VIRTUAL_STOCK__TRACES__ENDPOINT", receiver.url.as_str()),
        ("VIRTUAL_STOCK__TRACES__RATIO", "1"),
    ];
    let mut world = World::new("pointed", &settings).await.unwrap();
    world.virtual_stock.set("OTEL_BSP_SCHEDULE_DELAY", "200");
    let _stock = world.start(&world.virtual_stock).await.unwrap();
    let sent = format!("00-{TRACE}-{CLIENT}-01");
    let headers = [("traceparent", sent.as_str())];
    let asked = world.call_with(Method::GET, "/stocks/STK-none", &headers, String::new());
    let asked = asked.await.unwrap();

    assert_eq!(asked.status, 404);
    let own = asked.text("traceId");
    assert_ne!(own, TRACE);
    let spans = eventually(PATIENCE, "the request's span", async || {
        let spans = receiver.of(own);
        (!spans.is_empty()).then_some(spans)
    })
    .await;
    assert_eq!((spans[0].parent().as_str(), spans.len()), ("", 1));
    assert_eq!(spans[0].links(), [CLIENT]);
    assert_eq!(receiver.of(TRACE).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_is_in_nobodys_way() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let settings = [
        ("VIRTUAL_STOCK__TRACES__ENDPOINT", url.as_str()),
        ("ACL__TRACES__ENDPOINT", &url),
        ("VIRTUAL_STOCK__TRACES__RATIO", "1"),
        ("ACL__TRACES__RATIO", "1"),
    ];
    let mut world = World::new("untraced", &settings).await.unwrap();
    // A few spans more than these are dropped.
    world.virtual_stock.set("OTEL_BSP_MAX_QUEUE_SIZE", "16");
    world.acl.set("OTEL_BSP_MAX_QUEUE_SIZE", "16");
    let stock = world.start(&world.virtual_stock).await.unwrap();
    let acl = world.start(&world.acl).await.unwrap();
    for number in 0..100 {
        world
            .stock(&format!("STK-untraced{number}"), 1)
            .await
            .unwrap();
    }
    world.settled().await.unwrap();
    for (process, service) in [(stock, &world.virtual_stock), (acl, &world.acl)] {
        let asked = Instant::now();
        assert!(process.terminate().unwrap().success());
        let ended = asked.elapsed();
        assert!(
            ended < Duration::from_secs(10),
            "{}: {ended:?}",
            service.name
        );
        let log = std::fs::read_to_string(service.log()).unwrap();
        assert!(
            log.contains("SpansDropped"),
            "{} dropped none",
            service.name
        );
    }
    world.verify().unwrap();
}
