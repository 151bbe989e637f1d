//! Routes of reservations: one handler per file.

pub(super) mod confirm;
pub(super) mod create;
pub(super) mod extend;
pub(super) mod get;
pub(super) mod list;
pub(super) mod release;

use domain::stock::ReservationId;

use crate::http::Problem;

/// The reservation that a path names; a name that none can have is as unknown as any other.
fn reservation_id(text: &str) -> Result<ReservationId, Problem> {
    text.parse().map_err(|_| Problem::unknown_reservation(text))
}
