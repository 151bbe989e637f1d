//! Group commit in natural batches: while one batch is being committed, the commands that arrive wait; then all of
//! them form the next one. Where many wait whose stocks nobody is changing, they need not wait for its end. No timer is involved,
//! so a lone command is never delayed.
//!
//! Why: a row lock is held until the log is flushed, so one hot stock would commit a few hundred times a second however
//! many clients push. One transaction for all that wait makes the flush the cost of a batch, not of a command.

mod line;

use std::{collections::HashMap, panic::resume_unwind, sync::Arc, time::Instant};

use domain::stock::{Actor, RoutingTable};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::{JoinError, JoinSet},
};

use crate::{
    metric,
    ports::{
        AnswerFormat, Decide, Decided, Decision, EventEncoder, IdSource, IdempotencyKey,
        RepositoryError, StockRepository, StoredAnswer,
    },
    stock::{Answer, Command, CommandError, Request, decide::decide, journal, touched::touched},
    trace::{Span, SpanKind},
};
use line::{Line, Ticket};

/// How often a single command is tried again that collided with another transaction.
const ATTEMPTS: usize = 5;

/// Sizes of the executor.
#[derive(Debug, Clone, Copy)]
pub struct ExecutorSettings {
    /// Batches that are under way at once at most, never two with the same stock.
    pub lanes: usize,
    /// Most commands of a batch.
    pub max_batch: usize,
    /// Most commands that wait for a place in the next batch; beyond that they are refused at once.
    pub queue: usize,
}

/// What the executor works with.
pub struct StockCommandsParts {
    /// Where stocks are kept.
    pub repository: Arc<dyn StockRepository>,
    /// The published language.
    pub encoder: Arc<dyn EventEncoder>,
    /// Which streams events go to.
    pub routing: RoutingTable,
    /// Answers as they are kept for repeated requests.
    pub answers: Arc<dyn AnswerFormat>,
    /// New ids.
    pub ids: Arc<dyn IdSource>,
    /// Who ends holds whose time is over.
    pub own_actor: Actor,
    /// Told after every commit, so that the relay need not wait for its poll.
    pub committed: Arc<Notify>,
}

/// What became of a request.
#[derive(Debug, Clone)]
pub enum Executed {
    /// It was carried out.
    Answer(Answer),
    /// It was carried out before; this was its answer.
    Replayed(StoredAnswer),
}

struct Waiting {
    request: Arc<Request>,
    answer: oneshot::Sender<Decision>,
}

/// Takes commands; answers with what each of them made.
#[derive(Clone)]
pub struct StockCommands {
    queue: mpsc::Sender<Waiting>,
}

/// The sequence of batches. Runs in a task of its own, so that a client that goes away cancels no transaction; ends,
/// with nothing left undone, when the last [`StockCommands`] is dropped.
pub struct Batches {
    queue: mpsc::Receiver<Waiting>,
    lanes: usize,
    max_batch: usize,
    parts: Arc<StockCommandsParts>,
}

impl StockCommands {
    /// The executor and its batches, which have to be run.
    #[must_use]
    pub fn new(parts: StockCommandsParts, settings: ExecutorSettings) -> (Self, Batches) {
        let (sender, queue) = mpsc::channel(settings.queue.max(1));
        let batches = Batches {
            queue,
            lanes: settings.lanes.max(1),
            max_batch: settings.max_batch.max(1),
            parts: Arc::new(parts),
        };
        (Self { queue: sender }, batches)
    }

    /// Carries the command out.
    ///
    /// # Errors
    /// See [`CommandError`]; only [`CommandError::OutcomeUnknown`] leaves open whether something was changed.
    pub async fn execute(&self, request: Request) -> Result<Executed, CommandError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            request: Arc::new(request),
            answer,
        };
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CommandError::ShuttingDown,
        })?;
        answered.await.unwrap_or(Err(CommandError::ShuttingDown))
    }
}

impl Batches {
    /// Commits batch after batch.
    pub async fn run(mut self) {
        let mut line = Line::new(self.lanes, self.max_batch);
        let mut under_way = JoinSet::new();
        let mut arrived = Vec::new();
        let mut open = true;
        loop {
            while let Some((ticket, batch)) = line.next() {
                let parts = Arc::clone(&self.parts);
                under_way.spawn(async move {
                    let mut committed: Option<Committed> = None;
                    for slice in slices(batch) {
                        if let Some(before) = committed.take() {
                            before.tell();
                        }
                        committed = Arc::clone(&parts).execute(slice).await;
                    }
                    Step::Ended(ticket, committed)
                });
            }
            let room = line.room();
            tokio::select! {
                taken = self.queue.recv_many(&mut arrived, room), if open && room > 0 => {
                    open = taken > 0;
                    for waiting in arrived.drain(..) {
                        line.join(waiting);
                    }
                }
                Some(ended) = under_way.join_next() => match ended.map_err(JoinError::try_into_panic) {
                    Ok(Step::Ended(ticket, committed)) => {
                        line.ended(ticket);
                        // The next batch need not wait until all have their answers.
                        if let Some(committed) = committed {
                            under_way.spawn(async move {
                                committed.tell();
                                Step::Told
                            });
                        }
                    }
                    Ok(Step::Told) => {}
                    Err(Ok(panic)) => {
                        // What is beside it has clients that want to know what became of it.
                        while let Some(beside) = under_way.join_next().await {
                            if let Ok(Step::Ended(_, Some(committed))) = beside {
                                committed.tell();
                            }
                        }
                        resume_unwind(panic)
                    }
                    // The runtime ends.
                    Err(Err(_)) => return,
                },
                else => return,
            }
        }
    }
}

/// What has been done.
enum Step {
    /// A batch has ended; this of it is to be told.
    Ended(Ticket, Option<Committed>),
    /// What a batch has made is told.
    Told,
}

/// A batch that is committed, and whose clients do not know yet.
struct Committed {
    requests: Arc<[Arc<Request>]>,
    decided: Decided,
    batch: Vec<Waiting>,
}

impl Committed {
    fn tell(self) {
        journal::write(&self.requests, &self.decided);
        for (waiting, decision) in self.batch.into_iter().zip(self.decided.decisions) {
            waiting.answer(decision);
        }
    }
}

impl StockCommandsParts {
    /// Carries the batch out; what is to be told, where not all have been answered.
    async fn execute(self: Arc<Self>, batch: Vec<Waiting>) -> Option<Committed> {
        let requests: Arc<[_]> = batch.iter().map(|w| Arc::clone(&w.request)).collect();
        let committed = match self.commit(Arc::clone(&requests)).await {
            Ok(decided) => Some(Committed {
                requests,
                decided,
                batch,
            }),
            // One command caused it: run one by one, the bad one takes no other down.
            Err(
                RepositoryError::Conflict
                | RepositoryError::Contention(_)
                | RepositoryError::KeyInUse(_)
                | RepositoryError::Corrupt { .. }
                | RepositoryError::Inconsistent(_),
            ) => {
                self.execute_one_by_one(batch).await;
                None
            }
            Err(error) => {
                let error = CommandError::from(error);
                for waiting in batch {
                    waiting.answer(Err(error.clone()));
                }
                None
            }
        };
        self.committed.notify_one();
        committed
    }

    async fn execute_one_by_one(self: &Arc<Self>, batch: Vec<Waiting>) {
        let mut down = None;
        let mut in_use: HashMap<IdempotencyKey, CommandError> = HashMap::new();
        for waiting in batch {
            let key = waiting.request.keyed.as_ref().map(|keyed| &keyed.key);
            let answer = match (&down, key.and_then(|key| in_use.get(key))) {
                // Each of them would wait in vain.
                (Some(error), _) | (None, Some(error)) => Err(CommandError::clone(error)),
                (None, None) => self.commit_alone(&waiting.request).await,
            };
            match &answer {
                Err(CommandError::Unavailable(cause) | CommandError::OutcomeUnknown(cause)) => {
                    // What only got in the way of others says nothing of the store.
                    let gone = matches!(
                        **cause,
                        RepositoryError::Unavailable(_) | RepositoryError::OutcomeUnknown(_)
                    );
                    let nothing_done = CommandError::Unavailable(Arc::clone(cause));
                    down = down.or_else(|| gone.then_some(nothing_done));
                }
                Err(error @ CommandError::KeyInUse(_)) => {
                    in_use.extend(key.map(|key| (key.clone(), error.clone())));
                }
                _ => {}
            }
            waiting.answer(answer);
        }
    }

    async fn commit(
        self: &Arc<Self>,
        requests: Arc<[Arc<Request>]>,
    ) -> Result<Decided, RepositoryError> {
        let touched = touched(&requests);
        let parts = Arc::clone(self);
        let to_decide = Arc::clone(&requests);
        let decide: Decide = Box::new(move |loaded| decide(&parts, &to_decide, loaded));
        let began = Instant::now();
        let traced = Traced::begin(&requests);
        let decided = match self.repository.commit(touched, decide).await {
            Ok(decided) => decided,
            Err(error) => {
                traced.fail(&error);
                return Err(error);
            }
        };
        drop(traced);
        metrics::histogram!(metric::virtual_stock::BATCH_DURATION.name).record(began.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch is far below 2^52")]
        metrics::histogram!(metric::virtual_stock::BATCH_COMMANDS.name)
            .record(decided.decisions.len() as f64);
        Ok(decided)
    }

    async fn commit_alone(self: &Arc<Self>, request: &Arc<Request>) -> Decision {
        let mut attempt = 1;
        let alone: Arc<[_]> = [Arc::clone(request)].into();
        loop {
            match self.commit(Arc::clone(&alone)).await {
                Ok(decided) => {
                    journal::write(&alone, &decided);
                    let decision = decided.decisions.into_iter().next();
                    return decision.unwrap_or(Err(CommandError::ShuttingDown));
                }
                // A value's first owner has committed by now: the next attempt sees it and refuses by the rule.
                Err(RepositoryError::Conflict | RepositoryError::Contention(_))
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A batch in the traces of its requests: each sees its commit, and the commit points to the batch that it was part of.
struct Traced {
    batch: Span,
    commits: Vec<Span>,
}

impl Traced {
    fn begin(requests: &[Arc<Request>]) -> Self {
        let parents = || requests.iter().map(|request| &*request.context.traceparent);
        let mut batch = Span::for_all("commit batch", parents());
        let mut commits = Vec::new();
        if batch.is_recorded() {
            let size = i64::try_from(requests.len()).unwrap_or(i64::MAX);
            batch.set("batch.commands", size);
            for parent in parents() {
                let mut commit = Span::within(Some(parent), SpanKind::Internal, || "commit".into());
                commit.link(&batch);
                commits.push(commit);
            }
        }
        Self { batch, commits }
    }

    fn fail(mut self, error: &RepositoryError) {
        let kind = match error {
            RepositoryError::OutcomeUnknown(_) => "outcome unknown",
            _ => "not committed",
        };
        for span in self.commits.iter_mut().chain([&mut self.batch]) {
            span.fail(kind);
        }
    }
}

impl Waiting {
    fn answer(self, answer: Decision) {
        // A client that has gone away needs no answer.
        drop(self.answer.send(answer));
    }
}

/// Most operations in one transaction: far fewer than can be carried out in its time.
const MAX_WEIGHT: usize = 2000;

/// Slices that are not too much for one transaction; a command is never cut.
fn slices(waiting: Vec<Waiting>) -> Vec<Vec<Waiting>> {
    let weight = |waiting: &Waiting| match &waiting.request.command {
        Command::Batch(commands) => commands.len(),
        Command::Reserve(reserve) => reserve.lines.len(),
        _ => 1,
    };
    let mut slices: Vec<Vec<Waiting>> = vec![Vec::new()];
    let mut sum = 0;
    for waiting in waiting {
        sum += weight(&waiting);
        if sum > MAX_WEIGHT && slices.last().is_some_and(|slice| !slice.is_empty()) {
            sum = weight(&waiting);
            slices.push(Vec::new());
        }
        if let Some(slice) = slices.last_mut() {
            slice.push(waiting);
        }
    }
    slices
}
