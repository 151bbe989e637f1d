//! What came of deliveries.

use std::sync::Arc;

use application::ports::{Action, Attempt, CallReport, Disposition, Resynced, Settlement, Turn};
use domain::delivery::{Effect, Outcome};
use time::OffsetDateTime;

use crate::postgres::delivery_store::{
    batch::Batch,
    rows::{Dead, Logged, ResyncRow, Subject, ToWait},
};

impl Batch<'_> {
    /// Writes down what came of a delivery. That the claim may have run out does not matter here: what a partner
    /// acknowledged is a fact.
    pub(in crate::postgres::delivery_store) fn record(&mut self, settlement: &Settlement) {
        if let Some(stock) = self.stocks.get_mut(&settlement.stock_id) {
            if stock.external.external_id.is_none() {
                stock
                    .external
                    .external_id
                    .clone_from(&settlement.external.external_id);
            }
            stock.external.acknowledge(settlement.external.acknowledged);
            stock.external.held |= !settlement.undone.is_empty();
            stock.changed = true;
        }
        for Attempt { turn, action } in &settlement.attempts {
            match action {
                Action::Skipped(outcome) => {
                    self.settle_without_call(turn.clone(), *outcome);
                }
                Action::Called {
                    report,
                    disposition,
                    started_at,
                } => self.record_call(turn, report, disposition, *started_at),
            }
        }
        let undone = settlement
            .undone
            .iter()
            .filter(|turn| !self.is_settled(turn));
        let undone: Vec<_> = undone.cloned().map(ToWait::behind).collect();
        self.to_wait.extend(undone);
        if let Some(resynced) = &settlement.resynced {
            self.record_resync(settlement, resynced);
        }
    }

    fn record_resync(&mut self, settlement: &Settlement, resynced: &Resynced) {
        if let Some(stock) = self.stocks.get_mut(&settlement.stock_id) {
            stock.resync = None;
        }
        let mut row = ResyncRow {
            stock_id: settlement.stock_id.clone(),
            id: resynced.id,
            attempts: resynced.attempts,
            wait_seconds: None,
            failed: false,
        };
        if let Action::Called {
            report,
            disposition,
            started_at,
        } = &resynced.action
        {
            let error = disposition.error();
            if let Disposition::Retry { wait, .. } = disposition {
                row.wait_seconds = Some(wait.as_secs_f64());
            }
            row.failed = matches!(disposition, Disposition::Dead { .. });
            let told = settlement.external.told.as_ref();
            self.log.push(Logged {
                record: None,
                subject: Some(Subject {
                    event_id: None,
                    correlation_id: resynced.id.to_string(),
                    stock_id: settlement.stock_id.clone(),
                    product_id: told.map(|told| told.product_id.clone()).unwrap_or_default(),
                    operation: Effect::RESYNCHRONIZED,
                    version: resynced.version,
                    occurred_at: None,
                }),
                attempt: resynced.attempts,
                status: disposition.status(),
                external_id: self.external_id(&settlement.stock_id),
                response_code: report.response_code,
                duration_ms: Some(report.duration.as_secs_f64() * 1000.0),
                error: error.map(str::to_owned),
                started_at: Some(*started_at),
            });
        }
        self.resyncs.push(row);
    }

    pub(super) fn record_call(
        &mut self,
        turn: &Turn,
        report: &CallReport,
        disposition: &Disposition,
        started_at: OffsetDateTime,
    ) {
        let notification = &turn.notification;
        let attempts = turn.attempts.saturating_add(1);
        let error = disposition.error().map(str::to_owned);
        self.log.push(Logged {
            record: Some(Arc::clone(&turn.record)),
            subject: Some((&**notification).into()),
            attempt: attempts,
            status: disposition.status(),
            external_id: self.external_id(&notification.stock_id),
            response_code: report.response_code,
            duration_ms: Some(report.duration.as_secs_f64() * 1000.0),
            error: error.clone(),
            started_at: Some(started_at),
        });
        if self.is_settled(turn) {
            // The claim had run out, and another delivery of the event was settled first.
            let event = (notification.stock_id.clone(), notification.version());
            self.waited.push(event);
            return;
        }
        match disposition {
            Disposition::Delivered => self.settle(notification, Outcome::Delivered),
            Disposition::Retry { wait, counted, .. } => {
                if let Some(stock) = self.stocks.get_mut(&notification.stock_id) {
                    stock.external.held = true;
                }
                self.to_wait.push(ToWait {
                    attempts,
                    counted: turn.counted.saturating_add(u32::from(*counted)),
                    wait_seconds: wait.as_secs_f64(),
                    error,
                    ..ToWait::behind(turn.clone())
                });
            }
            Disposition::Dead { reason } => {
                self.settle(notification, Outcome::Dead);
                self.dead.push(Dead {
                    record: Arc::clone(&turn.record),
                    notification: Some(Arc::clone(notification)),
                    reason: reason.clone(),
                    attempts,
                });
            }
        }
    }
}
