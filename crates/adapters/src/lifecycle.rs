//! The life of a service: supervised tasks, signals, an orderly end.

use std::{error::Error, process::ExitCode, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Any error, with its causes.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Why the service ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// Signals cannot be received.
    #[error("signals cannot be received")]
    Signals(#[source] std::io::Error),
    /// A task failed, or ended before it was asked to.
    #[error("{task} failed")]
    Task {
        /// Which.
        task: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// Not everything ended in time.
    #[error("not everything ended within {0:?}")]
    Drain(Duration),
    /// A second signal came.
    #[error("stopped at once, by a second signal")]
    Aborted,
}

/// Tasks that are stopped together.
pub struct Tasks {
    /// Tells the tasks to end.
    pub stop: CancellationToken,
    running: JoinSet<(&'static str, Result<(), BoxError>)>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            running: JoinSet::new(),
        }
    }
}

impl Tasks {
    /// Runs a task. It has to end when [`Tasks::stop`] is cancelled, and not before.
    pub fn spawn<E: Into<BoxError> + Send>(
        &mut self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.running
            .spawn(async move { (name, task.await.map_err(Into::into)) });
    }

    /// Runs a task that cannot fail.
    pub fn run(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn(name, async move {
            task.await;
            Ok::<(), BoxError>(())
        });
    }

    /// Waits for the next task to end; none is left: for ever.
    async fn next_end(&mut self) -> Result<&'static str, LifecycleError> {
        match self.running.join_next().await {
            Some(Ok((name, Ok(())))) => Ok(name),
            Some(Ok((task, Err(source)))) => Err(LifecycleError::Task { task, source }),
            Some(Err(panicked)) => Err(LifecycleError::Task {
                task: "a task",
                source: panicked.into(),
            }),
            None => std::future::pending().await,
        }
    }

    /// Waits for a task to end, which none may.
    async fn unasked_end(&mut self) -> LifecycleError {
        match self.next_end().await {
            Ok(task) => LifecycleError::Task {
                task,
                source: "it ended before it was asked to".into(),
            },
            Err(error) => error,
        }
    }

    async fn end(&mut self) -> Result<(), LifecycleError> {
        self.stop.cancel();
        while !self.running.is_empty() {
            self.next_end().await?;
        }
        Ok(())
    }
}

/// Runs until SIGTERM or SIGINT, or until a task ends unasked. Then stops `front`, and when that has ended, or half of
/// `drain` is over, `back`; after `drain`, or at a second signal, it ends at once.
///
/// # Errors
/// [`LifecycleError`]: the process should exit with a code other than 0.
pub async fn run(mut front: Tasks, mut back: Tasks, drain: Duration) -> Result<(), LifecycleError> {
    let mut signals = Signals::listen()?;
    let end = tokio::select! {
        () = signals.next() => Ok(()),
        error = front.unasked_end() => Err(error),
        error = back.unasked_end() => Err(error),
    };
    tracing::info!(code = "SHUTDOWN", "stopping");
    let in_order = async {
        // A client that never finishes its request must not keep the rest from ending in order.
        let front = tokio::time::timeout(drain / 2, front.end()).await;
        let front = front.unwrap_or_else(|_| {
            tracing::warn!(
                code = "SHUTDOWN_CUT_SHORT",
                "requests that did not end in half of the drain time are not waited for any longer"
            );
            Ok(())
        });
        front.and(back.end().await)
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(drain, in_order) => ended.unwrap_or(Err(LifecycleError::Drain(drain))),
        () = signals.next() => Err(LifecycleError::Aborted),
    };
    tracing::info!(code = "STOPPED", "stopped");
    end.and(ended)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, LifecycleError> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(LifecycleError::Signals)?,
            interrupt: signal(SignalKind::interrupt()).map_err(LifecycleError::Signals)?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Longest time for threads of libraries after everything of ours has ended: a Kafka client can hang while the brokers
/// are away.
const LIBRARIES: Duration = Duration::from_secs(2);

/// Runs a program on a runtime; an error is printed with its causes.
pub fn main(program: impl Future<Output = Result<(), BoxError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    let ended = runtime.block_on(program);
    runtime.shutdown_timeout(LIBRARIES);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(error.as_ref()),
    }
}

#[expect(clippy::print_stderr, reason = "this is the command line's answer")]
fn failed(error: &(dyn Error + 'static)) -> ExitCode {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("  because: {cause}");
        source = cause.source();
    }
    ExitCode::FAILURE
}
