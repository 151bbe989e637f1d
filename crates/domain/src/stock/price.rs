//! Prices.

use std::str::FromStr;

use rust_decimal::Decimal;

use crate::{InvalidValue, stock::Quantity};

/// A price per unit: 0 to 999,999,999.9999, exact, shown with two to four decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(Decimal);

impl Price {
    /// The most digits after the point.
    pub const MAX_SCALE: u32 = 4;
    /// The highest price.
    pub const MAX: Decimal = Decimal::from_parts(1_316_134_911, 2_328, 0, false, Self::MAX_SCALE);

    /// The price as a decimal with two to four decimals.
    #[must_use]
    pub fn amount(self) -> Decimal {
        self.0
    }

    /// The price of `quantity` units. Exact: 15 digits times 13 digits fit the 28 of a decimal.
    #[must_use]
    pub fn total(self, quantity: Quantity) -> Decimal {
        at_least_two_decimals(self.0.saturating_mul(quantity.get().into()))
    }
}

/// Drops trailing zeros, down to the two decimals that people expect of money.
fn at_least_two_decimals(amount: Decimal) -> Decimal {
    let mut shown = amount.normalize();
    if shown.scale() < 2 {
        shown.rescale(2);
    }
    shown
}

impl TryFrom<Decimal> for Price {
    type Error = InvalidValue;

    fn try_from(amount: Decimal) -> Result<Self, InvalidValue> {
        if amount < Decimal::ZERO || amount > Self::MAX {
            return Err(InvalidValue::OutOfRange {
                min: Decimal::ZERO,
                max: Self::MAX,
            });
        }
        if amount.normalize().scale() > Self::MAX_SCALE {
            return Err(InvalidValue::TooManyDecimals {
                max: Self::MAX_SCALE,
            });
        }
        Ok(Self(at_least_two_decimals(amount)))
    }
}

impl FromStr for Price {
    type Err = InvalidValue;

    /// Reads `150`, `150.00` or, as JSON numbers may be written, `1.5e2`.
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let legal = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
        // Reading an exponent rounds a mantissa that is too long; reading the mantissa alone refuses it.
        if !text.chars().all(legal) || Decimal::from_str_exact(mantissa).is_err() {
            return Err(InvalidValue::NotANumber);
        }
        Decimal::from_str_exact(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map_err(|_| InvalidValue::NotANumber)?
            .try_into()
    }
}

impl std::fmt::Display for Price {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_150_units_at_150_is_exact() {
        let price: Price = "150.00".parse().unwrap();

        assert_eq!(
            price
                .total(Quantity::try_from(150_u64).unwrap())
                .to_string(),
            "22500.00"
        );
    }

    #[test]
    fn the_largest_total_keeps_every_digit() {
        let price: Price = "999999999.9999".parse().unwrap();

        assert_eq!(price.amount(), Price::MAX);
        assert_eq!(
            price.total(Quantity::MAX).to_string(),
            "999999999999900000000000.00"
        );
        let odd = Quantity::try_from(999_999_999_999_999_u64).unwrap();
        assert_eq!(
            price.total(odd).to_string(),
            "999999999999899000000000.0001"
        );
    }

    #[test]
    fn what_cannot_be_kept_exactly_is_refused() {
        for (text, code) in [
            ("1.23456", "too-many-decimals"),
            ("-0.01", "out-of-range"),
            ("1000000000", "out-of-range"),
            ("abc", "not-a-number"),
            ("", "not-a-number"),
            ("1_5", "not-a-number"),
            ("1.0000000000000000000000000000001e0", "not-a-number"),
            ("0.12345678901234567890123456789012345", "not-a-number"),
        ] {
            assert_eq!(text.parse::<Price>().unwrap_err().code(), code, "{text}");
        }
    }

    #[test]
    fn a_price_is_shown_with_two_to_four_decimals() {
        for (text, shown) in [
            ("150", "150.00"),
            ("1.5e2", "150.00"),
            ("26.765", "26.765"),
            ("1.23450", "1.2345"),
            ("0", "0.00"),
        ] {
            assert_eq!(text.parse::<Price>().unwrap().to_string(), shown);
        }
    }
}
