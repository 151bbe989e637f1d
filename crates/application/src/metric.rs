//! Everything that is measured: of each metric its name, kind, labels and what it says.
//!
//! Units are Prometheus's base units and part of the name (`_seconds`, `_bytes`). Labels are bounded: no ids, quantities or
//! symbols; each says how many values it may have.

pub mod acl;
pub mod both;
pub mod virtual_stock;

/// What kind of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until the process starts again.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How often values fell into which range.
    Histogram,
}

/// What tells the series of a metric apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Most values that it may have in one process.
    pub most: usize,
}

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What kind of figure it is.
    pub kind: Kind,
    /// What tells its series apart.
    pub labels: &'static [Label],
    /// What it says.
    pub help: &'static str,
}

impl Metric {
    /// The unit, as the name ends.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let name = self.name.trim_end_matches("_total");
        let units = ["seconds", "bytes", "commands", "events"];
        let unit = units.into_iter().find(|unit| name.ends_with(unit));
        unit.unwrap_or("1")
    }
}

/// Declares metrics, and `ALL` of them.
macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $id:ident: $kind:ident $name:literal $({ $($label:ident: $most:literal),+ })?;)+) => {
        $(
            $(#[doc = $help])+
            pub const $id: $crate::metric::Metric = $crate::metric::Metric {
                name: $name,
                kind: $crate::metric::Kind::$kind,
                labels: &[$($($crate::metric::Label { name: stringify!($label), most: $most }),+)?],
                help: concat!($($help),+).trim_ascii_start(),
            };
        )+

        /// All of them.
        pub const ALL: &[$crate::metric::Metric] = &[$($id),+];
    };
}
use metrics;
