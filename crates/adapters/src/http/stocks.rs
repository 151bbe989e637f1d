//! Routes of stocks: one handler per file.

pub(super) mod adjust;
pub(super) mod batch;
pub(super) mod create;
pub(super) mod discontinue;
pub(super) mod get;
pub(super) mod import;
pub(super) mod list;
pub(super) mod low_stock;
pub(super) mod movements;
pub(super) mod operation;
pub(super) mod patch;
pub(super) mod price;
pub(super) mod quantity;
pub(super) mod reservations;
pub(super) mod reserve;
pub(super) mod stats;

use application::stock::{ChangeStock, Command, StockChange, VersionMatch};
use domain::stock::StockId;

use crate::http::{Problem, api::StockDefaults, problem::kind};

/// In front of all routes of the API.
pub(super) const BASE: &str = "/api/v1/virtual-stock";

/// The stock that a path names; a name that no stock can have is as unknown as any other.
pub(super) fn stock_id(text: &str) -> Result<StockId, Problem> {
    text.parse().map_err(|_| Problem::unknown_stock(text))
}

/// A change of one stock.
fn change(stock_id: StockId, if_match: Option<VersionMatch>, change: StockChange) -> Command {
    Command::Change(ChangeStock {
        stock_id,
        if_match,
        change,
    })
}

/// Refuses a change without a condition where the service is configured so.
fn require_condition(defaults: &StockDefaults, has_condition: bool) -> Result<(), Problem> {
    if has_condition || !defaults.require_precondition {
        return Ok(());
    }
    Err(Problem::new(
        &kind::PRECONDITION_REQUIRED,
        kind::PRECONDITION_REQUIRED.meaning,
    ))
}
