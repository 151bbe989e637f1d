//! Looks at what a service needs around it, and says what is not as it has to be.

mod database;
mod kafka;

use std::fmt::{Display, Formatter, Result};

use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

pub(crate) use database::examine_database;
pub(crate) use kafka::examine_kafka;

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it has to be.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// The service cannot work so, or not for long.
    Failed,
}

/// What a look at one thing gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// How it is.
    pub state: State,
    /// In words.
    pub detail: String,
}

impl Finding {
    /// It is so.
    pub fn new(subject: impl Into<String>, state: State, detail: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            state,
            detail: detail.into(),
        }
    }
}

/// Everything that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Diagnosis(pub(crate) Vec<Finding>);

impl Diagnosis {
    /// What the service cannot work with.
    pub(crate) fn failures(&self) -> usize {
        let failed = |finding: &&Finding| finding.state == State::Failed;
        self.0.iter().filter(failed).count()
    }
}

impl Display for Diagnosis {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> Result {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED);
        table.set_header(["what", "state", "finding"]);
        for finding in &self.0 {
            let state = match finding.state {
                State::Ok => "ok",
                State::Warning => "warning",
                State::Failed => "FAILED",
            };
            table.add_row([&finding.subject, state, &finding.detail]);
        }
        write!(formatter, "{table}")
    }
}
