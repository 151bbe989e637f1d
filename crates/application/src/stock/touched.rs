//! What a batch of commands needs to see.

use std::{collections::HashSet, sync::Arc};

use domain::stock::{Actor, Quantity};

use crate::{
    ports::Touched,
    stock::{Command, Request, StockChange},
};

/// What these requests need to see.
pub(super) fn touched(requests: &[Arc<Request>]) -> Touched {
    let mut touched = Touched::default();
    for request in requests {
        let keyed = request.keyed.as_ref();
        touched.keys.extend(keyed.map(|keyed| keyed.key.clone()));
        add(&request.command, &request.context.actor, &mut touched);
    }
    loads_holds_where_units_may_vanish(requests, &mut touched);
    sort(&mut touched.keys);
    sort(&mut touched.stock_ids);
    sort(&mut touched.reservation_ids);
    sort(&mut touched.product_ids);
    sort(&mut touched.orders);
    sort(&mut touched.expiring);
    touched
}

fn sort<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

fn add(command: &Command, actor: &Actor, touched: &mut Touched) {
    match command {
        Command::Create(create) => {
            touched.stock_ids.extend(create.stock_id.clone());
            touched.product_ids.push(create.product_id.clone());
        }
        Command::Change(change) => touched.stock_ids.push(change.stock_id.clone()),
        Command::ReserveOne(reserve) | Command::Reserve(reserve) => {
            for (stock_id, units) in &reserve.lines {
                touched.stock_ids.push(stock_id.clone());
                let wanted = touched.wanted.entry(stock_id.clone()).or_default();
                *wanted = wanted.saturating_add(units.get().get());
            }
            let order = reserve.order.clone();
            touched
                .orders
                .extend(order.map(|order| (actor.clone(), order)));
        }
        Command::End { reservation_id, .. } | Command::Extend { reservation_id, .. } => {
            touched.reservation_ids.push(reservation_id.clone());
        }
        Command::ExpireDue(stock_id) => {
            touched.stock_ids.push(stock_id.clone());
            touched.expiring.push(stock_id.clone());
        }
        Command::Batch(commands) => {
            for command in commands {
                add(command, actor, touched);
            }
        }
    }
}

/// Where a command of the same batch may take units off hand, what is available when the batch begins says little about
/// what a reservation will find.
fn loads_holds_where_units_may_vanish(requests: &[Arc<Request>], touched: &mut Touched) {
    if touched.wanted.is_empty() {
        return;
    }
    let commands = requests.iter().flat_map(|request| match &request.command {
        Command::Batch(commands) => commands.as_slice(),
        command => std::slice::from_ref(command),
    });
    let vanishing: HashSet<_> = commands
        .filter_map(|command| match command {
            Command::Change(change) => match change.change {
                StockChange::SetQuantity { .. } | StockChange::Adjust { .. } => {
                    Some(&change.stock_id)
                }
                StockChange::SetPrice { .. }
                | StockChange::Describe(_)
                | StockChange::Discontinue { .. } => None,
            },
            _ => None,
        })
        .collect();
    for (stock_id, wanted) in &mut touched.wanted {
        if vanishing.contains(stock_id) {
            *wanted = Quantity::MAX.get();
        }
    }
}
