//! The database: there, up to date, of one time with us, nobody in the way.

use std::{collections::BTreeSet, time::Duration};

use application::{Causes, ports::Cause};
use sqlx::{Connection, PgConnection, PgPool, migrate::Migrator};

use crate::{
    doctor::{Finding, State},
    postgres::{
        ClockAndTransactions, DatabaseSettings, Plans, clock_and_transactions, fit_server, pool,
    },
    telemetry::in_time,
};

/// Clocks that differ by more make times of events and holds wrong.
const SKEW: f64 = 1.0;
/// A transaction that is open for longer keeps rows and partitions that nobody needs.
const LONG: Duration = Duration::from_mins(10);

/// Looks at the database of these settings.
pub(crate) async fn examine_database(
    settings: &DatabaseSettings,
    program: &str,
    schema: &Migrator,
) -> Vec<Finding> {
    let pool = match pool(&settings.for_watching(), program, Plans::Lists) {
        Ok(pool) => pool,
        Err(error) => return vec![failed("database", &error)],
    };
    // Not by the pool, which would only say that it waited.
    let options = pool.connect_options();
    let version = async {
        let mut connection = PgConnection::connect_with(&options).await?;
        let version = sqlx::query_scalar::<_, String>("SHOW server_version");
        let version = version.fetch_one(&mut connection).await?;
        let fit = fit_server(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>((version, fit))
    };
    let (version, fit) = match in_time(version).await {
        Ok(seen) => seen,
        Err(error) => return vec![failed("database", error.as_ref())],
    };
    let server = match fit {
        Ok(()) => Finding::new("database", State::Ok, format!("PostgreSQL {version}")),
        Err(unfit) => failed("database", &unfit),
    };
    let mut findings = vec![server];
    findings.push(tables(&pool, program, schema).await);
    findings.extend(times(&pool).await);
    findings
}

fn failed(subject: &str, error: &(dyn std::error::Error + 'static)) -> Finding {
    Finding::new(subject, State::Failed, Causes(error).to_string())
}

async fn tables(pool: &PgPool, program: &str, schema: &Migrator) -> Finding {
    let subject = "tables";
    let applied = in_time(
        sqlx::query_scalar::<_, i64>("SELECT version FROM _sqlx_migrations WHERE success")
            .fetch_all(pool),
    );
    let applied: BTreeSet<i64> = match applied.await {
        Ok(applied) => applied.into_iter().collect(),
        Err(error) if is_missing_table(&error) => BTreeSet::new(),
        Err(error) => return failed(subject, error.as_ref()),
    };
    let known: BTreeSet<i64> = schema.iter().map(|step| step.version).collect();
    let missing = known.difference(&applied).count();
    let newer = applied.difference(&known).count();
    if missing > 0 {
        let detail = format!("{missing} migrations are missing: run `{program} migrate`");
        return Finding::new(subject, State::Failed, detail);
    }
    if newer > 0 {
        let detail = format!("{newer} migrations are of a newer {program} than this one");
        return Finding::new(subject, State::Warning, detail);
    }
    let detail = format!("{} migrations are applied", known.len());
    Finding::new(subject, State::Ok, detail)
}

/// `undefined_table`: nothing was ever applied.
fn is_missing_table(error: &Cause) -> bool {
    let error = error.downcast_ref::<sqlx::Error>();
    let code = error.and_then(|error| error.as_database_error()?.code());
    code.as_deref() == Some("42P01")
}

async fn times(pool: &PgPool) -> Vec<Finding> {
    let ClockAndTransactions {
        ahead,
        oldest,
        sees_others,
    } = match in_time(clock_and_transactions(pool)).await {
        Ok(seen) => seen,
        Err(error) => return vec![failed("database's clock", error.as_ref())],
    };
    let state = if ahead.abs() > SKEW {
        State::Failed
    } else {
        State::Ok
    };
    let clock = Finding::new(
        "database's clock",
        state,
        format!("{:.1} ms ahead of this machine's", ahead * 1000.0),
    );
    let state = if oldest > LONG.as_secs_f64() || !sees_others {
        State::Warning
    } else {
        State::Ok
    };
    let mut detail = format!("the oldest one is open for {oldest:.0} s");
    if !sees_others {
        detail += "; those of other users are not seen: GRANT pg_read_all_stats to this one";
    }
    vec![clock, Finding::new("transactions", state, detail)]
}
