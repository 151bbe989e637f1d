//! Asks the brokers whether they are there.

use std::{sync::Arc, time::Duration};

use rdkafka::{
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::kafka::KafkaSettings;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Asks the brokers whether they are there.
#[derive(Clone)]
pub struct KafkaProbe(Arc<BaseConsumer>);

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
        Ok(Self(Arc::new(settings.client(&[], &[]).create()?)))
    }

    /// Asks.
    ///
    /// # Errors
    /// [`ProbeError`].
    pub async fn ask(&self) -> Result<(), ProbeError> {
        let client = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            // Of one topic that need not exist: asking for all would be answered with all.
            client
                .fetch_metadata(Some("virtual-stock-probe"), PATIENCE)
                .map(drop)
        });
        Ok(asked.await??)
    }
}
