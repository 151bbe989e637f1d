//! The group-commit executor, on a repository in memory.
#![expect(clippy::unwrap_used, reason = "a panic is a failed test")]

mod lanes;
mod only_read;

use std::{sync::Arc, time::Duration};

use application::{
    fakes::{FakeAnswers, FakeEncoder, FakeIds, FakeStocks, contract},
    ports::{IdempotencyKey, RepositoryError, StockQueries, StockRepository},
    stock::{
        Answer, Batches, Command, CommandError, CreateStock, Executed, ExecutorSettings, Keyed,
        Rejection, Request, RequestContext, Reserve, ReserveMode, StockCommands,
        StockCommandsParts,
    },
};
use domain::stock::{Condition, Quantity, RoutingTable, Rule, StockId, Stream};
use time::OffsetDateTime;
use tokio::{sync::Notify, task::JoinSet};

fn commands(repository: &Arc<FakeStocks>, queue: usize) -> (StockCommands, Batches) {
    in_lanes(Arc::clone(repository) as _, queue, 1)
}

fn in_lanes(
    repository: Arc<dyn StockRepository>,
    queue: usize,
    lanes: usize,
) -> (StockCommands, Batches) {
    let audit = Rule {
        name: "all".to_owned(),
        when: Condition::default(),
        stream: Stream::Audit,
        copy: false,
    };
    let parts = StockCommandsParts {
        repository,
        encoder: Arc::new(FakeEncoder),
        routing: RoutingTable::new(vec![audit]).unwrap(),
        answers: Arc::new(FakeAnswers),
        ids: Arc::new(FakeIds::default()),
        own_actor: "virtual-stock".parse().unwrap(),
        committed: Arc::new(Notify::new()),
    };
    let settings = ExecutorSettings {
        lanes,
        max_batch: 64,
        queue,
    };
    StockCommands::new(parts, settings)
}

fn run(batches: Batches) -> JoinSet<()> {
    let mut running = JoinSet::new();
    running.spawn(batches.run());
    running
}

fn spawn<T: Send + 'static>(
    call: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::runtime::Handle::current().spawn(call)
}

fn request(command: Command) -> Request {
    Request {
        command,
        context: RequestContext {
            actor: "tester".parse().unwrap(),
            request_id: "r-1".into(),
            correlation_id: "c-1".into(),
            traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00".into(),
        },
        keyed: None,
    }
}

fn create(id: &str, product: &str) -> Request {
    request(Command::Create(CreateStock {
        stock_id: Some(id.parse().unwrap()),
        product_id: product.parse().unwrap(),
        symbol: None,
        product_name: None,
        quantity: Quantity::try_from(100_u64).unwrap(),
        price: "10".parse().unwrap(),
        currency: "USD".parse().unwrap(),
        low_stock_threshold: Quantity::ZERO,
    }))
}

fn reserve(id: &str, units: u64) -> Request {
    request(Command::ReserveOne(Reserve {
        lines: vec![(id.parse().unwrap(), units.try_into().unwrap())],
        mode: ReserveMode::All,
        ttl: Duration::from_mins(15),
        order: None,
        reason: None,
    }))
}

async fn all<T: Send + 'static>(
    calls: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut running = JoinSet::new();
    for call in calls {
        running.spawn(call);
    }
    running.join_all().await
}

#[tokio::test]
async fn the_fake_keeps_the_contract_of_its_port() {
    let (first, second) = (FakeStocks::default(), FakeStocks::default());
    for fake in [&first, &second] {
        // Some holds of the suites are due, others are not for long.
        fake.set_now(OffsetDateTime::UNIX_EPOCH + Duration::from_hours(1));
    }
    contract::stock_repository(&first, &first).await;
    contract::stock_queries(&second, &second).await;
}

#[tokio::test]
async fn of_200_concurrent_reservations_of_1_on_100_units_exactly_100_are_accepted_in_few_batches()
{
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    commands.execute(create("STK-1", "P")).await.unwrap();

    let answers = all((0..200).map(|_| {
        let commands = commands.clone();
        async move { commands.execute(reserve("STK-1", 1)).await }
    }))
    .await;

    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.iter().filter(|answer| {
        matches!(
            answer,
            Err(CommandError::Rejected(Rejection::Insufficient { .. }))
        )
    });
    assert_eq!((accepted, refused.count()), (100, 100));
    let versions: Vec<u64> = repository.outbox().iter().map(|m| m.version).collect();
    assert_eq!(versions, (1..=101).collect::<Vec<_>>());
    assert!(
        repository.batches().len() < 50,
        "{:?}",
        repository.batches()
    );
}

#[tokio::test]
async fn a_command_that_cannot_be_committed_takes_no_other_down() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    repository.fail_with(vec![RepositoryError::Conflict]);

    let answers = all((0..3).map(|n| {
        let commands = commands.clone();
        async move {
            commands
                .execute(create(&format!("STK-{n}"), "SAME"))
                .await
                .map(drop)
        }
    }))
    .await;

    let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
    let duplicates = answers.iter().filter(|answer| {
        matches!(
            answer,
            Err(CommandError::Rejected(Rejection::DuplicateProduct(_)))
        )
    });
    assert_eq!((accepted, duplicates.count()), (1, 2));
}

#[tokio::test]
async fn a_lost_connection_around_the_commit_is_an_unknown_outcome_for_the_whole_batch() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    let lost = || RepositoryError::OutcomeUnknown("connection reset".into());
    repository.fail_with(vec![lost()]);

    let answer = commands.execute(create("STK-1", "P")).await;

    assert!(matches!(answer, Err(CommandError::OutcomeUnknown(_))));
    assert!(commands.execute(create("STK-1", "P")).await.is_ok());
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_a_closed_one_says_so() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1);
    let waiting = commands.clone();
    let waiting = spawn(async move { waiting.execute(create("STK-1", "P")).await });
    tokio::task::yield_now().await;

    let refused = commands.execute(create("STK-2", "P2")).await;
    drop(batches);
    let closed = commands.execute(create("STK-3", "P3")).await;

    assert!(matches!(refused, Err(CommandError::Overloaded)));
    assert!(matches!(closed, Err(CommandError::ShuttingDown)));
    let waited = waiting.await.unwrap();
    assert!(matches!(waited, Err(CommandError::ShuttingDown)));
}

#[tokio::test]
async fn dropping_the_executor_finishes_what_waits() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let running = commands.clone();
    let answer = spawn(async move { running.execute(create("STK-1", "P")).await });
    tokio::task::yield_now().await;
    drop(commands);

    run(batches).join_all().await;

    assert!(answer.await.unwrap().is_ok());
    let id: StockId = "STK-1".parse().unwrap();
    assert!(repository.stock(&id).await.unwrap().is_some());
}

fn keyed(mut request: Request, key: &str, fingerprint: u8) -> Request {
    request.keyed = Some(Keyed {
        key: IdempotencyKey {
            principal: "tester".parse().unwrap(),
            key: key.to_owned(),
        },
        fingerprint: [fingerprint; 32],
    });
    request
}

#[tokio::test]
async fn of_one_key_there_is_one_effect_in_a_batch_and_over_batches() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    commands.execute(create("STK-1", "P")).await.unwrap();
    let twenty = (0..20).map(|_| {
        let commands = commands.clone();
        async move { commands.execute(keyed(reserve("STK-1", 1), "k", 1)).await }
    });
    let answers = all(twenty).await;
    let later = commands.execute(keyed(reserve("STK-1", 1), "k", 1)).await;
    let other = commands.execute(keyed(reserve("STK-1", 2), "k", 2)).await;

    let replayed = |answer: &Result<Executed, CommandError>| matches!(answer, Ok(Executed::Replayed(answer)) if answer.status == 200);
    assert_eq!(answers.iter().filter(|answer| replayed(answer)).count(), 19);
    assert!(replayed(&later));
    assert!(matches!(
        other,
        Err(CommandError::Rejected(Rejection::KeyReused))
    ));
    assert_eq!(repository.outbox().len(), 2);
}

#[tokio::test]
async fn what_went_wrong_on_our_side_is_not_kept_under_a_key() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    commands.execute(create("STK-1", "P")).await.unwrap();
    repository.fail_with(vec![RepositoryError::Unavailable("down".into())]);

    let down = commands.execute(keyed(reserve("STK-1", 1), "k", 1)).await;
    let up = commands.execute(keyed(reserve("STK-1", 1), "k", 1)).await;

    assert!(matches!(down, Err(CommandError::Unavailable(_))));
    assert!(matches!(up, Ok(Executed::Answer(Answer::ReservedOne(_)))));
}

#[tokio::test]
async fn due_holds_end_when_a_sale_needs_them_or_the_sweeper_finds_them() {
    let repository = Arc::new(FakeStocks::default());
    let (commands, batches) = commands(&repository, 1000);
    let _running = run(batches);
    commands.execute(create("STK-1", "P")).await.unwrap();
    for _ in 0..4 {
        commands.execute(reserve("STK-1", 25)).await.unwrap();
    }
    assert!(commands.execute(reserve("STK-1", 1)).await.is_err());

    repository.set_now(OffsetDateTime::UNIX_EPOCH + Duration::from_mins(15));
    commands.execute(reserve("STK-1", 30)).await.unwrap();
    let operations = |repository: &FakeStocks| -> Vec<&str> {
        let outbox = repository.outbox();
        outbox[5..]
            .iter()
            .map(|message| message.operation)
            .collect()
    };
    assert_eq!(
        operations(&repository),
        ["RESERVATION_EXPIRED", "RESERVATION_EXPIRED", "RESERVED"]
    );
    let expire = request(Command::ExpireDue("STK-1".parse().unwrap()));
    let swept = commands.execute(expire.clone()).await.unwrap();
    assert!(matches!(swept, Executed::Answer(Answer::Expired(2))));
    let nothing = commands.execute(expire).await.unwrap();
    assert!(matches!(nothing, Executed::Answer(Answer::Expired(0))));
}
