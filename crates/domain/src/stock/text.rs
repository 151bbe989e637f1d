//! The texts of a stock.

use std::sync::Arc;

use crate::{
    InvalidValue,
    value::{bounded_text, text_value},
};

/// The form of names that clients choose.
const CODE: &str = "^[A-Za-z0-9._:-]{1,64}$";

fn code<'a>(text: &'a str, pattern: &'static str) -> Result<&'a str, InvalidValue> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    if text.is_empty() {
        return Err(InvalidValue::Empty);
    }
    if text.len() > 64 || !text.bytes().all(legal) {
        return Err(InvalidValue::Pattern { pattern });
    }
    Ok(text)
}

text_value! {
    /// A client's name of an order, unique over that client's orders: `^[A-Za-z0-9._:-]{1,64}$`.
    ClientOrderId, |text| code(text, CODE)
}

text_value! {
    /// The client's own name of the product, unique over all stocks: `^[A-Za-z0-9._:-]{1,64}$`.
    ProductId, |text| code(text, CODE)
}

text_value! {
    /// The symbol that partners trade the product under: `^[A-Za-z0-9._:-]{1,64}$`.
    Symbol, |text| code(text, CODE)
}

impl From<&ProductId> for Symbol {
    fn from(product: &ProductId) -> Self {
        Self(Arc::clone(&product.0))
    }
}

text_value! {
    /// The product's name for people, 1 to 200 characters.
    ProductName, |text| bounded_text(text, 200)
}

impl From<&ProductId> for ProductName {
    fn from(product: &ProductId) -> Self {
        Self(Arc::clone(&product.0))
    }
}

text_value! {
    /// Why a change was made, 1 to 256 characters.
    Reason, |text| bounded_text(text, 256)
}

text_value! {
    /// The document behind a change, as a URI or another reference, 1 to 512 characters.
    Reference, |text| bounded_text(text, 512)
}

text_value! {
    /// Who made a change, 1 to 128 characters.
    Actor, |text| bounded_text(text, 128)
}

text_value! {
    /// ISO 4217 code of a currency: three capital letters.
    Currency, |text| {
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(text)
        } else {
            Err(InvalidValue::Pattern { pattern: "^[A-Z]{3}$" })
        }
    }
}
