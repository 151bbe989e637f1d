//! Scripted faults.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::elapsed_ms;

/// What goes wrong, with which calls, when, how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fault {
    /// Only calls for this stock of ours.
    pub stock_id: Option<String>,
    /// Only calls for stocks of ours whose names begin so.
    pub stock_prefix: Option<String>,
    /// Only calls of this endpoint, for example `stock-reserved`, or of this path.
    pub endpoint: Option<String>,
    /// So often; none: until healed.
    pub times: Option<u32>,
    /// Only from so long after the fault was scripted, in milliseconds.
    pub after_ms: u64,
    /// And only for so long, in milliseconds; none: until healed.
    pub for_ms: Option<u64>,
    /// Wait so long before anything else, in milliseconds.
    pub latency_ms: u64,
    /// Answer with this status instead of doing anything.
    pub status: Option<u16>,
    /// Ask to be left alone for so long, in seconds.
    pub retry_after: Option<u64>,
    /// Never answer.
    pub hang: bool,
    /// Reset the connection instead of answering.
    pub reset: bool,
    /// Do what was asked and then fail all the same: the caller cannot know.
    pub after_effect: bool,
}

/// A fault, and since when.
pub(crate) struct Injected {
    fault: Fault,
    since: Instant,
}

impl From<Fault> for Injected {
    fn from(fault: Fault) -> Self {
        Self {
            fault,
            since: Instant::now(),
        }
    }
}

impl Injected {
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The fault if it strikes this call; one that has struck as often as it may is used up.
    pub(crate) fn strikes(&mut self, endpoint: &str, stock_id: &str) -> Option<Fault> {
        let fault = &mut self.fault;
        let age = elapsed_ms(self.since);
        let prefix = fault.stock_prefix.as_deref();
        let meant = fault.stock_id.as_deref().is_none_or(|id| id == stock_id)
            && prefix.is_none_or(|prefix| stock_id.starts_with(prefix))
            && fault
                .endpoint
                .as_deref()
                .is_none_or(|name| name == endpoint)
            && age >= fault.after_ms
            && fault.for_ms.is_none_or(|long| age < fault.after_ms + long)
            && fault.times != Some(0);
        if meant && let Some(times) = &mut fault.times {
            *times -= 1;
        }
        meant.then(|| fault.clone())
    }
}
