//! How far it is: a bar on a terminal, a line per tenth elsewhere.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    total: u64,
    done: std::sync::atomic::AtomicU64,
}

impl Progress {
    pub(crate) fn new(what: &'static str, total: u64) -> Self {
        let bar = std::io::stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{msg:28} {bar:40} {pos}/{len} {per_sec}");
            let bar = ProgressBar::new(total).with_message(what);
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            what,
            total,
            done: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// So many more are done.
    pub(crate) fn add(&self, more: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(more);
            return;
        }
        let before = self
            .done
            .fetch_add(more, std::sync::atomic::Ordering::Relaxed);
        let tenth = |done: u64| done * 10 / self.total.max(1);
        if tenth(before + more) > tenth(before) {
            println!("{}: {} of {}", self.what, before + more, self.total);
        }
    }

    /// So many are done.
    pub(crate) fn set(&self, done: u64) {
        let before = match &self.bar {
            Some(bar) => bar.position(),
            None => self.done.load(std::sync::atomic::Ordering::Relaxed),
        };
        self.add(done.saturating_sub(before));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }
}
