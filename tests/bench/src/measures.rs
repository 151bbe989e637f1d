//! What is measured. Each measure has a world of its own, alternates baseline and ours, and checks at its end that no
//! event of a command was lost, repeated or reordered; what the database's own means put into the outbox is only counted.

mod commands;
mod curves;
mod deliveries;
mod grown;
mod pipeline;
mod relay;
mod rest;
mod scenarios;

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context, ensure};
use devstack::Servers;

use crate::{figure::Figure, report::Curve, world::World};
use commands::{CONNECTIONS, STOCKS, pressed, reserve};

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// One round of most measures.
    pub(crate) round: Duration,
    /// Before the first measure.
    pub(crate) start: Duration,
    /// Before the first round.
    pub(crate) warm: Duration,
    /// The whole pipeline.
    pub(crate) sustained: Duration,
    /// Events in the outbox for the relay.
    pub(crate) outbox: u32,
    /// Events on the topics for acl.
    pub(crate) backlog: usize,
    /// Rows of tables that have grown.
    pub(crate) grown: u32,
    /// The largest number of stocks of the curve.
    pub(crate) most_stocks: u32,
}

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 3,
        round: Duration::from_secs(10),
        start: Duration::from_secs(30),
        warm: Duration::from_secs(3),
        sustained: Duration::from_mins(1),
        outbox: 200_000,
        backlog: 100_000,
        grown: 5_000_000,
        most_stocks: 1_000_000,
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        round: Duration::from_secs(4),
        start: Duration::from_secs(10),
        warm: Duration::from_secs(1),
        sustained: Duration::from_secs(10),
        outbox: 50_000,
        backlog: 20_000,
        grown: 0,
        most_stocks: 0,
    };
}

/// What a measure found.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) figures: Vec<Figure>,
    pub(crate) curves: Vec<Curve>,
}

/// Names of measures, as the command line takes them.
pub(crate) const NAMES: [&str; 8] = [
    "commands",
    "pipeline",
    "relay",
    "deliveries",
    "rest",
    "curves",
    "grown",
    "scenarios",
];

/// Bytes that are asked for a grown row, with what belongs to it in indexes and in the log: 12 GB for five million were not enough.
const GROWN_ROW: u64 = 5_000;

/// A run that ends for want of disk has measured for half an hour in vain.
pub(crate) fn ensure_room(names: &[&str], plan: Plan, folder: &Path) -> anyhow::Result<()> {
    if !names.contains(&"grown") {
        return Ok(());
    }
    let needed = u64::from(plan.grown) * GROWN_ROW;
    let mut df = Command::new("df");
    let output = df
        .args(["--output=avail", "--block-size=1"])
        .arg(folder)
        .output()?;
    let free = String::from_utf8_lossy(&output.stdout);
    let free = free.lines().nth(1).unwrap_or_default().trim();
    let free: u64 = free
        .parse()
        .context("df does not say how much disk is free")?;
    ensure!(
        free >= needed,
        "the measure grown needs {} GB of disk, and {} GB are free: make room, or name the others (--only)",
        needed / 1_000_000_000,
        free / 1_000_000_000
    );
    Ok(())
}

/// Kafka has just been started and compiles what it runs most: whoever is measured meanwhile would pay for it.
pub(crate) async fn warm_up(servers: &Servers, plan: Plan) -> anyhow::Result<()> {
    let mut world = World::new(servers, "warm").await?;
    world.fill(STOCKS).await?;
    let (stock, _) = world.start(&world.virtual_stock).await?;
    let (acl, _) = world.start(&world.acl).await?;
    pressed(&world, CONNECTIONS, plan.start, || reserve(STOCKS)).await?;
    world.delivered().await?;
    for process in [stock, acl] {
        ensure!(process.terminate()?.success(), "a service did not end well");
    }
    Ok(())
}

/// Carries one measure out.
pub(crate) async fn run(name: &str, servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    match name {
        "commands" => commands::run(servers, plan).await,
        "pipeline" => pipeline::run(servers, plan).await,
        "relay" => relay::run(servers, plan).await,
        "deliveries" => deliveries::run(servers, plan).await,
        "rest" => rest::run(servers).await,
        "curves" => curves::run(servers, plan).await,
        "grown" => grown::run(servers, plan).await,
        "scenarios" => scenarios::run(servers, plan).await,
        other => anyhow::bail!(
            "there is no measure {other}; there are {}",
            NAMES.join(", ")
        ),
    }
}
