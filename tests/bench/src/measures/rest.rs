//! What the services take without load: memory, and the time to be ready.

use std::time::Duration;

use devstack::Servers;

use crate::{
    figure::{Figure, mib},
    measures::Found,
    world::World,
};

const STARTS: usize = 3;
/// Until a service that was started does nothing any more.
const SETTLED: Duration = Duration::from_secs(5);

pub(super) async fn run(servers: &Servers) -> anyhow::Result<Found> {
    let world = World::new(servers, "rest").await?;
    let mut found = Found::default();
    for service in [&world.virtual_stock, &world.acl] {
        let (mut memory, mut ready) = (Vec::new(), Vec::new());
        for _ in 0..STARTS {
            let (process, took) = world.start(service).await?;
            ready.push(took.as_secs_f64() * 1000.0);
            tokio::time::sleep(SETTLED).await;
            memory.push(mib(process.resident_memory()?));
            process.terminate()?;
        }
        found.figures.extend([
            Figure::at_most(
                format!("resident memory of {} at rest", service.name),
                "MiB",
                memory,
                40.0,
            ),
            Figure::at_most(
                format!("start to ready of {}", service.name),
                "ms",
                ready,
                1000.0,
            ),
        ]);
    }
    Ok(found)
}
