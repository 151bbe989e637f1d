//! How long operations on the database take, and how many connections are in use.

use std::time::Instant;

use application::metric::both;
use sqlx::PgPool;

/// Does an operation and measures it; a wait for a connection is part of it.
pub(super) async fn measured<T, E>(
    operation: &'static str,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let began = Instant::now();
    let done = work.await;
    metrics::histogram!(both::DATABASE_DURATION.name, "operation" => operation)
        .record(began.elapsed());
    let failed = u64::from(done.is_err());
    metrics::counter!(both::DATABASE_FAILURES.name, "operation" => operation).increment(failed);
    done
}

/// Connections of pools, each with its name.
pub(crate) fn observe_pools<'a>(pools: impl IntoIterator<Item = (&'static str, &'a PgPool)>) {
    for (name, pool) in pools {
        let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
        let used = pool.size().saturating_sub(idle);
        for (state, connections) in [("idle", idle), ("used", used)] {
            metrics::gauge!(both::DATABASE_CONNECTIONS.name, "pool" => name, "state" => state)
                .set(f64::from(connections));
        }
        let most = pool.options().get_max_connections();
        metrics::gauge!(both::DATABASE_CONNECTIONS_MAX.name, "pool" => name).set(f64::from(most));
    }
}
