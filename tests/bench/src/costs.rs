//! What a command costs: processor time by program, bytes in the database's log and on disk.

use std::fs;

use sqlx::PgPool;

use crate::figure::Figure;

/// Programs, by the names of their processes: this one is the client, and where there is one the partner.
const PROGRAMS: [(&str, &str); 5] = [
    ("the benchmark itself", "bench"),
    ("virtual-stock", "virtual-stock"),
    ("acl", "acl"),
    ("PostgreSQL", "postgres"),
    ("Kafka", "java"),
];
/// What is written.
const BYTES: [&str; 3] = [
    "write-ahead log",
    "movements and reservations on disk",
    "outbox on disk",
];
/// Microseconds of a tick of `/proc` (`USER_HZ` is 100 on Linux).
const TICK: f64 = 10_000.0;

/// What was spent up to a moment: microseconds of each program, bytes of each kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    micros: [f64; PROGRAMS.len()],
    bytes: [f64; BYTES.len()],
}

impl Spent {
    /// Up to now, on this machine and in this database.
    pub(crate) async fn now(database: &PgPool) -> anyhow::Result<Self> {
        let (log, ledger, outbox): (f64, f64, f64) = sqlx::query_as(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8,
                 (pg_total_relation_size('movements') + pg_total_relation_size('reservations'))::float8,
                 (SELECT COALESCE(sum(pg_total_relation_size(inhrelid)), 0) FROM pg_inherits
                  WHERE inhparent = 'outbox'::regclass)::float8",
        )
        .fetch_one(database)
        .await?;
        Ok(Self {
            micros: processes()?,
            bytes: [log, ledger, outbox],
        })
    }
}

/// Processor time of all processes of each program, in microseconds.
fn processes() -> anyhow::Result<[f64; PROGRAMS.len()]> {
    let mut micros = [0.0; PROGRAMS.len()];
    for entry in fs::read_dir("/proc")? {
        // Processes come and go meanwhile.
        let Ok(stat) = fs::read_to_string(entry?.path().join("stat")) else {
            continue;
        };
        let Some((program, ticks)) = read(&stat) else {
            continue;
        };
        if let Some(place) = PROGRAMS.iter().position(|(_, name)| *name == program) {
            micros[place] += ticks * TICK;
        }
    }
    Ok(micros)
}

/// A process's name, and its ticks in user and system mode (proc(5)).
fn read(stat: &str) -> Option<(&str, f64)> {
    let (before, after) = stat.rsplit_once(')')?;
    let (_, name) = before.split_once('(')?;
    let mut fields = after.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((name, user + system))
}

/// What commands cost, one value a round.
#[derive(Default)]
pub(crate) struct Costs {
    micros: [Vec<f64>; PROGRAMS.len()],
    bytes: [Vec<f64>; BYTES.len()],
}

impl Costs {
    /// A round of so many commands.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn add(&mut self, before: Spent, after: Spent, commands: u64) {
        let each = |before: f64, after: f64| (after - before) / commands.max(1) as f64;
        for (place, rounds) in self.micros.iter_mut().enumerate() {
            rounds.push(each(before.micros[place], after.micros[place]));
        }
        for (place, rounds) in self.bytes.iter_mut().enumerate() {
            rounds.push(each(before.bytes[place], after.bytes[place]));
        }
    }

    /// As lines of the table; a program that did nothing has none.
    pub(crate) fn figures(self, what: &str) -> Vec<Figure> {
        let micros = PROGRAMS.iter().zip(self.micros);
        let micros = micros
            .filter(|(_, rounds)| rounds.iter().any(|spent| *spent > 0.0))
            .map(|((program, _), rounds)| {
                Figure::shown(
                    format!("{what} costs {program}, processor time"),
                    "µs",
                    rounds,
                )
            });
        let bytes = BYTES.iter().zip(self.bytes);
        let bytes = bytes
            .map(|(kind, rounds)| Figure::shown(format!("{what} costs: {kind}"), "bytes", rounds));
        micros.chain(bytes).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0";

        assert_eq!(read(stat), Some(("a) b (c)", 150.0)));
    }

    #[test]
    fn a_round_costs_what_was_spent_in_it() {
        let spent = |micros, bytes| Spent {
            micros: [micros; PROGRAMS.len()],
            bytes: [bytes; BYTES.len()],
        };
        let mut costs = Costs::default();

        costs.add(spent(100.0, 5.0), spent(300.0, 25.0), 10);

        let figures = costs.figures("a command");
        assert_eq!(figures.len(), PROGRAMS.len() + BYTES.len());
        assert_eq!(figures[0].ours, [20.0]);
        assert_eq!(figures[PROGRAMS.len()].ours, [2.0]);
    }
}
