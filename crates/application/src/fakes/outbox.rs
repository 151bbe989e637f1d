//! An outbox and a broker in memory.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;

use crate::ports::{
    Backlog, Broker, Continuity, EventPublisher, Lease, OutboundRecord, Outbox, OutboxError,
    OutboxRow, PublishError, Window,
};

/// An outbox whose rows are all committed; its snapshots are row ids.
#[derive(Default)]
pub struct FakeOutbox(Mutex<State>);

#[derive(Default)]
struct State {
    rows: Vec<OutboxRow>,
    epoch: i64,
    published: i64,
    open: Option<Window>,
}

impl FakeOutbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lead(&self, lease: Lease) -> Result<MutexGuard<'_, State>, OutboxError> {
        let state = self.state();
        if state.epoch == lease.epoch {
            Ok(state)
        } else {
            Err(OutboxError::LeaseLost)
        }
    }

    /// Adds a row.
    pub fn push(&self, row: OutboxRow) {
        self.state().rows.push(row);
    }

    /// Takes the lease away, as another instance would.
    pub fn steal_lease(&self) {
        self.state().epoch += 1;
    }
}

#[async_trait]
impl Outbox for FakeOutbox {
    async fn acquire(&self, _holder: &str, _ttl: Duration) -> Result<Option<Lease>, OutboxError> {
        let mut state = self.state();
        state.epoch += 1;
        Ok(Some(Lease { epoch: state.epoch }))
    }

    async fn renew(&self, lease: Lease, _ttl: Duration) -> Result<(), OutboxError> {
        self.lead(lease).map(drop)
    }

    async fn release(&self, lease: Lease) -> Result<(), OutboxError> {
        self.lead(lease).map(drop)
    }

    async fn ensure_continuity(&self, lease: Lease) -> Result<Continuity, OutboxError> {
        self.lead(lease).map(|_| Continuity::Intact)
    }

    async fn open_window(&self, lease: Lease) -> Result<Option<Window>, OutboxError> {
        let mut state = self.lead(lease)?;
        if state.open.is_none() {
            let last = state.rows.last().map_or(0, |row| row.id);
            if last > state.published {
                state.open = Some(Window {
                    from: state.published.to_string(),
                    to: last.to_string(),
                    first: state.published + 1,
                    last,
                    floor: 0,
                });
            }
        }
        Ok(state.open.clone())
    }

    async fn between(&self, from: String, to: String) -> Result<Window, OutboxError> {
        let id = |snapshot: &str| snapshot.parse().unwrap_or(0);
        Ok(Window {
            first: id(&from) + 1,
            last: id(&to),
            from,
            to,
            floor: 0,
        })
    }

    async fn read(
        &self,
        window: &Window,
        after: i64,
        limit: i64,
    ) -> Result<Vec<OutboxRow>, OutboxError> {
        let state = self.state();
        let snapshot = |text: &str| text.parse().unwrap_or(0);
        let (from, to): (i64, i64) = (snapshot(&window.from), snapshot(&window.to));
        let rows = state
            .rows
            .iter()
            .filter(|row| row.id > after.max(from) && row.id <= to.min(window.last));
        Ok(rows
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .cloned()
            .collect())
    }

    async fn close_window(&self, lease: Lease, window: &Window) -> Result<(), OutboxError> {
        let mut state = self.lead(lease)?;
        state.published = window.last;
        state.open = None;
        Ok(())
    }

    async fn snapshot(&self) -> Result<String, OutboxError> {
        let state = self.state();
        Ok(state.rows.last().map_or(0, |row| row.id).to_string())
    }

    async fn backlog(&self) -> Result<Backlog, OutboxError> {
        let state = self.state();
        let waiting = state.rows.iter().filter(|row| row.id > state.published);
        Ok(Backlog {
            events: u64::try_from(waiting.count()).unwrap_or(u64::MAX),
            oldest: Duration::ZERO,
        })
    }
}

/// A broker that remembers what was published, and fails when told to.
#[derive(Default)]
pub struct FakeBroker {
    records: Arc<Mutex<Vec<OutboundRecord>>>,
    fail_after: Arc<AtomicUsize>,
}

impl FakeBroker {
    /// What was published, in order, repeats included; each with one topic.
    #[must_use]
    pub fn records(&self) -> Vec<OutboundRecord> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.clone()
    }

    /// Lets the publication fail once, after `records` more records.
    pub fn fail_once_after(&self, records: usize) {
        self.fail_after.store(records, Ordering::SeqCst);
    }
}

impl Broker for FakeBroker {
    fn connect(&self) -> Result<Arc<dyn EventPublisher>, PublishError> {
        Ok(Arc::new(Self {
            records: Arc::clone(&self.records),
            fail_after: Arc::clone(&self.fail_after),
        }))
    }
}

#[async_trait]
impl EventPublisher for FakeBroker {
    async fn publish(&self, records: Vec<OutboundRecord>) -> Result<(), PublishError> {
        let copies = records.iter().flat_map(|record| {
            record.topics.iter().map(|topic| OutboundRecord {
                topics: vec![topic.clone()],
                ..record.clone()
            })
        });
        for copy in copies {
            if self.fail_after.load(Ordering::SeqCst) > 0
                && self.fail_after.fetch_sub(1, Ordering::SeqCst) == 1
            {
                return Err(PublishError("the broker went away".into()));
            }
            let mut published = self.records.lock().unwrap_or_else(PoisonError::into_inner);
            published.push(copy);
        }
        Ok(())
    }
}
