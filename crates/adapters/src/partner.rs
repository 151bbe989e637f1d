//! Partners' APIs.

mod classification;
mod trading;

pub use classification::{Answer, Failure, classify};
pub use trading::{PartnerSettings, TradingPartner, TradingPartnerError};
