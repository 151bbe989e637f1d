//! A thread that does not go on, in a process that does.

use std::{fs, sync::mpsc::channel, thread};

use anyhow::Context;
use nix::{
    sys::{
        ptrace::{self, Options},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::Pid,
};

/// Goes on when this is dropped.
pub(super) struct Frozen {
    thaw: Option<std::sync::mpsc::Sender<()>>,
    holder: Option<thread::JoinHandle<()>>,
}

impl Frozen {
    /// Stops the thread of this name in a child of ours. It is held by a thread of its own: who stops one has to let it go.
    pub(super) fn thread(process: u32, name: &str) -> anyhow::Result<Self> {
        let pid = tid(process, name)?;
        let (thaw, thawed) = channel::<()>();
        let (stopped, outcome) = channel();
        let holder = thread::spawn(move || {
            let stop = || {
                ptrace::seize(pid, Options::empty())?;
                ptrace::interrupt(pid)?;
                waitpid(pid, Some(WaitPidFlag::__WALL)).map(drop)
            };
            let held = stop();
            let failed = held.is_err();
            stopped.send(held).ok();
            if failed {
                return;
            }
            // Until the sender is dropped.
            thawed.recv().ok();
            if let Err(error) = ptrace::detach(pid, None) {
                println!("a thread cannot be let go: {error}");
            }
        });
        outcome.recv()?.context("a thread cannot be stopped")?;
        Ok(Self {
            thaw: Some(thaw),
            holder: Some(holder),
        })
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        drop(self.thaw.take());
        if let Some(holder) = self.holder.take() {
            holder.join().ok();
        }
    }
}

fn tid(process: u32, name: &str) -> anyhow::Result<Pid> {
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let task = task?;
        let comm = fs::read_to_string(task.path().join("comm"))?;
        if comm.trim() == name {
            let number = task.file_name();
            let number = number.to_str().context("a thread without a number")?;
            return Ok(Pid::from_raw(number.parse()?));
        }
    }
    anyhow::bail!("process {process} has no thread {name}")
}
