//! Stocks as the batch leaves them.

use std::mem::take;

use domain::stock::Stock;
use rust_decimal::Decimal;
use time::OffsetDateTime;

use super::{Query, signed, units};
use crate::postgres::stock_repository::places::Place;

#[derive(Default)]
pub(super) struct Stocks<'a> {
    place: Vec<&'a str>,
    writer: Vec<i32>,
    loaded_at: Vec<OffsetDateTime>,
    id: Vec<&'a str>,
    product_id: Vec<&'a str>,
    symbol: Vec<&'a str>,
    product_name: Vec<&'a str>,
    loaded_version: Vec<i64>,
    quantity: Vec<i64>,
    reserved: Vec<i64>,
    unit_price: Vec<Decimal>,
    currency: Vec<&'a str>,
    low_stock_threshold: Vec<i64>,
    discontinued: Vec<bool>,
    version: Vec<i64>,
    created_at: Vec<OffsetDateTime>,
    updated_at: Vec<OffsetDateTime>,
}

impl<'a> Stocks<'a> {
    pub(super) fn len(&self) -> usize {
        self.id.len()
    }

    /// A stock that was read in this version, from this row. One that was not read has none, and is found nowhere.
    pub(super) fn push(&mut self, stock: &'a Stock, loaded_version: i64, place: Option<&'a Place>) {
        self.place.push(place.map_or("(0,0)", |place| &place.row));
        self.writer.push(place.map_or(0, |place| place.writer));
        self.loaded_at
            .push(place.map_or(OffsetDateTime::UNIX_EPOCH, |place| place.updated_at));
        self.id.push(stock.id.as_str());
        self.product_id.push(stock.product_id.as_str());
        self.symbol.push(stock.symbol.as_str());
        self.product_name.push(stock.product_name.as_str());
        self.loaded_version.push(loaded_version);
        self.quantity.push(units(stock.quantity));
        self.reserved.push(units(stock.reserved));
        self.unit_price.push(stock.unit_price.amount());
        self.currency.push(stock.currency.as_str());
        self.low_stock_threshold
            .push(units(stock.low_stock_threshold));
        self.discontinued.push(stock.discontinued);
        self.version.push(signed(stock.version.get()));
        self.created_at.push(stock.created_at);
        self.updated_at.push(stock.updated_at);
    }

    pub(super) fn bind_unchanged<O>(&mut self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.place.clone())
            .bind(take(&mut self.writer))
            .bind(self.id.clone())
            .bind(self.loaded_version.clone())
            .bind(take(&mut self.loaded_at))
    }

    pub(super) fn bind_created<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.id)
            .bind(self.product_id)
            .bind(self.symbol)
            .bind(self.product_name)
            .bind(self.quantity)
            .bind(self.reserved)
            .bind(self.unit_price)
            .bind(self.currency)
            .bind(self.low_stock_threshold)
            .bind(self.discontinued)
            .bind(self.version)
            .bind(self.created_at)
            .bind(self.updated_at)
    }

    pub(super) fn bind_updated<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.place)
            .bind(self.loaded_version)
            .bind(self.symbol)
            .bind(self.product_name)
            .bind(self.quantity)
            .bind(self.reserved)
            .bind(self.unit_price)
            .bind(self.low_stock_threshold)
            .bind(self.discontinued)
            .bind(self.version)
            .bind(self.updated_at)
    }
}
