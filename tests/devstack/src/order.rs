//! The checker of invariants 2 and 4: nothing lost, nothing out of order per stock, repeats byte-identical.

use std::collections::{BTreeMap, HashMap};

/// One record of a topic, in the order of its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The stock.
    pub stock_id: String,
    /// Its version.
    pub version: u64,
    /// The event.
    pub event_id: String,
    /// The value, or a digest of it.
    pub payload: Vec<u8>,
}

/// What the checker has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checked {
    /// Events seen, repeats not counted.
    pub events: usize,
    /// Records that repeat an event.
    pub repeats: usize,
    /// Versions that never came.
    pub lost: usize,
    /// First occurrences that came after a later version's.
    pub out_of_order: usize,
    /// Repeats that are not what came first.
    pub different: usize,
}

/// Checks one topic that carries everything: `expected` is the newest version of each stock. Sightings of one stock must
/// be in the order of its partition.
#[must_use]
pub fn check(sightings: &[Sighting], expected: &BTreeMap<String, u64>) -> Checked {
    let mut first: HashMap<(&str, u64), &Sighting> = HashMap::new();
    let mut highest: HashMap<&str, u64> = HashMap::new();
    let mut checked = Checked::default();
    for sighting in sightings {
        let event = (sighting.stock_id.as_str(), sighting.version);
        if let Some(earlier) = first.get(&event) {
            checked.repeats += 1;
            checked.different += usize::from(*earlier != sighting);
            continue;
        }
        first.insert(event, sighting);
        checked.events += 1;
        let highest = highest.entry(event.0).or_default();
        checked.out_of_order += usize::from(sighting.version < *highest);
        *highest = sighting.version.max(*highest);
    }
    for (stock, newest) in expected {
        let seen = (1..=*newest).filter(|version| first.contains_key(&(stock.as_str(), *version)));
        checked.lost += usize::try_from(*newest).unwrap_or(usize::MAX) - seen.count();
    }
    checked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(versions: &[u64]) -> Vec<Sighting> {
        let sighting = |version: &u64| Sighting {
            stock_id: "STK-1".to_owned(),
            version: *version,
            event_id: version.to_string(),
            payload: vec![],
        };
        versions.iter().map(sighting).collect()
    }

    #[test]
    fn the_checker_turns_red_on_each_kind_of_fault() {
        let expected = BTreeMap::from([("STK-1".to_owned(), 4)]);
        let counts = |versions: &[u64]| {
            let checked = check(&seen(versions), &expected);
            (checked.lost, checked.out_of_order, checked.repeats)
        };

        assert_eq!(counts(&[1, 2, 3, 4]), (0, 0, 0));
        assert_eq!(counts(&[1, 2, 3, 2, 3, 4]), (0, 0, 2));
        assert_eq!(counts(&[1, 2, 4]), (1, 0, 0));
        assert_eq!(counts(&[1, 3, 2, 4]), (0, 1, 0));
        let mut changed = seen(&[1, 2, 3, 4, 4]);
        changed[4].payload = vec![1];
        assert_eq!(check(&changed, &expected).different, 1);
    }
}
