//! Schemas of names.

use domain::stock::{Operation, ReservationState, Status};
use utoipa::openapi::{
    RefOr,
    schema::{ObjectBuilder, Schema, Type},
};

/// One of these names.
pub(crate) fn one_of<const N: usize>(names: [&'static str; N]) -> RefOr<Schema> {
    let names = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(names));
    names.into()
}

pub(crate) fn operations() -> RefOr<Schema> {
    one_of(Operation::ALL.map(Operation::as_str))
}

pub(crate) fn statuses() -> RefOr<Schema> {
    one_of(Status::ALL.map(Status::as_str))
}

pub(crate) fn reservation_states() -> RefOr<Schema> {
    one_of(ReservationState::ALL.map(ReservationState::as_str))
}
