//! The write path of the stock service: commands are decided by the aggregate and committed in groups.

mod command;
mod decide;
mod executor;

pub use command::{
    Command, CommandError, CreateStock, Rejection, Request, RequestContext, Reserve, SetPrice,
    SetQuantity,
};
pub use executor::{ExecutorSettings, Lane, StockCommands, StockCommandsParts};
