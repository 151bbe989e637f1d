//! Every subscription at work: its consumer, its deliveries, its retries and dead letters, its partner's state.

use std::sync::Arc;

use adapters::{
    clock::SystemClock,
    contract::WireFormat,
    kafka::{ConsumerSettings, KafkaBroker, consume},
    lifecycle::Tasks,
    postgres::{PgDeliveryStore, PgPartnerStates},
};
use application::{
    delivery::{Dispatch, Flow, FlowSettings, Subscription, SubscriptionSettings},
    ports::DeliveryStore,
};
use sqlx::PgPool;

use crate::config::{Config, Named};

/// Starts all subscriptions that are enabled.
pub(super) fn start(
    config: &Config,
    pool: &PgPool,
    front: &mut Tasks,
    back: &mut Tasks,
) -> anyhow::Result<()> {
    for named in config.enabled() {
        one(config, &named, pool, front, back)?;
    }
    Ok(())
}

fn one(
    config: &Config,
    named: &Named<'_>,
    pool: &PgPool,
    front: &mut Tasks,
    back: &mut Tasks,
) -> anyhow::Result<()> {
    let Named {
        name,
        setting,
        settings,
    } = named;
    let delivery = &settings.delivery;
    let rules = settings.rules(setting, &config.profiles)?;
    let target = settings
        .target
        .connect(&format!("{setting}.target"), &config.profiles)?;
    let store: Arc<dyn DeliveryStore> = Arc::new(PgDeliveryStore::new(
        pool.clone(),
        name.clone(),
        delivery.claim_lease,
        rules.clone(),
    ));
    let run_for = delivery.claim_lease / 4;
    let flow = FlowSettings {
        name: name.clone(),
        concurrency: delivery.concurrency,
        rate: delivery.rate(),
        patience: delivery.claim_lease / 16,
        failures: delivery.breaker_failures,
        probe_every: delivery.probe_every,
        poll: delivery.state_poll,
    };
    let states = Arc::new(PgPartnerStates::new(pool.clone(), name.clone()));
    let flow = Arc::new(Flow::new(flow, states));
    let subscription = Arc::new(Subscription {
        store: Arc::clone(&store),
        partner: target,
        flow: Arc::clone(&flow),
        clock: Arc::new(SystemClock),
        settings: SubscriptionSettings {
            name: name.clone(),
            max_batch: delivery.max_batch,
            backoff: delivery.backoff,
            run_for,
            call_for: settings.target.timeout(),
            schedule: delivery.schedule(setting)?,
            rules,
        },
    });
    let format = WireFormat {
        subscription: name.clone(),
        retry_topic: config.retry_topic(),
        dead_letter_topic: config.dead_letter_topic(),
    };
    let dispatch = Dispatch {
        store,
        broker: Arc::new(KafkaBroker {
            settings: config.kafka.clone(),
            // Made when something fails: most never send anything, and each costs threads and connections.
            topics: Vec::new(),
        }),
        flow: Arc::clone(&flow),
        format: Arc::new(format.clone()),
        poll: delivery.retry_poll,
        backoff: delivery.backoff,
    };
    let consumer = ConsumerSettings {
        group: config.prefixed(&settings.group),
        topics: config.topics_of(settings),
        queue: delivery.queue,
        drain: config.shutdown.drain,
    };

    let stop = front.stop.clone();
    let (inbox, reader) = consume(&config.kafka, consumer, format, stop.clone())?;
    front.spawn("deliveries", subscription.run(inbox, stop));
    front.spawn("consumer", async move {
        let joined = tokio::task::spawn_blocking(move || reader.join()).await?;
        joined.map_err(|_| anyhow::anyhow!("the consumer's thread panicked"))
    });
    let stop = back.stop.clone();
    back.run("dispatch", async move { dispatch.run(stop).await });
    let stop = back.stop.clone();
    back.run("partner's state", async move { flow.watch(stop).await });
    Ok(())
}
