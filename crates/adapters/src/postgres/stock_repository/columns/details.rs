//! What changes seldom, with the version from which on it holds.

use domain::stock::Stock;

use super::{Query, signed, units};

#[derive(Default)]
pub(super) struct Details<'a> {
    stock_id: Vec<&'a str>,
    version: Vec<i64>,
    symbol: Vec<&'a str>,
    product_name: Vec<&'a str>,
    low_stock_threshold: Vec<i64>,
    discontinued: Vec<bool>,
}

impl<'a> Details<'a> {
    pub(super) fn len(&self) -> usize {
        self.stock_id.len()
    }

    pub(super) fn push(&mut self, stock: &'a Stock) {
        self.stock_id.push(stock.id.as_str());
        self.version.push(signed(stock.version.get()));
        self.symbol.push(stock.symbol.as_str());
        self.product_name.push(stock.product_name.as_str());
        self.low_stock_threshold
            .push(units(stock.low_stock_threshold));
        self.discontinued.push(stock.discontinued);
    }

    pub(super) fn bind<O>(self, query: Query<'a, O>) -> Query<'a, O> {
        query
            .bind(self.stock_id)
            .bind(self.version)
            .bind(self.symbol)
            .bind(self.product_name)
            .bind(self.low_stock_threshold)
            .bind(self.discontinued)
    }
}
