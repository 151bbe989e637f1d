//! The relay with a backlog, beside Kafka's own producer benchmark.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use devstack::{Counter, Servers, kafka_tool, read_all};

use crate::{
    figure::{Figure, Goal},
    measures::{Found, Plan, commands},
    world::{PATIENCE, World},
};

/// Between two looks at the topics.
const LOOK: Duration = Duration::from_millis(20);

/// Rows like those that the service writes, as many as are to be drained; the newest event is the pattern.
const BACKLOG: &str = "INSERT INTO outbox (event_id, stock_id, version, operation, topics, correlation_id, traceparent, payload, occurred_at)
     SELECT gen_random_uuid(), 'STK-' || lpad((n % 10000)::text, 8, '0'), 1 + n / 10000, e.operation, e.topics, e.correlation_id,
         e.traceparent, e.payload, now()
     FROM generate_series(1, $1::integer) AS n, (SELECT * FROM outbox ORDER BY id DESC LIMIT 1) AS e";

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let mut world = World::new(servers, &format!("relay{round}")).await?;
        world.fill(1).await?;
        let (stock, _) = world.start(&world.virtual_stock).await?;
        commands::pressed(&world, 1, Duration::from_secs(1), || commands::reserve(1)).await?;
        world.relayed().await?;
        ensure!(stock.terminate()?.success(), "the service did not end well");
        let size = size(&world).await?;
        let records = u64::from(plan.outbox) * 2;
        baseline.push(perf(&world, records, size).await?);
        sqlx::query(BACKLOG)
            .bind(i32::try_from(plan.outbox)?)
            .execute(&world.stocks_db)
            .await?;
        sqlx::query("CHECKPOINT").execute(&world.stocks_db).await?;
        ours.push(drained(&world, records).await?);
    }
    Ok(Found {
        figures: vec![Figure {
            name: format!(
                "relay draining {} events, each to its topic and the audit topic",
                crate::figure::number(f64::from(plan.outbox))
            ),
            unit: "records/s",
            ours,
            baseline: Some((
                "ProducerPerformance, same size, acks=all, idempotent",
                baseline,
            )),
            goal: Goal::TimesAtLeast(1.0),
        }],
        ..Found::default()
    })
}

/// What an event takes as a record, in bytes.
async fn size(world: &World) -> anyhow::Result<usize> {
    let (brokers, topic) = (world.brokers.clone(), world.topic("stock-audit-logs"));
    let records = tokio::task::spawn_blocking(move || read_all(&brokers, &topic)).await??;
    let record = records.last().context("no record")?;
    let headers = record.headers.iter();
    let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
    Ok(record.key.len() + headers + record.payload.len())
}

/// Records a second from the first one that arrives to the last one.
async fn drained(world: &World, records: u64) -> anyhow::Result<f64> {
    let topics = ["high-priority-updates", "stock-audit-logs"].map(|name| world.topic(name));
    let counter = Counter::new(&world.brokers, &topics)?;
    let before = counter.count()?;
    let (_stock, _) = world.start(&world.virtual_stock).await?;
    let deadline = Instant::now() + PATIENCE;
    let mut began = None;
    loop {
        let arrived = counter.count()? - before;
        if arrived > 0 && began.is_none() {
            began = Some((Instant::now(), arrived));
        }
        if let Some((first, at_first)) = began
            && arrived >= records
        {
            ensure!(arrived == records, "{arrived} records, and not {records}");
            #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
            return Ok((arrived - at_first) as f64 / first.elapsed().as_secs_f64());
        }
        ensure!(Instant::now() < deadline, "{arrived} of {records} records");
        tokio::time::sleep(LOOK).await;
    }
}

/// Kafka's own figure for as many records of this size, in records a second.
async fn perf(world: &World, records: u64, size: usize) -> anyhow::Result<f64> {
    let mut command = kafka_tool(
        &devstack::home(),
        "org.apache.kafka.tools.ProducerPerformance",
    );
    command
        .args(["--topic", &world.topic("virtual-stock-updates")])
        .args(["--num-records", &records.to_string()])
        .args(["--record-size", &size.to_string()])
        .args(["--throughput", "-1", "--producer-props"])
        .arg(format!("bootstrap.servers={}", world.brokers))
        .args(["acks=all", "enable.idempotence=true"]);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "ProducerPerformance: {errors}");
    let last = said.lines().rfind(|line| line.contains("records/sec"));
    last.and_then(|line| line.split(", ").nth(1)?.split(' ').next()?.parse().ok())
        .with_context(|| format!("ProducerPerformance said {said}"))
}
