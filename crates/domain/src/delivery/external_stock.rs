//! A stock as one partner knows it, and the gate that keeps the partner's picture from going backwards.

use std::sync::Arc;

use crate::delivery::{Effect, ExternalId, Filter, Notification, Picture};

/// What a partner is told when it has fallen behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ordering {
    /// The newest state: an older one is skipped, and an effect is told with the newest state known.
    #[default]
    LatestState,
    /// Every event, in order, each with its own state. The source has to be one topic that is in order per stock.
    EveryEvent,
}

/// What a subscription wants.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Which events.
    pub filter: Filter,
    /// How those are told that come late.
    pub ordering: Ordering,
    /// The partner has names of its own for stocks: one that it does not know is created there first.
    pub creates: bool,
}

/// One stock at one partner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalStock {
    /// The partner's name for it; none until the partner was told of it.
    pub external_id: Option<ExternalId>,
    /// The newest picture that the partner may have been told; kept before the call, so that after a crash no older one
    /// is sent.
    pub told: Option<Arc<Picture>>,
    /// The version of the newest picture that the partner has acknowledged; 0 for none.
    pub acknowledged: u64,
    /// Somebody is delivering an event of this stock now.
    pub claimed: bool,
    /// Events of this stock are waiting: a failed one to be tried again, and those behind it.
    pub held: bool,
}

/// What is to be done with an event that has just arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It has its outcome already.
    Duplicate,
    /// The subscription does not want it.
    Filter,
    /// It has to wait for the events before it.
    Queue,
    /// It is its turn.
    Proceed(Step),
}

/// What is to be done with an event whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The partner knows something newer and need not be told.
    Supersede,
    /// The partner was told already, with a later event that needed it: the creation of a stock.
    InEffect,
    /// Call the partner.
    Deliver,
}

impl ExternalStock {
    /// Decides on an event that arrives. `settled`: it has its outcome already.
    #[must_use]
    pub fn gate(&self, notification: &Notification, settled: bool, rules: &Rules) -> Gate {
        if settled {
            Gate::Duplicate
        } else if !rules.filter.passes(notification) {
            Gate::Filter
        } else if self.claimed || self.held {
            Gate::Queue
        } else {
            Gate::Proceed(self.step(notification, rules))
        }
    }

    /// Decides on the event whose turn it is.
    #[must_use]
    pub fn step(&self, notification: &Notification, rules: &Rules) -> Step {
        if rules.ordering == Ordering::EveryEvent {
            return Step::Deliver;
        }
        let overtaken = self.acknowledged > notification.version();
        if overtaken && notification.effect.is_state() {
            Step::Supersede
        } else if rules.creates
            && notification.effect == Effect::Created
            && self.external_id.is_some()
        {
            Step::InEffect
        } else {
            Step::Deliver
        }
    }

    /// The picture to send with the event: the newest one known, or its own where every event is told.
    #[must_use]
    pub fn picture_for<'a>(
        &'a self,
        notification: &'a Notification,
        ordering: Ordering,
    ) -> &'a Arc<Picture> {
        match &self.told {
            Some(told)
                if ordering == Ordering::LatestState && told.version > notification.version() =>
            {
                told
            }
            _ => &notification.picture,
        }
    }

    /// The event is about to be told: from now on no older picture is.
    pub fn tell(&mut self, notification: &Notification) {
        let newest = self.picture_for(notification, Ordering::LatestState);
        self.told = Some(Arc::clone(newest));
    }

    /// The partner has acknowledged a picture of this version.
    pub fn acknowledge(&mut self, version: u64) {
        self.acknowledged = self.acknowledged.max(version);
    }
}
