//! How answers go to clients.

use crate::{
    ports::StoredAnswer,
    stock::{Answer, Rejection, RequestContext},
};

/// Writes a decided answer as the client gets it. MUST write the same bytes for the same input, for it is asked again
/// by whoever answers the first request.
pub trait AnswerFormat: Send + Sync {
    /// The answer of a request.
    fn format(&self, answer: Result<&Answer, &Rejection>, context: &RequestContext)
    -> StoredAnswer;
}
