//! Where a stock stands.

/// Derived from what is available, except for [`Status::Discontinued`], which is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// At least as many units as the low-stock threshold.
    Available,
    /// Below the threshold, but not empty.
    LowStock,
    /// Nothing left to reserve.
    OutOfStock,
    /// Taken out of sale: no further reservation.
    Discontinued,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 4] = [
        Self::Available,
        Self::LowStock,
        Self::OutOfStock,
        Self::Discontinued,
    ];

    /// The status's name in events, answers and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "AVAILABLE",
            Self::LowStock => "LOW_STOCK",
            Self::OutOfStock => "OUT_OF_STOCK",
            Self::Discontinued => "DISCONTINUED",
        }
    }
}
