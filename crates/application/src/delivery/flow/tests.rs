//! Two instances, one partner.

use super::*;
use crate::fakes::{FakePartnerStates, contract};

const PROBE: Duration = Duration::from_mins(1);

fn flow(states: &Arc<FakePartnerStates>) -> Flow {
    let settings = FlowSettings {
        name: "partner".to_owned(),
        concurrency: 64,
        rate: None,
        patience: Duration::from_secs(1),
        failures: NonZeroU32::new(5).unwrap(),
        probe_every: PROBE,
        poll: Duration::from_millis(500),
    };
    Flow::new(settings, Arc::clone(states) as _)
}

async fn look(flow: &Flow) -> Allowance {
    let generation = flow.inner().generation;
    let state = flow.states.state().await.unwrap();
    flow.observe(state, generation).await;
    flow.allowance()
}

fn failure(reach: Reach, hold_off: Option<Duration>) -> Verdict {
    Verdict::Transient {
        cause: "failed".to_owned(),
        reach,
        retry_after: None,
        hold_off,
    }
}

async fn fail(flow: &Flow, reach: Reach) -> Vec<bool> {
    let mut away = Vec::new();
    for stock in ["A", "B", "C", "D", "E"] {
        away.push(flow.learn(stock, &failure(reach, None)).await);
    }
    away
}

#[tokio::test]
async fn the_fake_keeps_the_contract_of_its_port() {
    let states = FakePartnerStates::default();
    contract::partner_states(&states, &states).await;
}

#[tokio::test(start_paused = true)]
async fn one_opens_it_for_all_one_probes_and_then_calls_double() {
    let states = Arc::new(FakePartnerStates::default());
    let (one, other) = (flow(&states), flow(&states));
    assert_eq!(one.allowance(), Allowance::Nothing, "it has not looked yet");
    assert_eq!(look(&one).await, Allowance::Deliver(64));
    assert_eq!(look(&other).await, Allowance::Deliver(64));

    // Only the failure that opens it is known to be the partner's.
    assert_eq!(
        fail(&one, Reach::Unclear).await,
        [false, false, false, false, true]
    );
    assert!(one.turn().await.is_none());
    assert_eq!(look(&other).await, Allowance::Nothing);

    tokio::time::advance(PROBE).await;
    assert_eq!(look(&one).await, Allowance::ProbeDue);
    assert_eq!(look(&other).await, Allowance::ProbeDue);
    one.take_probe().await.unwrap();
    other.take_probe().await.unwrap();
    assert_eq!(
        (one.allowance(), other.allowance()),
        (Allowance::Probe, Allowance::Nothing)
    );
    assert!(one.learn("A", &failure(Reach::Unclear, None)).await);
    assert_eq!(look(&one).await, Allowance::Nothing);

    tokio::time::advance(PROBE).await;
    look(&other).await;
    other.take_probe().await.unwrap();
    other.learn("A", &Verdict::Accepted).await;
    assert_eq!(other.allowance(), Allowance::Deliver(1));
    assert_eq!(look(&one).await, Allowance::Deliver(1));
    one.learn("A", &Verdict::Accepted).await;
    assert_eq!(one.allowance(), Allowance::Deliver(1));
    tokio::time::advance(Duration::from_secs(1)).await;
    one.learn("A", &Verdict::Accepted).await;
    assert_eq!(one.allowance(), Allowance::Deliver(2));
}

#[tokio::test(start_paused = true)]
async fn what_was_read_before_it_opened_does_not_close_it() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    let generation = flow.inner().generation;
    let read_before = flow.states.state().await.unwrap();
    fail(&flow, Reach::Partner).await;

    flow.observe(read_before, generation).await;

    assert_eq!(flow.allowance(), Allowance::Nothing);
}

#[tokio::test(start_paused = true)]
async fn a_partner_that_asks_for_quiet_gets_it_and_its_breaker_stays_closed() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    let wish = Some(Duration::from_secs(7));
    for stock in ["A", "B", "C", "D", "E", "F"] {
        assert!(!flow.learn(stock, &failure(Reach::Event, wish)).await);
    }

    assert!(matches!(flow.allowance(), Allowance::Wait(_)));
    assert!(flow.turn().await.is_none());
    tokio::time::advance(Duration::from_secs(8)).await;
    assert_eq!(look(&flow).await, Allowance::Deliver(64));
}

#[tokio::test(start_paused = true)]
async fn under_suspicion_few_calls_are_under_way_at_once() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    flow.learn("A", &failure(Reach::Unclear, None)).await;
    let mut turns = Vec::new();
    while let Some(turn) = flow.turn().await {
        turns.push(turn);
    }
    assert_eq!(turns.len(), 2);

    turns.pop();
    assert!(flow.turn().await.is_some());
    flow.learn("A", &Verdict::Accepted).await;
    let again = flow.turn().await;
    assert!(again.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_partner_that_wants_no_more_is_left_alone_until_it_is_resumed() {
    let states = Arc::new(FakePartnerStates::default());
    let (one, other) = (flow(&states), flow(&states));
    look(&one).await;
    let gone = Verdict::Gone {
        cause: "410".to_owned(),
    };

    assert!(one.learn("A", &gone).await);

    assert_eq!(one.allowance(), Allowance::Nothing);
    assert_eq!(look(&other).await, Allowance::Nothing);
    states.resume();
    assert_eq!(look(&one).await, Allowance::Deliver(64));
}

#[tokio::test(start_paused = true)]
async fn what_is_read_before_the_others_know_does_not_call_a_partner_that_wants_no_more() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    flow.inner().turn(Mode::Disabling);
    let generation = flow.inner().generation;

    // The shared state still says that it is called.
    flow.observe(PartnerState::Active, generation).await;

    assert_eq!(flow.allowance(), Allowance::Nothing);
    assert_eq!(flow.states.state().await.unwrap(), PartnerState::Halted);
}

#[tokio::test(start_paused = true)]
async fn what_another_call_brings_does_not_pass_for_the_news_that_the_others_wait_for() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    flow.inner().turn(Mode::Opening);

    assert!(flow.learn("A", &failure(Reach::Unclear, None)).await);

    assert_eq!(flow.inner().mode, Mode::Opening);
}

#[tokio::test(start_paused = true)]
async fn other_news_does_not_pass_for_what_the_others_do_not_know_yet() {
    let states = Arc::new(FakePartnerStates::default());
    let flow = flow(&states);
    look(&flow).await;
    flow.inner().turn(Mode::Disabling);

    let open = PartnerState::Open { probe_due: false };
    flow.told(Ok(()), Mode::Opening, open);

    assert_eq!(flow.inner().mode, Mode::Disabling);
}
