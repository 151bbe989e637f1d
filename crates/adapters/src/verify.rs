//! Proves what is stored: in the background while a service runs, or at once from the command line.

use std::time::Duration;

use application::{
    ports::{Cause, Inspection},
    verifier::{Verifier, VerifierSettings},
};
use serde::Deserialize;

use crate::clock::SystemClock;

/// Rows looked at in one statement.
const PAGE: u32 = 1000;
/// Before a page is read again that could not be read.
const BACKOFF: Duration = Duration::from_secs(10);
/// Violations that the command line names.
const SHOWN: usize = 20;

/// How fast the walk in the background goes.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifySettings {
    /// Rows a second; 0: it does not go at all.
    pub rows_per_second: u32,
    /// Between two passes.
    #[serde(with = "humantime_serde")]
    pub pause: Duration,
}

impl VerifySettings {
    /// The walk in the background, if there is to be one.
    #[must_use]
    pub fn verifier(self, inspections: Vec<Box<dyn Inspection>>) -> Option<Verifier> {
        let settings = VerifierSettings {
            page: PAGE,
            rate: Some(self.rows_per_second),
            pause: self.pause,
            backoff: Some(BACKOFF),
        };
        (self.rows_per_second > 0).then(|| verifier(inspections, settings))
    }
}

fn verifier(inspections: Vec<Box<dyn Inspection>>, settings: VerifierSettings) -> Verifier {
    Verifier {
        inspections,
        clock: Box::new(SystemClock),
        settings,
    }
}

/// All is not well, or that is not known.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database could not be asked.
    #[error("the database of database.url cannot be looked at")]
    Database(#[source] Cause),
    /// What breaks an invariant.
    #[error("what is stored cannot be right\n{0}")]
    Violated(String),
}

/// Looks at everything once, as fast as it goes; returns what to print.
///
/// # Errors
/// [`VerifyError`].
pub async fn verify(inspections: Vec<Box<dyn Inspection>>) -> Result<String, VerifyError> {
    let settings = VerifierSettings {
        page: PAGE,
        rate: None,
        pause: Duration::ZERO,
        backoff: None,
    };
    let pass = verifier(inspections, settings).pass().await;
    let pass = pass.map_err(VerifyError::Database)?;
    let counts = pass.counts.iter();
    let counts = counts.map(|(invariant, count)| format!("{invariant}: {count}"));
    let found = pass.violations.iter().take(SHOWN);
    let found = found.map(|found| format!("{}: {}", found.invariant, found.subject));
    let lines = [format!("{} rows were looked at", pass.rows)].into_iter();
    let answer: Vec<String> = lines.chain(counts).chain(found).collect();
    let answer = answer.join("\n");
    if pass.violations.is_empty() {
        Ok(answer)
    } else {
        Err(VerifyError::Violated(answer))
    }
}
