//! Events as they are committed, for clients that follow them live.
//!
//! The feed reads the outbox by windows between two snapshots, like the relay, so that no event is missed however late
//! its transaction commits. It keeps no checkpoint: whoever follows it names the snapshot up to which it has seen
//! everything.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
    ports::{Outbox, OutboxError, OutboxRow, Window},
};

/// Rows read at once.
const PAGE: i64 = 500;
/// Pages that a slow follower may lag behind; so many are kept in memory.
const LAG: usize = 32;
/// Longest time for a look at the outbox.
const PATIENCE: Duration = Duration::from_secs(10);

/// The events between two positions, or a part of them.
#[derive(Debug, Clone)]
pub struct FeedWindow {
    /// Everything up to here has been seen after it; none if this is a part of a larger window.
    pub to: Option<String>,
    /// The events; per stock in the order of their versions.
    pub rows: Vec<OutboxRow>,
    /// With it a follower has caught up with what it had missed.
    pub catches_up: bool,
}

/// Events as they are committed.
#[derive(Clone)]
pub struct Feed {
    outbox: Arc<dyn Outbox>,
    /// Parts of windows; none: more has happened than can be kept.
    windows: broadcast::Sender<Option<Arc<FeedWindow>>>,
    /// Everything up to here was sent to those who followed then.
    position: Arc<Mutex<Option<String>>>,
}

impl FeedWindow {
    fn part(to: Option<String>, rows: Vec<OutboxRow>) -> Self {
        Self {
            to,
            rows,
            catches_up: false,
        }
    }
}

/// What a follower gets next.
#[derive(Debug)]
pub enum Followed {
    /// Events.
    Window(Arc<FeedWindow>),
    /// The follower was too slow, or the feed has ended: it has to begin again from where it is.
    Ended,
}

/// Somebody who follows the feed.
pub struct Follower {
    feed: Feed,
    missed: Option<Window>,
    after: i64,
    windows: broadcast::Receiver<Option<Arc<FeedWindow>>>,
}

impl Feed {
    /// A feed of this outbox.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>) -> Self {
        Self {
            outbox,
            windows: broadcast::channel(LAG).0,
            position: Arc::default(),
        }
    }

    /// Looks for events every `period`, until `stop`.
    pub async fn run(self, period: Duration, stop: CancellationToken) {
        let work = async {
            loop {
                match tokio::time::timeout(PATIENCE, self.advance()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::warn!(code = "FEED_UNREADABLE", error = %Causes(&error), "the live feed could not be read");
                    }
                    Err(_) => tracing::warn!(
                        code = "FEED_UNREADABLE",
                        "the live feed could not be read in time"
                    ),
                }
                tokio::time::sleep(period).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Sends the next window.
    async fn advance(&self) -> Result<(), OutboxError> {
        let to = self.outbox.snapshot().await?;
        let (from, followed) = {
            let position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
            (position.clone(), self.windows.receiver_count() > 0)
        };
        let pages = match from {
            Some(from) if from == to => return Ok(()),
            Some(from) if followed => self.pages(from, to.clone()).await?,
            _ => Some(Vec::new()),
        };
        // Followers begin under this lock: each sees either the old position and this window, or the new position.
        let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        if !followed && self.windows.receiver_count() > 0 {
            // Somebody came while nobody was looked for: the next window is for them.
            return Ok(());
        }
        *position = Some(to.clone());
        let Some(mut pages) = pages else {
            self.send(None);
            return Ok(());
        };
        let last = pages.pop();
        for rows in pages {
            self.send(Some(FeedWindow::part(None, rows)));
        }
        if let Some(rows) = last {
            self.send(Some(FeedWindow::part(Some(to), rows)));
        }
        Ok(())
    }

    /// The events of the window, page by page; `None` if they are more than a follower may lag behind.
    async fn pages(
        &self,
        from: String,
        to: String,
    ) -> Result<Option<Vec<Vec<OutboxRow>>>, OutboxError> {
        let window = self.outbox.between(from, to).await?;
        let mut pages = Vec::new();
        let mut after = window.first - 1;
        while after < window.last {
            let page = self.outbox.read(&window, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            if pages.len() == LAG {
                return Ok(None);
            }
            after = last.id;
            pages.push(page);
        }
        Ok(Some(pages))
    }

    /// Sends a part of a window, or that too much has happened.
    fn send(&self, window: Option<FeedWindow>) {
        // They may have gone.
        drop(self.windows.send(window.map(Arc::new)));
    }

    fn begin(&self) -> Option<(broadcast::Receiver<Option<Arc<FeedWindow>>>, String)> {
        let position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
        position
            .as_ref()
            .map(|position| (self.windows.subscribe(), position.clone()))
    }

    /// Follows the feed from the position `from` on, or from now on; returns the position where it begins, too.
    ///
    /// # Errors
    /// [`OutboxError`] if the present position is not known.
    pub async fn follow(&self, from: Option<String>) -> Result<(Follower, String), OutboxError> {
        let (windows, position) = loop {
            if let Some(begun) = self.begin() {
                break begun;
            }
            // The feed has not looked yet.
            let now = self.outbox.snapshot().await?;
            let mut position = self.position.lock().unwrap_or_else(PoisonError::into_inner);
            position.get_or_insert(now);
        };
        let begin = from.clone().unwrap_or_else(|| position.clone());
        let missed = match from {
            Some(from) => Some(self.outbox.between(from, position).await?),
            None => None,
        };
        let follower = Follower {
            feed: self.clone(),
            after: missed.as_ref().map_or(0, |missed| missed.first - 1),
            missed,
            windows,
        };
        Ok((follower, begin))
    }
}

impl Follower {
    /// The next events; waits for them.
    ///
    /// # Errors
    /// [`OutboxError`] if missed events cannot be read.
    pub async fn next(&mut self) -> Result<Followed, OutboxError> {
        if let Some(missed) = &self.missed {
            let limit = usize::try_from(PAGE).unwrap_or(usize::MAX);
            let rows = self.feed.outbox.read(missed, self.after, PAGE).await?;
            let whole = rows.len() < limit;
            let last = rows.last().map(|row| row.id);
            let to = whole.then(|| missed.to.clone());
            let window = FeedWindow {
                catches_up: whole,
                to,
                rows,
            };
            self.after = last.unwrap_or(self.after);
            if whole {
                self.missed = None;
            }
            return Ok(Followed::Window(Arc::new(window)));
        }
        Ok(match self.windows.recv().await {
            Ok(Some(window)) => Followed::Window(window),
            Ok(None) | Err(_) => Followed::Ended,
        })
    }
}
