//! The data of a stock, and of what it is given.

use time::OffsetDateTime;

use crate::stock::{Currency, Price, ProductId, ProductName, Quantity, StockId, Symbol, Version};

/// The data of a stock. It is read through [`Stock`](crate::stock::Stock), which alone says how it may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockState {
    /// Identity.
    pub id: StockId,
    /// The client's name of the product, unique.
    pub product_id: ProductId,
    /// What partners trade it under.
    pub symbol: Symbol,
    /// Its name for people.
    pub product_name: ProductName,
    /// Units on hand.
    pub quantity: Quantity,
    /// Units held by reservations, never more than `quantity`.
    pub reserved: Quantity,
    /// Price of one unit.
    pub unit_price: Price,
    /// The price's currency.
    pub currency: Currency,
    /// Below so many available units the stock is low.
    pub low_stock_threshold: Quantity,
    /// Taken out of sale.
    pub discontinued: bool,
    /// One per change, from 1.
    pub version: Version,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it changed last.
    pub updated_at: OffsetDateTime,
}

/// A new stock's data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewStock {
    /// Identity.
    pub id: StockId,
    /// The client's name of the product.
    pub product_id: ProductId,
    /// What partners trade it under.
    pub symbol: Symbol,
    /// Its name for people.
    pub product_name: ProductName,
    /// Units on hand.
    pub quantity: Quantity,
    /// Price of one unit.
    pub unit_price: Price,
    /// The price's currency.
    pub currency: Currency,
    /// Below so many available units the stock is low.
    pub low_stock_threshold: Quantity,
}

/// New names and threshold of a stock; what is not given stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewDetails {
    /// What partners trade it under.
    pub symbol: Option<Symbol>,
    /// Its name for people.
    pub product_name: Option<ProductName>,
    /// Below so many available units the stock is low.
    pub low_stock_threshold: Option<Quantity>,
}
