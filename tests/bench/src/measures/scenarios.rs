//! The load scenarios of the design, with the design's own limits as the verdict.

use std::{sync::Arc, time::Duration};

use devstack::Servers;
use rand::RngExt;

use crate::{
    figure::Figure,
    http::Call,
    load::{Answers, Open, open},
    measures::{
        Found, Plan,
        commands::{CONNECTIONS, STOCKS, create, reserve},
    },
    world::{World, stock_id},
};

/// What a scenario may take, in milliseconds, and the share of answers that may fail.
const P50: f64 = 200.0;
const P95: f64 = 500.0;
const P99: f64 = 1000.0;
const FAILED: f64 = 0.001;

/// A phase: requests a second, and its share of the scenario's time.
const PHASES: [(&str, f64, u32); 3] = [
    ("ramp", 250.0, 1),
    ("steady", 500.0, 2),
    ("peak", 1000.0, 1),
];

fn reprice(stocks: u64) -> Call {
    let mut random = rand::rng();
    let stock = stock_id(random.random_range(1..=stocks));
    let cents: u32 = random.random_range(100..100_000);
    let body = format!(
        r#"{{"newPrice":"{}.{:02}","reason":"tick"}}"#,
        cents / 100,
        cents % 100
    );
    Call::put(&format!("/stocks/{stock}/price"), body)
}

fn mixed(n: u64) -> Call {
    let stock = stock_id(rand::rng().random_range(1..=STOCKS));
    match n % 10 {
        0..7 => Call::get(&format!("/stocks/{stock}")),
        7..9 => reserve(STOCKS),
        _ => reprice(STOCKS),
    }
}

/// A name, how many requests, and which.
type Burst = (&'static str, u32, fn(u64) -> Call);

/// So many requests that are due at once.
async fn burst(world: &World, count: u32, call: fn(u64) -> Call) -> anyhow::Result<Answers> {
    let long = Duration::from_millis(10);
    let load = Open {
        rate: f64::from(count) / long.as_secs_f64(),
        connections: usize::try_from(count)?.min(500),
        long,
    };
    open(world.virtual_stock.http, load, call).await
}

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    let mut world = World::new(servers, "scenarios").await?;
    world.fill(STOCKS).await?;
    let world = Arc::new(world);
    let (_stock, _) = world.start(&world.virtual_stock).await?;
    let (_acl, _) = world.start(&world.acl).await?;
    let mut found = Found::default();
    let bursts: [Burst; 3] = [
        ("creation of 1,000 stocks by 500 users", 1000, |_| create()),
        ("500 concurrent updates", 500, |_| reprice(STOCKS)),
        ("200 simultaneous reservations of one stock", 200, |_| {
            reserve(1)
        }),
    ];
    for (name, count, call) in bursts {
        for _ in 0..plan.rounds {
            let answers = burst(&world, count, call).await?;
            judge(&mut found, name, &answers);
        }
        world.delivered().await?;
    }
    for (phase, rate, share) in PHASES {
        let load = Open {
            rate,
            connections: CONNECTIONS * 2,
            long: plan.round * share,
        };
        let answers = open(world.virtual_stock.http, load, mixed).await?;
        judge(
            &mut found,
            &format!("70 % reads, 30 % writes, {phase} at {rate}/s"),
            &answers,
        );
    }
    world.delivered().await?;
    world.verify().await?;
    world.verify_partner().await?;
    Ok(found)
}

/// Adds a round to the figures of its scenario.
fn judge(found: &mut Found, scenario: &str, answers: &Answers) {
    for (which, unit, value, goal) in [
        ("p50", "ms", answers.percentile(50.0), P50),
        ("p95", "ms", answers.percentile(95.0), P95),
        ("p99", "ms", answers.percentile(99.0), P99),
        ("failed", "%", answers.failed() * 100.0, FAILED * 100.0),
    ] {
        let name = format!("{scenario}: {which}");
        if let Some(figure) = found.figures.iter_mut().find(|figure| figure.name == name) {
            figure.ours.push(value);
        } else {
            let first = Figure::at_most(name, unit, vec![value], goal);
            found.figures.push(first);
        }
    }
}
