//! Scripted faults.

use serde::{Deserialize, Serialize};

/// What goes wrong, with which calls, how often.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Fault {
    /// Only calls for this stock of ours.
    pub stock_id: Option<String>,
    /// Only calls of this endpoint, for example `stock-reserved`.
    pub endpoint: Option<String>,
    /// So often; none: until healed.
    pub times: Option<u32>,
    /// Wait so long before anything else, in milliseconds.
    pub latency_ms: u64,
    /// Answer with this status instead of doing anything.
    pub status: Option<u16>,
    /// Ask to be left alone for so long, in seconds.
    pub retry_after: Option<u64>,
    /// Do what was asked and then answer with the status all the same: the caller cannot know.
    pub after_effect: bool,
}

impl Fault {
    /// Whether the fault strikes this call; one that has struck as often as it may is used up.
    pub(crate) fn strikes(&mut self, endpoint: &str, stock_id: &str) -> bool {
        let meant = self
            .stock_id
            .as_deref()
            .is_none_or(|wanted| wanted == stock_id)
            && self
                .endpoint
                .as_deref()
                .is_none_or(|wanted| wanted == endpoint)
            && self.times != Some(0);
        if meant && let Some(times) = &mut self.times {
            *times -= 1;
        }
        meant
    }
}
