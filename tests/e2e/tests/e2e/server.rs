//! What every statement takes for granted of the database's server.

use std::time::Duration;

use devstack::{Servers, eventually, home};
use sqlx::PgPool;

/// `docs/adr/0014-servers-that-lose-changes.md`: PostgreSQL 18.0 and 18.1 pass over the row.
#[tokio::test]
async fn a_row_that_changes_meanwhile_is_changed_by_an_update_that_joins() {
    let servers = Servers::start(&home()).await.unwrap();
    let url = servers.database("joined_updates").await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    for setup in [
        "CREATE TABLE counted (id bigint PRIMARY KEY, first bigint DEFAULT 0, second bigint DEFAULT 0)",
        "INSERT INTO counted SELECT generate_series(1, 20000)",
        // Each row of the list is looked up by the key.
        "ANALYZE counted",
    ] {
        sqlx::query(setup).execute(&pool).await.unwrap();
    }
    // As it is planned for a large table.
    let mut joining = pool.acquire().await.unwrap();
    for join in ["enable_hashjoin", "enable_mergejoin"] {
        let off = sqlx::query("SELECT set_config($1, 'off', false)").bind(join);
        off.execute(&mut *joining).await.unwrap();
    }
    let mut other = pool.begin().await.unwrap();
    sqlx::query("UPDATE counted SET first = 1 WHERE id = 8")
        .execute(&mut *other)
        .await
        .unwrap();

    let joined = sqlx::query(
        "UPDATE counted SET second = 1 FROM unnest('{1,2,3,8,9}'::bigint[]) AS e (id) WHERE counted.id = e.id",
    );
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let let_go = async {
        eventually(Duration::from_mins(1), "it waits for the row", async || {
            let waiting: i64 = sqlx::query_scalar(waits).fetch_one(&pool).await.unwrap();
            (waiting == 1).then_some(())
        })
        .await;
        other.commit().await.unwrap();
    };
    let (joined, ()) = tokio::join!(joined.execute(&mut *joining), let_go);

    assert_eq!(joined.unwrap().rows_affected(), 5);
    let both = "SELECT count(*) FROM counted WHERE first = 1 AND second = 1";
    let both: i64 = sqlx::query_scalar(both).fetch_one(&pool).await.unwrap();
    assert_eq!(both, 1);
}
