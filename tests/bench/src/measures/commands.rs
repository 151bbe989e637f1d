//! Commands and reads over HTTP beside the same transactions of pgbench.

use std::time::Duration;

use devstack::Servers;
use rand::RngExt;

use crate::{
    costs::{Costs, Spent},
    figure::{Figure, Goal, mib},
    http::Call,
    load::{Answers, Closed, closed},
    measures::{Found, Plan},
    pgbench::{Pgbench, select},
    world::{World, stock_id},
};

pub(super) const STOCKS: u64 = 10_000;
pub(super) const CONNECTIONS: usize = 64;

/// A reservation of one unit of one of the first so many stocks.
pub(super) fn reserve(stocks: u64) -> Call {
    reserve_of(&stock_id(rand::rng().random_range(1..=stocks)))
}

/// A reservation of one unit.
pub(super) fn reserve_of(stock: &str) -> Call {
    Call::post(
        &format!("/stocks/{stock}/reserve"),
        r#"{"quantityToReserve":1,"reason":"bench"}"#,
    )
}

/// A new stock.
pub(super) fn create() -> Call {
    let product: u128 = rand::rng().random();
    let body = format!(r#"{{"productId":"{product:032x}","quantity":100,"price":150}}"#);
    Call::post("/stocks", body)
}

fn read(stocks: u64) -> Call {
    let stock = stock_id(rand::rng().random_range(1..=stocks));
    Call::get(&format!("/stocks/{stock}"))
}

/// All connections do the same for so long.
pub(super) async fn pressed(
    world: &World,
    connections: usize,
    long: Duration,
    call: fn() -> Call,
) -> anyhow::Result<Answers> {
    let load = Closed { connections, long };
    let calls = move |_| std::future::ready(Some(call()));
    closed(&[world.virtual_stock.http], load, calls)
        .await?
        .all_done()
}

fn spread() -> Call {
    reserve(STOCKS)
}

fn hot() -> Call {
    reserve(1)
}

fn get() -> Call {
    read(STOCKS)
}

/// A database of the same tables, for pgbench.
pub(super) async fn baseline(servers: &Servers, stocks: u64) -> anyhow::Result<(World, Pgbench)> {
    let mut plain = World::new(servers, "baseline").await?;
    plain.fill(stocks).await?;
    let pgbench = Pgbench::new(plain.stocks_url.clone())?;
    Ok((plain, pgbench))
}

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let (_plain, pgbench) = baseline(servers, STOCKS).await?;
    let mut world = World::new(servers, "commands").await?;
    world.fill(STOCKS).await?;
    let (stock, _) = world.start(&world.virtual_stock).await?;
    let mut found = Found::default();
    let (mut memory, mut costs) = (Vec::new(), Costs::default());

    // The services warm up, and there is an event to copy.
    pressed(&world, CONNECTIONS, plan.warm, spread).await?;
    let event = world.event().await?;
    let many = event.reserve(STOCKS);
    pgbench.run(&many, CONNECTIONS, plan.warm).await?;

    for (name, call, script, clients, times) in [
        (
            "reserve, 10,000 stocks, 64 connections",
            spread as fn() -> Call,
            many.clone(),
            "the same change as one plain transaction of pgbench, 64 clients",
            2.0,
        ),
        (
            "reserve, one hot stock, 64 connections",
            hot,
            event.reserve(1),
            "the same transaction on one row",
            15.0,
        ),
        (
            "GET of a stock, 64 connections",
            get,
            select(STOCKS),
            "pgbench, the SELECT alone",
            0.7,
        ),
        (
            "create, 64 connections",
            create,
            event.create(),
            "pgbench, INSERT of the stock and of the outbox row",
            2.0,
        ),
    ] {
        let (mut ours, mut baseline) = (Vec::new(), Vec::new());
        for _ in 0..plan.rounds {
            let transactions = pgbench.run(&script, CONNECTIONS, plan.round).await?;
            baseline.push(transactions.per_second);
            let before = Spent::now(&world.stocks_db).await?;
            let answers = pressed(&world, CONNECTIONS, plan.round, call).await?;
            ours.push(answers.throughput());
            // The next round does not pay for what this one has left to the relay.
            world.relayed().await?;
            if found.figures.is_empty() {
                memory.push(mib(stock.peak_memory()?));
                costs.add(before, Spent::now(&world.stocks_db).await?, answers.done());
            }
        }
        found.figures.push(Figure {
            name: name.to_owned(),
            unit: "1/s",
            ours,
            baseline: Some((clients, baseline)),
            goal: Goal::TimesAtLeast(times),
        });
    }

    let (mut ours, mut baseline) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        let transactions = pgbench.run(&many, 1, plan.round).await?;
        baseline.push(transactions.latency);
        let answers = pressed(&world, 1, plan.round, spread).await?;
        ours.push(answers.mean());
        world.relayed().await?;
    }
    found.figures.push(Figure {
        name: "one command alone, 1 connection, mean".to_owned(),
        unit: "ms",
        ours,
        baseline: Some(("the same transaction of pgbench, 1 client", baseline)),
        goal: Goal::TimesAtMost(2.0),
    });
    found.figures.push(Figure::at_most(
        "peak memory of virtual-stock up to the end of the first load".to_owned(),
        "MiB",
        memory,
        150.0,
    ));
    found.figures.extend(costs.figures("a reservation"));
    world.verify().await?;
    Ok(found)
}
