//! A stock as one partner knows it, and the gate that keeps the partner's picture from going backwards.

use crate::delivery::{ExternalId, Notification, Picture};

/// One stock at one partner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExternalStock {
    /// The partner's name for it; none until the partner was told of it.
    pub external_id: Option<ExternalId>,
    /// The newest picture the partner has acknowledged.
    pub delivered: Option<Picture>,
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
    pub fn gate(&self, notification: &Notification, settled: bool) -> Gate {
        if settled {
            Gate::Duplicate
        } else if self.claimed || self.held {
            Gate::Queue
        } else {
            Gate::Proceed(self.step(notification))
        }
    }

    /// Decides on the event whose turn it is.
    #[must_use]
    pub fn step(&self, notification: &Notification) -> Step {
        let overtaken = self
            .delivered
            .as_ref()
            .is_some_and(|delivered| delivered.version > notification.version());
        if overtaken && notification.effect.is_state() {
            Step::Supersede
        } else if notification.effect == crate::delivery::Effect::Created
            && self.external_id.is_some()
        {
            Step::InEffect
        } else {
            Step::Deliver
        }
    }

    /// The picture to send with the event: its own, or a newer one that the partner has already.
    #[must_use]
    pub fn picture_for<'a>(&'a self, notification: &'a Notification) -> &'a Picture {
        match &self.delivered {
            Some(delivered) if delivered.version > notification.version() => delivered,
            _ => &notification.picture,
        }
    }
}
