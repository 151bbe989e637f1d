//! Everything together: from the request to the partner's acknowledgement.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use devstack::Servers;
use hdrhistogram::Histogram;

use crate::{
    costs::{Costs, Spent},
    figure::{Figure, Goal, mib},
    load::{Closed, Open, closed, open},
    measures::{
        Found, Plan,
        commands::{CONNECTIONS, STOCKS, baseline, reserve, reserve_of},
    },
    world::{PATIENCE, World, stock_id},
};

/// Most commands that were answered and not yet acknowledged by the partner: the backlog cannot grow beyond it.
const WINDOW: u64 = 2_000;
/// Rare enough to cost nothing beside what is measured, and far below the time that the window holds.
const LOOK: Duration = Duration::from_millis(20);
/// Commands a second whose way to the partner is timed.
const RATE: f64 = 500.0;

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let (_plain, pgbench) = baseline(servers, STOCKS).await?;
    let mut world = World::new(servers, "pipeline").await?;
    world.fill(STOCKS).await?;
    let world = Arc::new(world);
    let (_stock, _) = world.start(&world.virtual_stock).await?;
    let (acl, _) = world.start(&world.acl).await?;
    // Every stock is made known to the partner, so that from then on each command is one call.
    let load = Closed {
        connections: CONNECTIONS,
        long: PATIENCE,
    };
    let each = |n| std::future::ready((n < STOCKS).then(|| reserve_of(&stock_id(n + 1))));
    closed(&[world.virtual_stock.http], load, each)
        .await?
        .all_done()?;
    world.delivered().await?;
    let script = world.event().await?.reserve(STOCKS);

    let (mut ours, mut first, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    let mut costs = Costs::default();
    for _ in 0..plan.rounds {
        let transactions = pgbench.run(&script, CONNECTIONS, plan.round).await?;
        first.push(transactions.per_second);
        let before = (Spent::now(&world.stocks_db).await?, world.events().await?);
        ours.push(sustained(&world, plan.sustained).await?);
        let after = (Spent::now(&world.stocks_db).await?, world.events().await?);
        costs.add(before.0, after.0, after.1 - before.1);
        memory.push(mib(acl.peak_memory()?));
    }
    let (mut halves, mut nearly_all) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let (p50, p99) = timed(&world, plan.round * 2).await?;
        halves.push(p50);
        nearly_all.push(p99);
    }
    world.verify().await?;
    world.verify_partner().await?;
    let mut figures = costs.figures("a reservation up to the partner");
    figures.splice(
        0..0,
        [
            Figure {
                name: format!(
                    "the whole pipeline, {} s: answered, relayed, acknowledged by the partner",
                    plan.sustained.as_secs()
                ),
                unit: "1/s",
                ours,
                baseline: Some(("the first pgbench line", first)),
                goal: Goal::TimesAtLeast(0.7),
            },
            latency("p50", halves, 30.0),
            latency("p99", nearly_all, 150.0),
            Figure::at_most(
                "peak memory of acl under that load".to_owned(),
                "MiB",
                memory,
                150.0,
            ),
        ],
    );
    Ok(Found {
        figures,
        ..Found::default()
    })
}

fn latency(which: &str, ours: Vec<f64>, most: f64) -> Figure {
    let name = format!("request to partner at 500 commands/s, {which}");
    Figure::at_most(name, "ms", ours, most)
}

/// Commands a second that the partner has acknowledged, with a backlog that cannot grow.
async fn sustained(world: &Arc<World>, long: Duration) -> anyhow::Result<f64> {
    let before = world.partner.look(|ledger| ledger.effects);
    let load = Closed {
        connections: CONNECTIONS,
        long,
    };
    let calls = {
        let world = Arc::clone(world);
        move |n| {
            let world = Arc::clone(&world);
            async move {
                while n >= WINDOW + world.partner.look(|ledger| ledger.effects) - before {
                    tokio::time::sleep(LOOK).await;
                }
                Some(reserve(STOCKS))
            }
        }
    };
    let answers = closed(&[world.virtual_stock.http], load, calls)
        .await?
        .all_done()?;
    let acknowledged = world.partner.look(|ledger| ledger.effects) - before;
    let long = answers.long.as_secs_f64();
    world.delivered().await?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(acknowledged as f64 / long)
}

/// From when a command was due to the end of the partner's call that tells of it: half, and 99 of 100, took at most so
/// many milliseconds.
async fn timed(world: &Arc<World>, long: Duration) -> anyhow::Result<(f64, f64)> {
    let run = world.events().await?;
    let name = move |n: u64| format!("bench-{run}-{n}");
    let load = Open {
        rate: RATE,
        connections: CONNECTIONS,
        long,
    };
    let (seen, now, now_ms) = (
        world.partner.look(|ledger| ledger.calls.len()),
        Instant::now(),
        world.partner.now_ms(),
    );
    let answers = open(world.virtual_stock.http, load, move |n| {
        let mut call = reserve(STOCKS);
        call.correlation_id = Some(name(n));
        call
    })
    .await?
    .all_done()?;
    world.delivered().await?;
    let began = u64::try_from((answers.began - now).as_millis())? + now_ms;
    let mut took = Histogram::<u64>::new_with_max(60_000, 3)?;
    world.partner.look(|ledger| {
        for call in &ledger.calls[seen..] {
            let of_this_run = call.correlation_id.strip_prefix(&format!("bench-{run}-"));
            let n: u32 = of_this_run.context("a call of nobody")?.parse()?;
            let answered = call.answered_ms.context("a call without an answer")?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a time of the run, in milliseconds"
            )]
            let due = began + (f64::from(n) * 1000.0 / RATE) as u64;
            took.saturating_record(answered.saturating_sub(due));
        }
        anyhow::Ok(())
    })?;
    ensure!(
        took.len() == answers.count(),
        "{} calls for {} commands",
        took.len(),
        answers.count()
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let percentile = |percent| took.value_at_percentile(percent) as f64;
    Ok((percentile(50.0), percentile(99.0)))
}
