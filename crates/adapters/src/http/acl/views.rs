//! Answers to operators.

mod delivery;
mod letter;
mod partner;

pub(super) use delivery::DeliveryView;
pub(super) use letter::{GroupView, LetterDetailView, LetterView, ReplayView, SkippedView};
pub(super) use partner::{HeldView, PartnerView, PropagationView, ResyncView};
