//! The kinds of errors: stable codes, each with a page that says what it means.

/// A kind of error.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Kind {
    /// Its stable code, the end of its `type`.
    pub(in crate::http) code: &'static str,
    /// The HTTP status of answers of this kind.
    pub(in crate::http) status: u16,
    /// What it is, in a few words.
    pub(in crate::http) title: &'static str,
    /// What it means, and what a client should do.
    pub(in crate::http) meaning: &'static str,
}

macro_rules! kinds {
    ($($name:ident = $status:literal $code:literal, $title:literal, $meaning:literal;)+) => {
        $(pub(in crate::http) static $name: Kind = Kind {
            code: $code,
            status: $status,
            title: $title,
            meaning: $meaning,
        };)+

        /// Every kind.
        pub(in crate::http) static ALL: &[&Kind] = &[$(&$name),+];
    };
}

kinds! {
    MALFORMED = 400 "malformed-request", "The request cannot be read",
        "The body is no JSON object, or the request breaks HTTP. Repeating it will not help.";
    BAD_QUERY = 400 "bad-query", "The query cannot be read",
        "A parameter of the query is unknown, stands there twice or has an unusable value; errors names it.";
    BAD_CURSOR = 400 "bad-cursor", "The cursor cannot be used",
        "The cursor is not one that an answer to the same query gave. Begin again without one.";
    BAD_HEADER = 400 "bad-header", "A header cannot be read",
        "A header has an unusable value; errors names it.";
    UNAUTHENTICATED = 401 "unauthenticated", "Authentication required",
        "The request has no credentials, or they are wrong, expired or not meant for this service. The header \
         WWW-Authenticate says which.";
    FORBIDDEN = 403 "forbidden", "Not allowed",
        "The credentials do not have the scope that this route needs; the member scope names it.";
    UNKNOWN_ROUTE = 404 "unknown-route", "Unknown route",
        "There is nothing at this path.";
    UNKNOWN_STOCK = 404 "unknown-stock", "Unknown stock",
        "There is no stock of this id, or, with asOf, there was none yet.";
    UNKNOWN_RESERVATION = 404 "unknown-reservation", "Unknown reservation",
        "There is no reservation of this id.";
    UNKNOWN_PARTNER = 404 "unknown-partner", "Unknown partner",
        "There is no partner of this name, or its subscription is disabled. GET /partners lists them.";
    UNKNOWN_DEAD_LETTER = 404 "unknown-dead-letter", "Unknown dead letter",
        "There is no dead letter of this number.";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed", "Method not allowed",
        "This path does not take this method; the header Allow names those it takes.";
    TIMED_OUT_READING = 408 "request-timeout", "The request was too slow",
        "The body did not arrive in time.";
    DUPLICATE_PRODUCT = 409 "duplicate-product", "The product has a stock already",
        "Every product has one stock. Find it with GET /stocks?productId=.";
    DUPLICATE_STOCK = 409 "duplicate-stock", "The stock's id is taken",
        "Another stock has the id that the request chose.";
    DUPLICATE_ORDER = 409 "duplicate-order", "The order has reservations already",
        "A clientOrderId is unique per client. Find its reservations with GET /reservations?clientOrderId=.";
    INSUFFICIENT_STOCK = 409 "insufficient-stock", "Not enough units",
        "Fewer units are available than were requested: available says how many, requested how many were asked for, and \
         soonestExpiry, where there is one, when the next hold runs out. Nothing was changed.";
    LINES_REFUSED = 409 "lines-refused", "Some lines cannot be held",
        "With mode all, one line that cannot be held keeps the others from being held; with mode partial none can be. \
         lines has a result for each. Nothing was changed.";
    BELOW_RESERVED = 409 "below-reserved", "Units are reserved",
        "The new quantity would not cover the units that reservations hold; reserved says how many.";
    DISCONTINUED = 409 "discontinued", "The stock is discontinued",
        "It was taken out of sale: no further reservation is possible.";
    RESERVATION_STATE = 409 "reservation-state", "The reservation has ended",
        "A hold ends once. state says how this one did: CONFIRMED, RELEASED or EXPIRED.";
    CONFIRMS_MORE = 409 "confirms-more", "More units than are held",
        "More units were to be confirmed than the reservation holds; held says how many.";
    FOREIGN_RESERVATION = 409 "foreign-reservation", "The reservation is of another stock",
        "The reservation does not belong to this stock.";
    TOO_MANY_UNITS = 409 "too-many-units", "Too many units",
        "A stock has at most 1000000000000000 units.";
    DEAD_LETTER_STATE = 409 "dead-letter-state", "The dead letter was handled",
        "Only an open dead letter can be replayed or discarded. state says where this one stands: REPLAYING, REPLAYED or \
         DISCARDED.";
    UNREADABLE_EVENT = 409 "unreadable-event", "The event cannot be read",
        "The dead letter, or what an edit made of it, is no event that can be read; cause says why. Edit it, or discard it.";
    NO_PRESENT_STATE = 409 "no-present-state", "There is no present state to tell",
        "The partner is told every event, each once and with its own state, so it cannot be resynchronized.";
    KEY_IN_USE = 409 "idempotency-key-in-use", "The request is under way",
        "A request of the same Idempotency-Key is still being carried out. Repeat this one after Retry-After.";
    GONE = 410 "stream-position-gone", "The position in the stream is gone",
        "Events as old as Last-Event-ID are not kept any more. Read the stocks, then follow the stream from now on.";
    PRECONDITION_FAILED = 412 "precondition-failed", "The stock is not as expected",
        "If-Match or expectedQuantity does not fit: currentVersion and current say what the stock is now. Nothing was \
         changed.";
    TOO_LARGE = 413 "body-too-large", "Body too large",
        "The request's body is larger than this route takes.";
    UNSUPPORTED_MEDIA_TYPE = 415 "unsupported-media-type", "Unsupported media type",
        "The route does not take this Content-Type.";
    VALIDATION_FAILED = 422 "validation-failed", "Values cannot be used",
        "Some members of the body have unusable values; errors names each with a JSON pointer and a code. Nothing was \
         changed.";
    ANOTHER_EVENT = 422 "another-event", "The edit makes another event",
        "A replay keeps the event: its id, its stock and its version must stay as they are.";
    KEY_REUSED = 422 "idempotency-key-reused", "The idempotency key was used",
        "Another request had the same Idempotency-Key. Use a new key for a new request.";
    PRECONDITION_REQUIRED = 428 "precondition-required", "A precondition is required",
        "This service is configured to take changes only with If-Match (or expectedQuantity).";
    TOO_MANY_REQUESTS = 429 "too-many-requests", "Too many requests",
        "The client sends more requests than it may. Retry-After says when the next one is welcome.";
    HEADERS_TOO_LARGE = 431 "headers-too-large", "Headers too large",
        "The request's headers are larger than the service takes.";
    INTERNAL = 500 "internal-error", "Internal error",
        "Something is wrong on our side; it was logged under the request's id.";
    UNAVAILABLE = 503 "unavailable", "Not available now",
        "Nothing was changed. Repeat the request after Retry-After.";
    OVERLOADED = 503 "overloaded", "Too much to do",
        "More requests are under way than the service takes. It was not looked at; repeat it after Retry-After.";
    OUTCOME_UNKNOWN = 503 "outcome-unknown", "Outcome unknown",
        "The connection to the store was lost around the commit, or the request took too long: the command may or may \
         not have been carried out. With an Idempotency-Key, repeat it: it is carried out once. Without one, read the stock first.";
}
