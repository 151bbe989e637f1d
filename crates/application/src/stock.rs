//! The write path of the stock service: commands are decided by the aggregate and committed in groups.

mod answer;
mod attempt;
mod command;
mod decide;
mod executor;
mod journal;
mod rejection;
mod sweeper;
mod touched;

pub use answer::{Answer, LineOutcome};
pub use command::{
    ChangeStock, Command, CreateStock, EndReservation, Keyed, Request, RequestContext, Reserve,
    ReserveMode, StockChange, VersionMatch,
};
pub use executor::{Batches, Executed, ExecutorSettings, StockCommands, StockCommandsParts};
pub use rejection::{CommandError, Rejection};
pub use sweeper::Sweeper;
