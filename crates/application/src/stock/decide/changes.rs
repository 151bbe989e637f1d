//! Changes of one stock.

use domain::stock::{Actor, StockError};

use crate::stock::{Answer, ChangeStock, Rejection, StockChange, attempt::Attempt};

/// Changes a stock, if it is as the client expects it.
pub(super) fn changed(
    change: &ChangeStock,
    attempt: &mut Attempt<'_>,
    actor: &Actor,
) -> Result<Answer, Rejection> {
    let stock = attempt.stock(&change.stock_id)?;
    let as_expected = change
        .if_match
        .as_ref()
        .is_none_or(|versions| versions.contains(stock.version));
    let not_as_expected = || Rejection::NotAsExpected(Box::new(stock.clone()));
    if !as_expected {
        return Err(not_as_expected());
    }
    let stamp = attempt.stamp(Some(stock), actor);
    let event = match &change.change {
        StockChange::SetQuantity {
            quantity,
            expected,
            reason,
            reference,
        } => {
            if expected.is_some_and(|expected| expected != stock.quantity) {
                return Err(not_as_expected());
            }
            stock.set_quantity(*quantity, reason.clone(), reference.clone(), stamp)
        }
        StockChange::Adjust {
            delta,
            reason,
            reference,
        } => stock.adjust(*delta, reason.clone(), reference.clone(), stamp),
        StockChange::SetPrice { price, reason } => {
            Ok(stock.set_price(*price, reason.clone(), stamp))
        }
        StockChange::Describe(details) => match stock.describe(details.clone(), stamp) {
            Some(event) => Ok(event),
            // It is so already.
            None => return Ok(Answer::Changed(Box::new(stock.clone()))),
        },
        StockChange::Discontinue { reason } => stock.discontinue(reason.clone(), stamp),
    };
    let event = event.map_err(|rule| match rule {
        StockError::InsufficientStock {
            available,
            requested,
        } => Rejection::Insufficient {
            stock_id: change.stock_id.clone(),
            available,
            requested,
            soonest_expiry: None,
        },
        rule => Rejection::Rule(rule),
    })?;
    attempt.record(event.clone());
    Ok(match change.change {
        StockChange::Adjust { .. } => Answer::Adjusted(Box::new(event)),
        StockChange::SetQuantity { .. }
        | StockChange::SetPrice { .. }
        | StockChange::Describe(_)
        | StockChange::Discontinue { .. } => Answer::Changed(Box::new(event.stock)),
    })
}
