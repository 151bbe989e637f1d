//! Load on a service: closed (each connection waits for its answer) or open (a rate, whatever the answers do).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::ensure;
use hdrhistogram::Histogram;
use tokio::{
    runtime,
    task::{JoinSet, spawn_blocking},
};

use crate::http::{Call, Connection};

/// What came back.
pub(crate) struct Answers {
    /// From the request, or from when it was due, to the answer, in microseconds.
    latencies: Histogram<u64>,
    /// How many of each status; 0: no answer.
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) began: Instant,
    pub(crate) long: Duration,
}

impl Answers {
    fn new() -> anyhow::Result<Self> {
        Ok(Self {
            latencies: Histogram::new_with_max(60_000_000, 3)?,
            statuses: BTreeMap::new(),
            began: Instant::now(),
            long: Duration::ZERO,
        })
    }

    fn add(&mut self, status: u16, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latencies.saturating_record(micros);
        *self.statuses.entry(status).or_default() += 1;
    }

    fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latencies.add(&other.latencies)?;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        Ok(())
    }

    /// Answers of all kinds.
    pub(crate) fn count(&self) -> u64 {
        self.statuses.values().sum()
    }

    /// Answers that say that it was done.
    pub(crate) fn done(&self) -> u64 {
        self.statuses.range(200..300).map(|(_, count)| count).sum()
    }

    /// Done per second.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn throughput(&self) -> f64 {
        self.done() as f64 / self.long.as_secs_f64()
    }

    /// The share of answers that do not say that it was done; every request here can be.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn failed(&self) -> f64 {
        (self.count() - self.done()) as f64 / self.count().max(1) as f64
    }

    /// So many of a hundred took at most so long, in milliseconds.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        self.latencies.value_at_percentile(percent) as f64 / 1000.0
    }

    /// In milliseconds.
    pub(crate) fn mean(&self) -> f64 {
        self.latencies.mean() / 1000.0
    }

    /// Every answer says that it was done.
    pub(crate) fn all_done(self) -> anyhow::Result<Self> {
        ensure!(self.done() == self.count(), "answers: {:?}", self.statuses);
        Ok(self)
    }
}

/// How many connections, for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closed {
    pub(crate) connections: usize,
    pub(crate) long: Duration,
}

/// Does the clients' work on a thread of their own: shared by the threads of the runtime, it costs the machine that is measured more.
async fn on_a_thread(
    clients: impl Future<Output = anyhow::Result<Answers>> + Send + 'static,
) -> anyhow::Result<Answers> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    spawn_blocking(move || runtime.block_on(clients)).await?
}

/// Each connection sends its next request when the last one is answered. `calls` makes the n-th request of all; it may
/// wait, and none ends the connection's part.
pub(crate) async fn closed<F>(
    addresses: &[SocketAddr],
    load: Closed,
    calls: impl Fn(u64) -> F + Clone + Send + Sync + 'static,
) -> anyhow::Result<Answers>
where
    F: Future<Output = Option<Call>> + Send,
{
    let addresses = addresses.to_vec();
    on_a_thread(async move {
        let mut connections = Vec::new();
        for n in 0..load.connections {
            connections.push(Connection::open(addresses[n % addresses.len()]).await?);
        }
        let next = Arc::new(AtomicU64::new(0));
        let began = Instant::now();
        let end = began + load.long;
        let mut clients = JoinSet::new();
        for mut connection in connections {
            let (calls, next) = (calls.clone(), Arc::clone(&next));
            clients.spawn(async move {
                let mut answers = Answers::new()?;
                while Instant::now() < end {
                    let Some(call) = calls(next.fetch_add(1, Ordering::Relaxed)).await else {
                        break;
                    };
                    let sent = Instant::now();
                    let (status, _) = connection.send(call).await?;
                    answers.add(status, sent.elapsed());
                }
                anyhow::Ok(answers)
            });
        }
        let mut all = Answers::new()?;
        while let Some(answers) = clients.join_next().await {
            all.merge(&answers??)?;
        }
        all.began = began;
        all.long = began.elapsed();
        Ok(all)
    })
    .await
}

/// Requests at a rate: the n-th is due at n / rate, and its time counts from then, however late it is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Open {
    /// Per second.
    pub(crate) rate: f64,
    /// Most requests under way; one that finds none of these free is late.
    pub(crate) connections: usize,
    pub(crate) long: Duration,
}

pub(crate) async fn open(
    address: SocketAddr,
    load: Open,
    calls: impl Fn(u64) -> Call + Clone + Send + Sync + 'static,
) -> anyhow::Result<Answers> {
    on_a_thread(async move {
        let next = Arc::new(AtomicU64::new(0));
        let mut clients = JoinSet::new();
        let mut connections = Vec::new();
        for _ in 0..load.connections {
            connections.push(Connection::open(address).await?);
        }
        let began = tokio::time::Instant::now();
        for mut connection in connections {
            let (calls, next) = (calls.clone(), Arc::clone(&next));
            clients.spawn(async move {
                let mut answers = Answers::new()?;
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                    let due = Duration::from_secs_f64(n as f64 / load.rate);
                    if due >= load.long {
                        return anyhow::Ok(answers);
                    }
                    tokio::time::sleep_until(began + due).await;
                    let status = if let Ok((status, _)) = connection.send(calls(n)).await {
                        status
                    } else {
                        connection = Connection::open(address).await?;
                        0
                    };
                    answers.add(status, (began + due).elapsed());
                }
            });
        }
        let mut all = Answers::new()?;
        while let Some(answers) = clients.join_next().await {
            all.merge(&answers??)?;
        }
        all.began = began.into_std();
        all.long = began.elapsed();
        Ok(all)
    })
    .await
}
