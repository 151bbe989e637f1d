//! Which offsets may be committed: behind the lowest one that is not finished, never the highest one seen.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A partition of a topic.
pub(super) type Partition = (String, i32);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Being worked on.
    Open,
    /// Given up without a result: it must come again, so nothing behind it may be committed.
    Abandoned,
}

#[derive(Debug)]
struct Assigned {
    generation: u64,
    unfinished: BTreeMap<i64, Progress>,
    /// Behind the last record that was handed out.
    next: i64,
}

#[derive(Debug, Default)]
struct State {
    generations: u64,
    partitions: HashMap<Partition, Assigned>,
}

/// The records that are out, per assigned partition.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    state: Mutex<State>,
    progressed: Condvar,
}

impl Offsets {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn assign(&self, partitions: impl IntoIterator<Item = Partition>) {
        let mut state = self.state();
        for partition in partitions {
            state.generations += 1;
            let assigned = Assigned {
                generation: state.generations,
                unfinished: BTreeMap::new(),
                next: 0,
            };
            state.partitions.insert(partition, assigned);
        }
    }

    /// Forgets the partitions: what is still out of them is no longer this consumer's to commit.
    pub(super) fn revoke(&self, partitions: &[Partition]) {
        let mut state = self.state();
        for partition in partitions {
            state.partitions.remove(partition);
        }
    }

    /// The number that tells this assignment of the partition from later ones; none if it is not assigned.
    pub(super) fn generation(&self, partition: &Partition) -> Option<u64> {
        let state = self.state();
        let assigned = state.partitions.get(partition)?;
        Some(assigned.generation)
    }

    /// Hands a record out; false if the assignment that it was read under has ended.
    pub(super) fn begin(&self, partition: &Partition, generation: u64, offset: i64) -> bool {
        let mut state = self.state();
        let assigned = state.partitions.get_mut(partition);
        let Some(assigned) = assigned.filter(|assigned| assigned.generation == generation) else {
            return false;
        };
        assigned.unfinished.insert(offset, Progress::Open);
        assigned.next = assigned.next.max(offset + 1);
        true
    }

    /// A record is finished. If that moves the offset to go on from after a restart, `store` is called with it, one call
    /// at a time, so that it never moves back.
    pub(super) fn finish(
        &self,
        partition: &Partition,
        generation: u64,
        offset: i64,
        store: impl FnOnce(i64),
    ) {
        let mut state = self.state();
        let assigned = state.partitions.get_mut(partition);
        let Some(assigned) = assigned.filter(|assigned| assigned.generation == generation) else {
            return;
        };
        let lowest = assigned.unfinished.keys().next().copied();
        assigned.unfinished.remove(&offset);
        if lowest == Some(offset) {
            store(
                assigned
                    .unfinished
                    .keys()
                    .next()
                    .copied()
                    .unwrap_or(assigned.next),
            );
        }
        self.progressed.notify_all();
    }

    /// A record was given up without a result.
    pub(super) fn abandon(&self, partition: &Partition, generation: u64, offset: i64) {
        let mut state = self.state();
        if let Some(assigned) = state.partitions.get_mut(partition)
            && assigned.generation == generation
        {
            assigned.unfinished.insert(offset, Progress::Abandoned);
            self.progressed.notify_all();
        }
    }

    /// Waits until nothing of these partitions is being worked on, at most for `patience`.
    pub(super) fn drain(&self, partitions: &[Partition], patience: Duration) {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        loop {
            let busy = partitions.iter().any(|partition| {
                state.partitions.get(partition).is_some_and(|assigned| {
                    let mut progress = assigned.unfinished.values();
                    progress.any(|progress| *progress == Progress::Open)
                })
            });
            let left = deadline.saturating_duration_since(Instant::now());
            if !busy || left.is_zero() {
                return;
            }
            let waited = self.progressed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All partitions that are assigned.
    pub(super) fn assigned(&self) -> Vec<Partition> {
        self.state().partitions.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> Partition {
        ("topic".to_owned(), 0)
    }

    fn finish(offsets: &Offsets, generation: u64, offset: i64) -> Option<i64> {
        let mut stored = None;
        offsets.finish(&partition(), generation, offset, |next| stored = Some(next));
        stored
    }

    #[test]
    fn the_position_is_the_lowest_unfinished_offset() {
        let offsets = Offsets::default();
        offsets.assign([partition()]);
        let generation = offsets.generation(&partition()).unwrap();
        for offset in [10, 11, 13] {
            assert!(offsets.begin(&partition(), generation, offset));
        }

        assert_eq!(finish(&offsets, generation, 11), None);
        assert_eq!(finish(&offsets, generation, 10), Some(13));
        assert_eq!(finish(&offsets, generation, 13), Some(14));
    }

    #[test]
    fn nothing_behind_an_abandoned_record_is_committed() {
        let offsets = Offsets::default();
        offsets.assign([partition()]);
        let generation = offsets.generation(&partition()).unwrap();
        for offset in [1, 2] {
            assert!(offsets.begin(&partition(), generation, offset));
        }

        offsets.abandon(&partition(), generation, 1);

        assert_eq!(finish(&offsets, generation, 2), None);
        // It is not being worked on any more, so nobody waits for it.
        offsets.drain(&[partition()], Duration::from_mins(1));
    }

    #[test]
    fn a_receipt_of_an_earlier_assignment_counts_for_nothing() {
        let offsets = Offsets::default();
        offsets.assign([partition()]);
        let earlier = offsets.generation(&partition()).unwrap();
        assert!(offsets.begin(&partition(), earlier, 1));
        offsets.revoke(&[partition()]);
        offsets.assign([partition()]);
        let later = offsets.generation(&partition()).unwrap();

        assert!(!offsets.begin(&partition(), earlier, 2));
        assert!(offsets.begin(&partition(), later, 1));
        assert_eq!(finish(&offsets, earlier, 1), None);
    }
}
