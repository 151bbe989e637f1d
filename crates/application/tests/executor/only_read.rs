//! What a decision says of itself: whether its changes show all that it rests on.

use std::sync::{Arc, Mutex};

use application::{
    fakes::FakeStocks,
    ports::{Decide, Decided, IdempotencyKey, RepositoryError, StockRepository, Touched},
    stock::{ChangeStock, Command, Keyed, Request, Reserve, ReserveMode, StockChange},
};
use async_trait::async_trait;
use domain::stock::{NewDetails, Quantity, StockId};

use super::{create, in_lanes, request, reserve, run};

/// Notes what was said of each batch.
#[derive(Default)]
struct Noting {
    stocks: FakeStocks,
    only_read: Mutex<Vec<bool>>,
}

#[async_trait]
impl StockRepository for Noting {
    async fn commit(&self, touched: Touched, decide: Decide) -> Result<Decided, RepositoryError> {
        let decided = self.stocks.commit(touched, decide).await?;
        self.only_read.lock().unwrap().push(decided.only_read);
        Ok(decided)
    }

    async fn with_due_holds(&self, limit: u16) -> Result<Vec<StockId>, RepositoryError> {
        self.stocks.with_due_holds(limit).await
    }
}

fn partial(lines: [(&str, u64); 2]) -> Request {
    request(Command::Reserve(Reserve {
        lines: lines
            .map(|(id, units)| (id.parse().unwrap(), units.try_into().unwrap()))
            .to_vec(),
        mode: ReserveMode::Partial,
        ttl: std::time::Duration::from_mins(15),
        order: None,
        reason: None,
    }))
}

fn change(id: &str, change: StockChange) -> Request {
    request(Command::Change(ChangeStock {
        stock_id: id.parse().unwrap(),
        if_match: None,
        change,
    }))
}

fn symbol(id: &str, symbol: &str) -> Request {
    change(
        id,
        StockChange::Describe(NewDetails {
            symbol: Some(symbol.parse().unwrap()),
            product_name: None,
            low_stock_threshold: None,
        }),
    )
}

/// Counted anew, where it is thought that there were so many.
fn counted(id: &str, expected: u64) -> Request {
    let quantity = |units: u64| Quantity::try_from(units).unwrap();
    change(
        id,
        StockChange::SetQuantity {
            quantity: quantity(100),
            expected: Some(quantity(expected)),
            reason: "counted".parse().unwrap(),
            reference: None,
        },
    )
}

fn batch<const N: usize>(requests: [Request; N]) -> Request {
    request(Command::Batch(
        requests.map(|request| request.command).to_vec(),
    ))
}

fn keyed(request: Request, fingerprint: u8) -> Request {
    Request {
        keyed: Some(Keyed {
            key: IdempotencyKey {
                principal: "tester".parse().unwrap(),
                key: "k".to_owned(),
            },
            fingerprint: [fingerprint; 32],
        }),
        ..request
    }
}

#[tokio::test]
async fn refusals_repeats_and_what_has_nothing_to_do_rest_on_what_was_read() {
    let repository = Arc::new(Noting::default());
    let (commands, batches) = in_lanes(Arc::clone(&repository) as _, 1000, 1);
    let _running = run(batches);
    for (request, only_read) in [
        (create("STK-1", "P1"), false),
        (create("STK-2", "P2"), false),
        (reserve("STK-1", 60), false),
        (partial([("STK-1", 1), ("STK-2", 1)]), false),
        (batch([reserve("STK-1", 1), reserve("STK-2", 1)]), false),
        (keyed(reserve("STK-2", 1), 1), false),
        (symbol("STK-2", "S"), false),
        (counted("STK-2", 100), false),
        // Refused, wholly or in part.
        (create("STK-3", "P1"), true),
        (reserve("STK-1", 60), true),
        (reserve("STK-9", 1), true),
        (counted("STK-2", 99), true),
        (partial([("STK-1", 60), ("STK-2", 1)]), true),
        (batch([reserve("STK-1", 60), reserve("STK-2", 1)]), true),
        // There is nothing to do; done before; never to be done.
        (symbol("STK-2", "S"), true),
        (keyed(reserve("STK-2", 1), 1), true),
        (keyed(reserve("STK-2", 2), 2), true),
    ] {
        let asked = format!("{request:?}");
        drop(commands.execute(request).await);
        let said = repository.only_read.lock().unwrap().pop();
        assert_eq!(said, Some(only_read), "{asked}");
    }
}
