//! Asks the brokers whether they are there.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use application::Causes;
use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::kafka::KafkaSettings;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A client that gets no answer is made anew, at most so often.
const RENEWED: Duration = Duration::from_secs(10);

/// Asks the brokers whether they are there.
#[derive(Clone)]
pub struct KafkaProbe {
    settings: Arc<KafkaSettings>,
    client: Arc<Mutex<(Arc<BaseConsumer>, Instant)>>,
}

/// The brokers do not answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The broker's, or the client's error.
    #[error("no broker answers: {0}")]
    Kafka(#[from] KafkaError),
    /// The probe was cut off.
    #[error("the probe was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

impl KafkaProbe {
    /// A probe of this cluster.
    ///
    /// # Errors
    /// [`ProbeError`] if the settings cannot be used.
    pub fn new(settings: &KafkaSettings) -> Result<Self, ProbeError> {
        let client = (client(settings)?, Instant::now());
        Ok(Self {
            settings: Arc::new(settings.clone()),
            client: Arc::new(Mutex::new(client)),
        })
    }

    /// Asks.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub async fn ask(&self) -> Result<(), ProbeError> {
        let probe = self.clone();
        let asked = tokio::task::spawn_blocking(move || {
            let client = Arc::clone(&probe.client().0);
            // Of one topic that need not exist: asking for all would be answered with all.
            let answer = client.fetch_metadata(Some("virtual-stock-probe"), PATIENCE);
            if answer.is_err() {
                probe.renew();
                // Its threads may take their time to end.
                tokio::task::spawn_blocking(move || drop(client));
            }
            answer.map(drop)
        });
        Ok(asked.await??)
    }

    fn client(&self) -> MutexGuard<'_, (Arc<BaseConsumer>, Instant)> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client can have lost all brokers for good: see `member.rs`.
    fn renew(&self) {
        let mut current = self.client();
        if current.1.elapsed() < RENEWED {
            return;
        }
        match client(&self.settings) {
            Ok(client) => *current = (client, Instant::now()),
            Err(error) => tracing::error!(
                code = "KAFKA_PROBE_NOT_RENEWED",
                error = %Causes(&error),
                "the probe of the brokers cannot be made anew"
            ),
        }
    }
}

fn client(settings: &KafkaSettings) -> Result<Arc<BaseConsumer>, KafkaError> {
    Ok(Arc::new(settings.client(&[], &[]).create()?))
}
