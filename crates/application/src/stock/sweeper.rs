//! Ends the holds whose time is over and that no sale has ended first.

use std::{sync::Arc, time::Duration};

use domain::stock::{Actor, StockId};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    Causes,
    ports::{IdSource, RepositoryError, StockRepository},
    stock::{Answer, Command, Executed, Request, RequestContext, StockCommands},
};

/// Stocks whose holds are ended at once.
const STOCKS: u16 = 500;

/// Looks for due holds again and again. Every instance may run one: a hold ends once, whoever finds it.
pub struct Sweeper {
    /// Ends them.
    pub commands: StockCommands,
    /// Finds them.
    pub repository: Arc<dyn StockRepository>,
    /// Names for what it does.
    pub ids: Arc<dyn IdSource>,
    /// Who it is.
    pub actor: Actor,
    /// Between two looks.
    pub period: Duration,
}

impl Sweeper {
    /// Sweeps until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                match self.sweep().await {
                    // There may be more of them.
                    Ok(stocks) if stocks > 0 => {}
                    Ok(_) => tokio::time::sleep(self.period).await,
                    Err(error) => {
                        tracing::warn!(code = "EXPIRY_FAILED", error = %Causes(&error), "due holds could not be looked for");
                        tokio::time::sleep(self.period).await;
                    }
                }
            }
        };
        stop.run_until_cancelled(work).await;
    }

    /// Ends due holds of some stocks; returns of how many.
    async fn sweep(&self) -> Result<usize, RepositoryError> {
        let stocks = self.repository.with_due_holds(STOCKS).await?;
        let mut expiries = JoinSet::new();
        for stock_id in stocks {
            let commands = self.commands.clone();
            let request = self.request(stock_id.clone());
            expiries.spawn(async move {
                match commands.execute(request).await {
                    Ok(Executed::Answer(Answer::Expired(holds))) => usize::from(holds > 0),
                    Ok(_) => 0,
                    Err(error) => {
                        tracing::warn!(
                            code = "EXPIRY_FAILED",
                            "stockId" = %stock_id,
                            error = %Causes(&error),
                            "the due holds of a stock were not ended"
                        );
                        0
                    }
                }
            });
        }
        Ok(expiries.join_all().await.into_iter().sum())
    }

    fn request(&self, stock_id: StockId) -> Request {
        let id = self.ids.next().simple().to_string();
        let name: Arc<str> = id.as_str().into();
        Request {
            command: Command::ExpireDue(stock_id),
            context: RequestContext {
                actor: self.actor.clone(),
                traceparent: format!("00-{id}-{}-00", &id[16..]).into(),
                request_id: Arc::clone(&name),
                correlation_id: name,
            },
            keyed: None,
        }
    }
}
