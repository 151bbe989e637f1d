//! What a client may do.

use serde::Deserialize;

/// A right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Scope {
    /// Reads stocks, reservations and the ledger.
    #[serde(rename = "stock:read")]
    Read,
    /// Creates and changes stocks.
    #[serde(rename = "stock:write")]
    Write,
    /// Makes and ends reservations.
    #[serde(rename = "stock:reserve")]
    Reserve,
    /// Looks into the service.
    #[serde(rename = "stock:admin")]
    Admin,
    /// Looks into what partners were told.
    #[serde(rename = "acl:read")]
    ReadDeliveries,
    /// Handles dead letters and partners.
    #[serde(rename = "acl:operate")]
    Operate,
}

impl Scope {
    const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Reserve,
        Self::Admin,
        Self::ReadDeliveries,
        Self::Operate,
    ];

    /// Its name in tokens and settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "stock:read",
            Self::Write => "stock:write",
            Self::Reserve => "stock:reserve",
            Self::Admin => "stock:admin",
            Self::ReadDeliveries => "acl:read",
            Self::Operate => "acl:operate",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Read => 1,
            Self::Write => 2,
            Self::Reserve => 4,
            Self::Admin => 8,
            Self::ReadDeliveries => 16,
            Self::Operate => 32,
        }
    }
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Scopes(u8);

impl Scopes {
    pub(in crate::http) const ALL: Self = Self(63);

    /// Those of these names that are known.
    pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let bits = names.filter_map(|name| Scope::ALL.into_iter().find(|s| s.as_str() == name));
        bits.collect()
    }

    /// Those of either.
    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(in crate::http) fn contains(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}
