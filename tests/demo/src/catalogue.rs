//! The real input: the catalogue of stocks, and the days of the market.

use std::path::PathBuf;

use anyhow::Context;
use serde::Deserialize;

/// A company of the S&P 500.
#[derive(Debug, Deserialize)]
pub(crate) struct Company {
    #[serde(rename = "Symbol")]
    pub(crate) symbol: String,
    #[serde(rename = "Security")]
    pub(crate) name: String,
}

/// One day of one symbol.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Day {
    pub(crate) date: String,
    pub(crate) symbol: String,
    pub(crate) open: String,
    pub(crate) close: String,
    pub(crate) volume: u64,
}

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "data", name]
        .iter()
        .collect()
}

/// The catalogue, and the symbols of the market's days that have left it since.
pub(crate) fn companies(days: &[Day]) -> anyhow::Result<Vec<Company>> {
    let mut reader = csv::Reader::from_path(file("sp500-constituents.csv"))?;
    let companies: Result<Vec<Company>, _> = reader.deserialize().collect();
    let mut companies = companies.context("sp500-constituents.csv")?;
    for day in days {
        if !companies.iter().any(|company| company.symbol == day.symbol) {
            companies.push(Company {
                symbol: day.symbol.clone(),
                name: day.symbol.clone(),
            });
        }
    }
    Ok(companies)
}

/// The market's days, in the order of their dates.
pub(crate) fn days() -> anyhow::Result<Vec<Day>> {
    let mut reader = csv::Reader::from_path(file("market-days.csv"))?;
    let days: Result<Vec<Day>, _> = reader.deserialize().collect();
    days.context("market-days.csv")
}
