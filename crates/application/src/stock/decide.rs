//! Decides a batch of commands in memory, in the order of their arrival.

use std::collections::{HashMap, HashSet};

use domain::stock::{
    NewStock, ProductId, ReservationId, Stamp, Stock, StockId, StockUpdatedEvent, Symbol,
};
use time::OffsetDateTime;

use crate::{
    ports::{IdSource, Loaded},
    stock::{Command, CreateStock, Rejection, Request},
};

/// The stocks of a batch, as the commands decided so far leave them.
pub(super) struct Batch<'a> {
    stocks: HashMap<StockId, Stock>,
    products: HashSet<ProductId>,
    ids: &'a dyn IdSource,
    at: OffsetDateTime,
}

impl<'a> Batch<'a> {
    pub(super) fn new(loaded: Loaded, ids: &'a dyn IdSource, at: OffsetDateTime) -> Self {
        Self {
            stocks: loaded
                .stocks
                .into_iter()
                .map(|stock| (stock.id.clone(), stock))
                .collect(),
            products: loaded.taken_products.into_iter().collect(),
            ids,
            at,
        }
    }

    /// Decides one command, on what the ones before it left.
    pub(super) fn decide(&self, request: &Request) -> Result<StockUpdatedEvent, Rejection> {
        let stamp = Stamp {
            event_id: self.ids.next(),
            at: self.at,
            actor: request.context.actor.clone(),
        };
        let event = match &request.command {
            Command::Create(create) => self.create(create, stamp)?,
            Command::SetQuantity(set) => self.stock(&set.stock_id)?.set_quantity(
                set.quantity,
                set.reason.clone(),
                set.reference.clone(),
                stamp,
            )?,
            Command::SetPrice(set) => {
                self.stock(&set.stock_id)?
                    .set_price(set.price, set.reason.clone(), stamp)
            }
            Command::Reserve(reserve) => self.stock(&reserve.stock_id)?.reserve(
                ReservationId::from_uuid(self.ids.next()),
                reserve.quantity,
                reserve.reason.clone(),
                stamp,
            )?,
        };
        Ok(event)
    }

    /// Lets the following commands see the stock as `event` leaves it.
    pub(super) fn apply(&mut self, event: &StockUpdatedEvent) {
        let stock = &event.stock;
        self.products.insert(stock.product_id.clone());
        self.stocks.insert(stock.id.clone(), stock.clone());
    }

    fn stock(&self, id: &StockId) -> Result<&Stock, Rejection> {
        self.stocks
            .get(id)
            .ok_or_else(|| Rejection::UnknownStock(id.clone()))
    }

    fn create(&self, create: &CreateStock, stamp: Stamp) -> Result<StockUpdatedEvent, Rejection> {
        let product_id = &create.product_id;
        if self.products.contains(product_id) {
            return Err(Rejection::DuplicateProduct(product_id.clone()));
        }
        let id = match &create.stock_id {
            Some(id) if self.stocks.contains_key(id) => {
                return Err(Rejection::DuplicateStock(id.clone()));
            }
            Some(id) => id.clone(),
            None => StockId::from_uuid(self.ids.next()),
        };
        let new = NewStock {
            id,
            product_id: product_id.clone(),
            symbol: create
                .symbol
                .clone()
                .unwrap_or_else(|| Symbol::from(product_id)),
            product_name: create
                .product_name
                .clone()
                .unwrap_or_else(|| product_id.into()),
            quantity: create.quantity,
            unit_price: create.price,
            currency: create.currency.clone(),
            low_stock_threshold: create.low_stock_threshold,
        };
        Ok(Stock::create(new, stamp))
    }
}
