//! Looks at partners' servers: whether they are there, and until when their certificates hold.

use std::time::Duration;

use adapters::{
    clock::SystemClock,
    doctor::{Finding, State},
    partner::TargetSettings,
};
use application::{Causes, metric::acl, ports::Clock};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Named};

/// Between two looks.
const PERIOD: Duration = Duration::from_hours(1);
/// A certificate that ends sooner has to be seen to.
const SOON: Duration = Duration::from_hours(14 * 24);

/// Partners that show certificates.
pub(super) struct Certificates {
    /// Name, setting and settings of each.
    targets: Vec<(String, String, TargetSettings)>,
}

impl Certificates {
    pub(super) fn of(config: &Config) -> Self {
        let targets = config.enabled().map(|named| {
            let target = named.settings.target.clone();
            (named.name, format!("{}.target", named.setting), target)
        });
        let over_tls = targets.filter(|(_, setting, target)| target.is_over_tls(setting));
        Self {
            targets: over_tls.collect(),
        }
    }

    /// Shows until when they hold, as long as there are any.
    pub(super) async fn run(self, stop: CancellationToken) {
        let work = async {
            loop {
                for (name, setting, target) in &self.targets {
                    match target.look(setting).await {
                        Ok(look) => {
                            if let Some(end) = look.certificate_ends {
                                #[expect(
                                    clippy::cast_precision_loss,
                                    reason = "seconds since 1970 are far below 2^52"
                                )]
                                metrics::gauge!(acl::CERTIFICATE_END.name, "subscription" => name.clone())
                                    .set(end.unix_timestamp() as f64);
                            }
                        }
                        Err(error) => tracing::warn!(
                            code = "CERTIFICATE_NOT_SEEN",
                            subscription = name,
                            error = %Causes(&error),
                            "until when a partner's certificate holds is not known"
                        ),
                    }
                }
                tokio::time::sleep(PERIOD).await;
            }
        };
        stop.run_until_cancelled(work).await;
    }
}

/// What a look at a partner's server gives.
pub(super) async fn examine(named: &Named<'_>) -> Finding {
    let subject = format!("partner {}", named.name);
    let setting = format!("{}.target", named.setting);
    let look = match named.settings.target.look(&setting).await {
        Ok(look) => look,
        Err(error) => {
            return Finding::new(subject, State::Failed, Causes(&error).to_string());
        }
    };
    let Some(end) = look.certificate_ends else {
        return Finding::new(subject, State::Ok, look.answer);
    };
    let left = end - SystemClock.now();
    let state = if left < SOON {
        State::Warning
    } else {
        State::Ok
    };
    let days = left.whole_days();
    let detail = format!("{}; its certificate ends in {days} days", look.answer);
    Finding::new(subject, state, detail)
}
