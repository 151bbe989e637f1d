//! acl with a backlog, beside a loop that only calls the partner.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use devstack::Servers;
use partner_sim::Simulator;
use reqwest::Client;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{
    figure::{Figure, Goal},
    load::{Closed, closed},
    measures::{
        Found, Plan,
        commands::{CONNECTIONS, STOCKS, reserve},
    },
    world::World,
};

/// The setting's default: calls at once.
const CONCURRENCY: usize = 64;

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds {
        let mut world = World::new(servers, &format!("deliveries{round}")).await?;
        world.fill(STOCKS).await?;
        let (stock, _) = world.start(&world.virtual_stock).await?;
        let wanted = u64::try_from(plan.backlog)?;
        let load = Closed {
            connections: CONNECTIONS,
            long: Duration::from_mins(5),
        };
        let calls = move |n| std::future::ready((n < wanted).then(|| reserve(STOCKS)));
        closed(&[world.virtual_stock.http], load, calls)
            .await?
            .all_done()?;
        world.verify().await?;
        ensure!(stock.terminate()?.success(), "the service did not end well");

        baseline.push(plain(plan.backlog).await?);
        ours.push(delivered(&world).await?);
    }
    Ok(Found {
        figures: vec![Figure {
            name: format!(
                "acl deliveries, backlog of {} events over 10,000 stocks, consumption log written",
                crate::figure::number(f64::from(u32::try_from(plan.backlog)?))
            ),
            unit: "1/s",
            ours,
            baseline: Some((
                "a reqwest loop of the same concurrency to the same partner",
                baseline,
            )),
            goal: Goal::TimesAtLeast(0.5),
        }],
        ..Found::default()
    })
}

/// Events a second, from the first call to the last line of the consumption log; a stock that the partner did not know costs
/// two calls.
async fn delivered(world: &World) -> anyhow::Result<f64> {
    let (_acl, _) = world.start(&world.acl).await?;
    world.delivered().await?;
    world.verify_partner().await?;
    let events = world.events().await?;
    let logged: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM consumption_log WHERE status = 'DELIVERED' AND attempt = 1",
    )
    .fetch_one(&world.acl_db)
    .await?;
    ensure!(
        u64::try_from(logged)? == events,
        "{logged} of {events} events are in the consumption log as delivered at once"
    );
    let long: f64 = sqlx::query_scalar(
        "SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM consumption_log",
    )
    .fetch_one(&world.acl_db)
    .await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(events as f64 / long)
}

/// A partner called without Kafka and without a database, in calls a second.
async fn plain(calls: usize) -> anyhow::Result<f64> {
    let partner = Simulator::start(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let url = format!("http://{}/api/v1/trading/stock-created", partner.address);
    let client = Client::builder().timeout(Duration::from_secs(10)).build()?;
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CONCURRENCY {
        let (client, url, next) = (client.clone(), url.clone(), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= calls {
                    return anyhow::Ok(());
                }
                let body = json!({
                    "stockId": format!("STK-{n:08}"), "productId": format!("P{n}"), "symbol": format!("SYM{n}"),
                    "productName": format!("Product {n}"), "quantity": 1_000_000, "totalReserved": 1, "available": 999_999,
                    "price": "150.00", "currency": "USD", "status": "AVAILABLE", "operation": "CREATED",
                });
                let call = client
                    .post(&url)
                    .header("idempotency-key", n.to_string())
                    .header("x-stock-version", "1")
                    .header("x-correlation-id", n.to_string())
                    .json(&body);
                let answer = call.send().await?.error_for_status()?;
                answer.bytes().await?;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(calls as f64 / began.elapsed().as_secs_f64())
}
