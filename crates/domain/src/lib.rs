//! The rules of the system, free of I/O: what a stock may become, and what a partner must be told.
//!
//! Two bounded contexts live here and never meet in code: [`stock`] belongs to the virtual-stock service,
//! [`delivery`] to the anti-corruption layer. They meet only in the events on the wire.
#![warn(clippy::arithmetic_side_effects)]

pub mod delivery;
pub mod stock;
mod value;

pub use value::InvalidValue;
