//! Units of a stock.

use rust_decimal::Decimal;

use crate::InvalidValue;

/// A number of units, 0 to [`Quantity::MAX`]; arithmetic is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Quantity(u64);

impl Quantity {
    /// No units.
    pub const ZERO: Self = Self(0);
    /// The most units of one stock: 10¹⁵, exact in every JSON reader and, times any price, in a decimal.
    pub const MAX: Self = Self(1_000_000_000_000_000);

    /// The number of units.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0
    }

    /// The sum, unless it is above [`Quantity::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0
            .checked_add(other.0)
            .and_then(|sum| Self::try_from(sum).ok())
    }

    /// The difference, unless it is below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `self − other` as a signed number; both are far below its limits.
    #[must_use]
    pub fn delta_from(self, other: Self) -> i64 {
        let signed = |q: Self| i64::try_from(q.0).unwrap_or(i64::MAX);
        signed(self).saturating_sub(signed(other))
    }
}

impl TryFrom<u64> for Quantity {
    type Error = InvalidValue;

    fn try_from(units: u64) -> Result<Self, InvalidValue> {
        if units <= Self::MAX.0 {
            Ok(Self(units))
        } else {
            Err(InvalidValue::OutOfRange {
                min: Decimal::ZERO,
                max: Self::MAX.0.into(),
            })
        }
    }
}

impl TryFrom<i64> for Quantity {
    type Error = InvalidValue;

    fn try_from(units: i64) -> Result<Self, InvalidValue> {
        u64::try_from(units).unwrap_or(u64::MAX).try_into()
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of units to hold: at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositiveQuantity(Quantity);

impl PositiveQuantity {
    /// The sum, unless it is above [`Quantity::MAX`].
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The number of units.
    #[must_use]
    pub fn get(self) -> Quantity {
        self.0
    }
}

impl TryFrom<u64> for PositiveQuantity {
    type Error = InvalidValue;

    fn try_from(units: u64) -> Result<Self, InvalidValue> {
        match Quantity::try_from(units) {
            Ok(quantity) if quantity > Quantity::ZERO => Ok(Self(quantity)),
            _ => Err(InvalidValue::OutOfRange {
                min: Decimal::ONE,
                max: Quantity::MAX.0.into(),
            }),
        }
    }
}
