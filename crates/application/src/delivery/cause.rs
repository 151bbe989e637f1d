//! Why events die, without what differs from one to the next.

/// The cause of a reason, for grouping: without the partner's words, and without the number of attempts.
///
/// ```
/// use application::delivery::cause;
///
/// assert_eq!(cause("status 422: no such symbol"), "status 422");
/// assert_eq!(cause("gave up after 9 attempts: status 500: oops"), "gave up: status 500");
/// assert_eq!(cause("header ce_id is missing or not UTF-8"), "header ce_id is missing or not UTF-8");
/// ```
#[must_use]
pub fn cause(reason: &str) -> String {
    let head = |text: &str| text.split(':').next().unwrap_or_default().trim().to_owned();
    match reason.split_once(" attempts: ") {
        Some((start, rest)) if start.starts_with("gave up after ") => {
            format!("gave up: {}", head(rest))
        }
        _ => head(reason),
    }
}
