//! What a repeated request is answered with.

use domain::stock::Actor;

/// A client's name of a request; each client has names of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdempotencyKey {
    /// The client.
    pub principal: Actor,
    /// Its name of the request.
    pub key: String,
}

/// A hash of everything that makes two requests the same.
pub type Fingerprint = [u8; 32];

/// An answer as it went to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body, byte by byte.
    pub body: Vec<u8>,
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its name.
    pub key: IdempotencyKey,
    /// What it was.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub answer: StoredAnswer,
}
