//! The contract suites of the ports, on the real adapters.

use std::{borrow::Cow, time::Duration};

use adapters::{
    contract::Envelope,
    postgres::{
        ACL_SCHEMA, IdempotencyKeys, PgOutbox, PgPartnerStates, PgStockQueries, PgStockRepository,
        VIRTUAL_STOCK_SCHEMA,
    },
};
use application::{
    fakes::contract,
    ports::{
        Continuity, Decided, Outbox, PartnerState, PartnerStates, RepositoryError, StockQueries,
        StockRepository, Touched,
    },
};
use devstack::{Servers, home};
use domain::stock::{NewDetails, Stamp};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgPoolOptions};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn database(name: &str) -> PgPool {
    let servers = Servers::start(&home()).await.unwrap();
    let pool = PgPool::connect(&servers.database(name).await.unwrap())
        .await
        .unwrap();
    VIRTUAL_STOCK_SCHEMA.run(&pool).await.unwrap();
    pool
}

#[tokio::test]
async fn the_stock_repository_keeps_the_contract_of_its_port() {
    let pool = database("contract_stocks").await;

    let repository = PgStockRepository::new(pool.clone(), MINUTE);
    contract::stock_repository(&repository, &PgStockQueries::new(pool.clone(), pool)).await;
}

#[tokio::test]
async fn the_stock_queries_keep_the_contract_of_their_port() {
    let pool = database("contract_queries").await;

    let repository = PgStockRepository::new(pool.clone(), MINUTE);
    contract::stock_queries(&repository, &PgStockQueries::new(pool.clone(), pool)).await;
}

#[tokio::test]
async fn the_outbox_keeps_the_contract_of_its_port() {
    let pool = database("contract_outbox").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    for n in 0..5 {
        let created = contract::new_stock(&format!("STK-{n}"), &format!("P{n}"));
        contract::keep(&stocks, vec![created]).await.unwrap();
    }

    contract::outbox(&PgOutbox::new(pool, DAY), 5).await;
}

#[tokio::test]
async fn details_that_were_kept_are_not_taken_for_the_first_ones() {
    let pool = database("contract_details").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    let created = contract::new_stock("STK-1", "P1");
    let held = contract::reserved(&created.stock, 1, MINUTE);
    let batch = vec![created.clone(), held.clone()];
    contract::keep(&stocks, batch).await.unwrap();
    // As a build writes them that takes it for certain that a stock has a row from its creation.
    sqlx::query(
        "INSERT INTO stock_details (stock_id, version, symbol, product_name, low_stock_threshold, discontinued)
         SELECT stock_id, 2, 'OTHER', product_name, low_stock_threshold, discontinued FROM stocks",
    )
    .execute(&pool)
    .await
    .unwrap();
    let details = NewDetails {
        symbol: Some("NEWEST".parse().unwrap()),
        ..NewDetails::default()
    };
    let stamp = Stamp {
        event_id: uuid::Uuid::from_u128(rand::random()),
        at: created.occurred_at,
        actor: created.actor,
    };
    let described = held.stock.describe(details, stamp).unwrap();

    contract::keep(&stocks, vec![described]).await.unwrap();

    let kept: Vec<(i64, String)> =
        sqlx::query_as("SELECT version, symbol FROM stock_details ORDER BY version")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(kept, [(2, "OTHER".to_owned()), (3, "NEWEST".to_owned())]);
}

#[tokio::test]
async fn an_event_has_the_headers_of_its_columns_or_those_of_before() {
    let pool = database("contract_headers").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    let created = contract::new_stock("STK-1", "P1");
    contract::keep(&stocks, vec![created.clone()])
        .await
        .unwrap();
    let outbox = PgOutbox::new(pool.clone(), DAY);
    let lease = outbox.acquire("one", MINUTE).await.unwrap().unwrap();
    outbox.ensure_continuity(lease).await.unwrap();
    let window = outbox.open_window(lease).await.unwrap().unwrap();
    let set = async |columns: &str| {
        let update = AssertSqlSafe(format!("UPDATE outbox SET {columns}"));
        sqlx::query(update).execute(&pool).await
    };
    let headers = async || {
        outbox.read(&window, 0, 10).await.unwrap()[0]
            .headers
            .clone()
    };
    let told = Envelope {
        event_id: created.id,
        stock_id: "STK-1",
        version: 1,
        operation: "CREATED",
        occurred_at: created.occurred_at,
        correlation_id: "é \"so\"",
        traceparent: "00-1",
    };
    let before = [("b", "1"), ("a", "é \"so\""), ("b", "")]
        .map(|(name, value)| (Cow::Borrowed(name), value.to_owned()));

    set(r#"correlation_id = 'é "so"', traceparent = '00-1'"#)
        .await
        .unwrap();
    assert_eq!(headers().await, told.headers().unwrap());

    let none = "correlation_id = NULL, traceparent = NULL";
    set(&format!(
        r#"{none}, header_list = '[["b", "1"], ["a", "é \"so\""], ["b", ""]]'"#
    ))
    .await
    .unwrap();
    assert_eq!(headers().await, before);
    set("headers = header_list::jsonb, header_list = NULL")
        .await
        .unwrap();
    assert_eq!(headers().await, before);

    for wrong in [
        "headers = NULL",
        "correlation_id = 'c', traceparent = '00-1'",
        "headers = NULL, correlation_id = 'c'",
    ] {
        let refused = set(wrong).await.unwrap_err();
        assert!(
            refused.to_string().contains("outbox_headers_there"),
            "{wrong}: {refused}"
        );
    }
}

#[tokio::test]
async fn the_partner_states_keep_the_contract_of_their_port() {
    let servers = Servers::start(&home()).await.unwrap();
    let url = servers.database("contract_partners").await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    ACL_SCHEMA.run(&pool).await.unwrap();
    let instance = || PgPartnerStates::new(pool.clone(), "partner".to_owned());

    contract::partner_states(&instance(), &instance()).await;

    let another = PgPartnerStates::new(pool, "another".to_owned());
    assert_eq!(another.state().await.unwrap(), PartnerState::Active);
}

#[tokio::test]
async fn a_taken_product_is_a_conflict_and_a_stale_decision_is_not_written() {
    let pool = database("contract_conflict").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    let first = contract::new_stock("STK-1", "P");
    contract::keep(&stocks, vec![first.clone()]).await.unwrap();

    let conflict = contract::keep(&stocks, vec![contract::new_stock("STK-2", "P")]).await;
    assert!(matches!(conflict, Err(RepositoryError::Conflict)));

    // A decision on a version that is not the stored one, as a lost lock would allow.
    let stamp = || domain::stock::Stamp {
        event_id: uuid::Uuid::from_u128(rand::random()),
        at: time::OffsetDateTime::UNIX_EPOCH,
        actor: "tester".parse().unwrap(),
    };
    let reason = || "r".parse().unwrap();
    let second = first
        .stock
        .set_price("2".parse().unwrap(), reason(), stamp());
    let skipped = second
        .stock
        .set_price("3".parse().unwrap(), reason(), stamp());
    let stale = contract::keep(&stocks, vec![skipped]).await;
    assert!(matches!(stale, Err(RepositoryError::Inconsistent(_))));

    let rows: (i64, i64) =
        sqlx::query_as("SELECT (SELECT count(*) FROM movements), (SELECT count(*) FROM outbox)")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(rows, (1, 1));
}

#[tokio::test]
async fn a_checkpoint_of_another_history_is_rewound_and_everything_recent_comes_again() {
    let pool = database("contract_history").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    let outbox = PgOutbox::new(pool.clone(), Duration::from_hours(24 * 365 * 100));
    for n in 0..3 {
        let created = contract::new_stock(&format!("STK-{n}"), &format!("P{n}"));
        contract::keep(&stocks, vec![created]).await.unwrap();
    }
    let lease = outbox.acquire("one", MINUTE).await.unwrap().unwrap();
    assert_eq!(
        outbox.ensure_continuity(lease).await.unwrap(),
        Continuity::Intact
    );
    let window = outbox.open_window(lease).await.unwrap().unwrap();
    outbox.close_window(lease, &window).await.unwrap();
    assert_eq!(
        outbox.ensure_continuity(lease).await.unwrap(),
        Continuity::Intact
    );
    assert_eq!(outbox.open_window(lease).await.unwrap(), None);

    for planted in [
        "UPDATE relay_checkpoint SET system_identifier = 1",
        "UPDATE relay_checkpoint SET timeline = 'FFFFFFFF'",
        "UPDATE relay_checkpoint SET window_from = '9000000000:9000000000:'",
    ] {
        sqlx::query(planted).execute(&pool).await.unwrap();

        let continuity = outbox.ensure_continuity(lease).await.unwrap();

        assert!(
            matches!(continuity, Continuity::Rewound { .. }),
            "{planted}"
        );
        let window = outbox.open_window(lease).await.unwrap().unwrap();
        let rows = outbox.read(&window, window.first - 1, 10).await.unwrap();
        assert_eq!(rows.len(), 3, "{planted}");
        outbox.close_window(lease, &window).await.unwrap();
    }
}

#[tokio::test]
async fn a_corrupt_row_is_named_and_not_decided_on() {
    let pool = database("contract_corrupt").await;
    let stocks = PgStockRepository::new(pool.clone(), MINUTE);
    let created = contract::new_stock("STK-1", "P");
    contract::keep(&stocks, vec![created.clone()])
        .await
        .unwrap();
    sqlx::query("UPDATE stocks SET currency = 'dollars'")
        .execute(&pool)
        .await
        .unwrap();

    let found = PgStockQueries::new(pool.clone(), pool)
        .stock(&created.stock.id)
        .await;

    let Err(RepositoryError::Corrupt {
        table, column, id, ..
    }) = found
    else {
        panic!("{found:?}");
    };
    assert_eq!(
        (table, column, id.as_str()),
        ("stocks", "currency", "STK-1")
    );
}

/// A way to the database that can freeze: what was connected stays so, and nothing comes through.
async fn freezing_proxy(to: String) -> (u16, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let frozen = CancellationToken::new();
    let freeze = frozen.clone();
    let serving = async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (to, freeze) = (to.clone(), freeze.clone());
            let connection = async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let both = tokio::io::copy_bidirectional(&mut near, &mut far);
                if freeze.run_until_cancelled(both).await.is_none() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::runtime::Handle::current().spawn(connection);
        }
    };
    tokio::runtime::Handle::current().spawn(serving);
    (port, frozen)
}

#[tokio::test]
async fn a_database_that_vanishes_without_a_word_is_given_up_and_its_connection_not_kept() {
    drop(database("contract_frozen").await);
    let url = std::env::var("DATABASE_URL").unwrap();
    let server = url
        .split('@')
        .nth(1)
        .unwrap()
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    let (port, frozen) = freezing_proxy(server.clone()).await;
    let (url, _) = url.rsplit_once('/').unwrap();
    let url = url.replace(&server, &format!("127.0.0.1:{port}"));
    let url = format!("{url}/contract_frozen");
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .connect(&url)
        .await
        .unwrap();
    let stocks = PgStockRepository::new(pool.clone(), Duration::from_millis(300));
    let first = contract::new_stock("STK-1", "P1");
    contract::keep(&stocks, vec![first]).await.unwrap();

    let second = contract::recorded(contract::new_stock("STK-2", "P2"));
    let decide = Box::new(move |_| {
        frozen.cancel();
        Decided {
            changes: vec![second.clone()],
            ..Decided::default()
        }
    });
    let lost = stocks.commit(Touched::default(), decide).await;

    assert!(
        matches!(lost, Err(RepositoryError::OutcomeUnknown(_))),
        "{lost:?}"
    );
    // The only connection is free for another one.
    assert_eq!(pool.size(), 0);
}

#[tokio::test]
async fn answers_are_kept_for_their_time_and_not_longer() {
    let pool = database("contract_keys").await;
    sqlx::query(
        "INSERT INTO idempotency_keys (principal, key, created_at)
         SELECT 'tester', 'k' || n, now() - n * interval '1 hour' FROM generate_series(1, 48) AS n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let keys = IdempotencyKeys {
        pool: pool.clone(),
        keep: Duration::from_mins(24 * 60 + 30),
    };

    keys.drop_old().await.unwrap();

    let left: (i64, bool) =
        sqlx::query_as("SELECT count(*), bool_or(key = 'k24') FROM idempotency_keys")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(left, (24, true));
}
