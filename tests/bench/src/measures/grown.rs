//! The same commands with tables that have grown.

use devstack::Servers;

use crate::{
    figure::{Figure, Goal},
    load::{Closed, closed},
    measures::{
        Found, Plan,
        commands::{CONNECTIONS, STOCKS, reserve},
    },
    world::World,
};

/// Movements, and events that were published some minutes ago, of stocks that are not the ones of the load.
const MOVEMENTS: &str = "INSERT INTO movements (stock_id, version, operation, quantity_before, quantity_after,
         reserved_before, reserved_after, price_before, price_after, reason, actor, occurred_at)
     SELECT 'STK-old' || n % 100000, 1 + n / 100000, 'RESERVED', 1000, 1000, 0, 1, 150, 150, 'bench', 'bench',
         now() - interval '10 minutes'
     FROM generate_series(0, $1 - 1) AS n";
const OUTBOX: &str = "INSERT INTO outbox (event_id, stock_id, version, operation, topics, correlation_id, traceparent, payload, occurred_at)
     SELECT gen_random_uuid(), 'STK-old' || n % 100000, 1 + n / 100000, e.operation, e.topics, e.correlation_id, e.traceparent,
         e.payload, now() - interval '10 minutes'
     FROM generate_series(0, $1 - 1) AS n, (SELECT * FROM outbox ORDER BY id DESC LIMIT 1) AS e";

async fn rate(world: &World, plan: Plan) -> anyhow::Result<f64> {
    let load = Closed {
        connections: CONNECTIONS,
        long: plan.round,
    };
    let calls = |_| std::future::ready(Some(reserve(STOCKS)));
    let answers = closed(&[world.virtual_stock.http], load, calls)
        .await?
        .all_done()?;
    Ok(answers.throughput())
}

pub(super) async fn run(servers: &Servers, plan: Plan) -> anyhow::Result<Found> {
    if plan.grown == 0 {
        return Ok(Found::default());
    }
    let mut empty = World::new(servers, "young").await?;
    empty.fill(STOCKS).await?;
    let mut full = World::new(servers, "grown").await?;
    full.fill(STOCKS).await?;
    let (_empty, _) = empty.start(&empty.virtual_stock).await?;
    let (process, _) = full.start(&full.virtual_stock).await?;
    rate(&empty, plan).await?;
    rate(&full, plan).await?;
    full.verify().await?;
    process.terminate()?;
    for sql in [MOVEMENTS, OUTBOX] {
        sqlx::query(sql)
            .bind(i64::from(plan.grown))
            .execute(&full.stocks_db)
            .await?;
    }
    // They were published before: the checkpoint is behind them.
    sqlx::query("UPDATE relay_checkpoint SET window_from = pg_current_snapshot()")
        .execute(&full.stocks_db)
        .await?;
    for sql in ["VACUUM ANALYZE", "CHECKPOINT"] {
        sqlx::query(sql).execute(&full.stocks_db).await?;
    }
    let (_full, _) = full.start(&full.virtual_stock).await?;
    let (mut ours, mut young) = (Vec::new(), Vec::new());
    for _ in 0..plan.rounds {
        young.push(rate(&empty, plan).await?);
        empty.relayed().await?;
        ours.push(rate(&full, plan).await?);
        drained(&full).await?;
    }
    Ok(Found {
        figures: vec![Figure {
            name: format!(
                "reserve with {} movements and outbox rows more",
                crate::figure::number(f64::from(plan.grown))
            ),
            unit: "1/s",
            ours,
            baseline: Some(("the same with young tables", young)),
            goal: Goal::TimesAtLeast(0.9),
        }],
        ..Found::default()
    })
}

/// Waits until the relay has nothing left.
async fn drained(world: &World) -> anyhow::Result<()> {
    devstack::eventually(
        crate::world::PATIENCE,
        "the relay has nothing left",
        async || {
            let left: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM outbox, relay_checkpoint
                 WHERE outbox.id > last_id OR window_to IS NOT NULL)",
            )
            .fetch_one(&world.stocks_db)
            .await
            .ok()?;
            (!left).then_some(())
        },
    )
    .await;
    Ok(())
}
