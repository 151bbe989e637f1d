//! Cost per command over connections, stocks and instances.

use devstack::Servers;

use crate::{
    load::{Closed, closed},
    measures::{
        Found, Plan,
        commands::{STOCKS, reserve},
    },
    report::Curve,
    world::World,
};

const CONNECTION_COUNTS: [u32; 4] = [4, 16, 64, 256];
const STOCK_COUNTS: [u32; 4] = [1, 100, 10_000, 1_000_000];
/// Where they are not what changes.
const CONNECTIONS: u32 = 64;
const INSTANCE_COUNTS: [u32; 3] = [1, 2, 3];

/// Reservations a second, the median of the rounds.
async fn reserved(
    world: &World,
    instances: u32,
    connections: u32,
    stocks: u64,
    plan: Plan,
) -> anyhow::Result<f64> {
    let mut services = vec![world.virtual_stock.clone()];
    let mut processes = Vec::new();
    for n in 1..instances {
        let last = usize::try_from(n)? - 1;
        services.push(services[last].another()?);
    }
    for service in &services {
        processes.push(world.start(service).await?);
    }
    let addresses: Vec<_> = services.iter().map(|service| service.http).collect();
    let mut rates = Vec::new();
    for round in 0..=plan.rounds {
        // The first round warms up.
        let long = if round == 0 {
            plan.warm
        } else {
            plan.round / 2
        };
        let load = Closed {
            connections: usize::try_from(connections)?,
            long,
        };
        let calls = move |_| std::future::ready(Some(reserve(stocks)));
        let answers = closed(&addresses, load, calls).await?.all_done()?;
        if round > 0 {
            rates.push(answers.throughput());
        }
        world.relayed().await?;
    }
    for (process, _) in processes {
        process.terminate()?;
    }
    Ok(crate::figure::median(&rates))
}

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let mut world = World::new(servers, "curves").await?;
    world.fill(STOCKS).await?;
    let mut over_connections = Curve::new("connections", "reservations/s, 10,000 stocks");
    for connections in CONNECTION_COUNTS {
        let rate = reserved(&world, 1, connections, STOCKS, plan).await?;
        over_connections.add(connections, rate);
    }
    let mut over_instances =
        Curve::new("instances", "reservations/s, 10,000 stocks, 64 connections");
    for instances in INSTANCE_COUNTS {
        let rate = reserved(&world, instances, CONNECTIONS, STOCKS, plan).await?;
        over_instances.add(instances, rate);
    }
    world.verify().await?;
    drop(world);
    let mut over_stocks = Curve::new("stocks", "reservations/s, 64 connections");
    for stocks in STOCK_COUNTS
        .into_iter()
        .filter(|stocks| *stocks <= plan.most_stocks.max(10_000))
    {
        let mut world = World::new(servers, "curve_stocks").await?;
        world.fill(u64::from(stocks)).await?;
        let rate = reserved(&world, 1, CONNECTIONS, u64::from(stocks), plan).await?;
        world.verify().await?;
        over_stocks.add(stocks, rate);
    }
    Ok(Found {
        curves: vec![over_connections, over_stocks, over_instances],
        ..Found::default()
    })
}
