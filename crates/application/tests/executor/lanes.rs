//! Batches beside each other.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use application::{
    fakes::FakeStocks,
    ports::{Decide, Decided, RepositoryError, StockRepository, Touched},
    stock::CommandError,
};
use async_trait::async_trait;
use domain::stock::StockId;
use tokio::sync::Semaphore;

use super::{create, in_lanes, reserve, run, spawn};

/// Panics when it is committed.
const POISON: &str = "STK-99";

/// Lets no commit through that has no permit.
struct Gated {
    stocks: FakeStocks,
    came: Mutex<Vec<Vec<String>>>,
    gate: Semaphore,
}

#[async_trait]
impl StockRepository for Gated {
    async fn commit(&self, touched: Touched, decide: Decide) -> Result<Decided, RepositoryError> {
        let stocks: Vec<_> = touched.stock_ids.iter().map(ToString::to_string).collect();
        self.came.lock().unwrap().push(stocks.clone());
        assert!(!stocks.contains(&POISON.to_owned()), "as planted");
        self.gate.acquire().await.unwrap().forget();
        self.stocks.commit(touched, decide).await
    }

    async fn with_due_holds(&self, limit: u16) -> Result<Vec<StockId>, RepositoryError> {
        self.stocks.with_due_holds(limit).await
    }
}

impl Gated {
    fn closed() -> Arc<Self> {
        Arc::new(Self {
            stocks: FakeStocks::default(),
            came: Mutex::default(),
            gate: Semaphore::new(0),
        })
    }

    /// The stocks of each batch, as soon as so many have come.
    async fn came(&self, batches: usize) -> Vec<Vec<String>> {
        let came = async {
            loop {
                let came = self.came.lock().unwrap().clone();
                if came.len() >= batches {
                    return came;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), came)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn commands_of_other_stocks_need_not_wait_for_the_end_of_a_batch() {
    let repository = Gated::closed();
    let (commands, batches) = in_lanes(Arc::clone(&repository) as _, 1000, 2);
    let _running = run(batches);
    let execute = |request| {
        let commands = commands.clone();
        spawn(async move { commands.execute(request).await })
    };
    let mut answers = vec![execute(create("STK-00", "P"))];
    repository.came(1).await;

    answers.push(execute(reserve("STK-00", 1)));
    let others: Vec<_> = (1..=16).map(|n| format!("STK-{n:02}")).collect();
    answers.extend(others.iter().map(|id| execute(create(id, id))));

    let first = vec!["STK-00".to_owned()];
    assert_eq!(repository.came(2).await, [first.clone(), others.clone()]);
    repository.gate.add_permits(3);
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(repository.came(3).await, [first.clone(), others, first]);
}

#[tokio::test]
async fn a_panic_ends_the_executor_when_the_batch_beside_it_is_answered() {
    let repository = Gated::closed();
    let (commands, batches) = in_lanes(Arc::clone(&repository) as _, 1000, 2);
    let mut running = run(batches);
    let execute = |request| {
        let commands = commands.clone();
        spawn(async move { commands.execute(request).await })
    };
    let beside = execute(create("STK-00", "P"));
    repository.came(1).await;
    let poisoned: Vec<_> = (84..=99)
        .map(|n| format!("STK-{n}"))
        .map(|id| execute(create(&id, &id)))
        .collect();
    repository.came(2).await;
    for answer in poisoned {
        let answer = answer.await.unwrap();
        assert!(matches!(answer, Err(CommandError::ShuttingDown)));
    }

    repository.gate.add_permits(1);
    assert!(beside.await.unwrap().is_ok());
    assert!(running.join_next().await.unwrap().unwrap_err().is_panic());
}
