//! Proves what is stored: in the background while a service runs, or at once from the command line.

use std::{fmt::Write, time::Duration};

use application::{
    ports::Inspection,
    verifier::{Verifier, VerifierSettings},
};
use serde::Deserialize;

use crate::{clock::SystemClock, lifecycle::BoxError};

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
        (self.rows_per_second > 0)
            .then(|| verifier(inspections, Some(self.rows_per_second), self.pause))
    }
}

fn verifier(inspections: Vec<Box<dyn Inspection>>, rate: Option<u32>, pause: Duration) -> Verifier {
    Verifier {
        inspections,
        clock: Box::new(SystemClock),
        settings: VerifierSettings {
            page: PAGE,
            rate,
            pause,
            backoff: BACKOFF,
        },
    }
}

/// Looks at everything once, as fast as it goes; returns what to print.
///
/// # Errors
/// The database's, or what breaks an invariant.
pub async fn verify(inspections: Vec<Box<dyn Inspection>>) -> Result<String, BoxError> {
    let pass = verifier(inspections, None, Duration::ZERO)
        .pass(None)
        .await?;
    let mut answer = format!("{} rows were looked at", pass.rows);
    for (invariant, count) in &pass.counts {
        write!(answer, "\n{invariant}: {count}")?;
    }
    if pass.violations.is_empty() {
        return Ok(answer);
    }
    for violation in pass.violations.iter().take(SHOWN) {
        write!(answer, "\n{}: {}", violation.invariant, violation.subject)?;
    }
    Err(format!("what is stored cannot be right\n{answer}").into())
}
