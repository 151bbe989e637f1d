//! The operators' REST API of acl: what was delivered, what is held or dead, how partners stand, and what can be done.

mod dead_letters;
mod deliveries;
mod discard;
mod held;
mod member;
mod openapi;
mod partners;
mod propagation;
mod replay;
mod router;
mod views;

use std::sync::Arc;

use application::{
    Causes,
    ports::{LetterState, NotHandled, Operations, Operator, StoreError},
};
use domain::stock::Reason;

use crate::http::{
    Problem,
    caller::{Caller, Right},
    problem::kind,
};
pub use openapi::acl_openapi_document;
pub use router::{AclGuards, acl_router};

/// A partner, as the settings describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartnerFacts {
    /// The subscription.
    pub name: String,
    /// The consumer group.
    pub group: String,
    /// The topics that it reads.
    pub topics: Vec<String>,
    /// It is told every event and not the newest state, so that there is no present state to be told again.
    pub every_event: bool,
    /// It is told of every change, and not only of some.
    pub wants_all: bool,
}

/// What the handlers work with.
#[derive(Clone)]
pub struct AclApi {
    /// What operators see and do.
    pub operations: Arc<dyn Operations>,
    /// The partners that are told, in the order of their names.
    pub partners: Arc<[PartnerFacts]>,
}

impl AclApi {
    fn names(&self) -> Vec<String> {
        let names = self.partners.iter().map(|partner| partner.name.clone());
        names.collect()
    }

    fn partner(&self, name: &str) -> Result<&PartnerFacts, Problem> {
        let found = self.partners.iter().find(|partner| partner.name == name);
        found.ok_or_else(|| {
            let detail = format!("There is no partner {name}.");
            Problem::new(&kind::UNKNOWN_PARTNER, detail)
        })
    }
}

/// Who acts, and why.
fn operator<R: Right>(caller: &Caller<R>, reason: Option<Reason>) -> Operator {
    Operator {
        actor: caller.context.actor.to_string(),
        reason: reason.map(|reason| reason.to_string()),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::warn!(code = "DELIVERY_STORE_FAILED", error = %Causes(&error), "the delivery store could not be asked");
        match error {
            StoreError::Unavailable(_) => {
                Self::unavailable("The delivery store is not available now.")
            }
            StoreError::Corrupt { .. } => Self::new(&kind::INTERNAL, kind::INTERNAL.meaning),
        }
    }
}

/// Why a dead letter was not handled.
fn not_handled(id: i64, why: &NotHandled) -> Problem {
    match why {
        NotHandled::Unknown => {
            let detail = format!("There is no dead letter {id}.");
            Problem::new(&kind::UNKNOWN_DEAD_LETTER, detail)
        }
        NotHandled::State(state) => {
            let detail = format!("Dead letter {id} is {}.", state.as_str());
            Problem::new(&kind::DEAD_LETTER_STATE, detail).with("state", state.as_str())
        }
        NotHandled::Unreadable(cause) => {
            let detail = format!("Dead letter {id} cannot be read: {cause}.");
            Problem::new(&kind::UNREADABLE_EVENT, detail).with("cause", cause.as_str())
        }
        NotHandled::Disabled => {
            let detail = format!("The partner of dead letter {id} is disabled in the settings.");
            Problem::new(&kind::DEAD_LETTER_STATE, detail).with("state", LetterState::Open.as_str())
        }
        NotHandled::Another(what) => {
            let detail = format!("A replay keeps the event: {what} must stay as it is.");
            Problem::new(&kind::ANOTHER_EVENT, detail)
        }
    }
}
