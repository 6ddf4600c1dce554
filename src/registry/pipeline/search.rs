//! Finds the records of a batch that a sink never takes.

use std::ops::Range;

use crate::sinks::{Rejection, SinkError};

/// A record that the sink never takes, by its place.
pub type Refusal = (usize, SinkError);

/// A sink that refuses without saying which gets ever smaller parts, in their order,
/// until the culprits stand alone: for k of n records O(k log n) writes.
pub struct Search {
    /// What is still to be written, the next one last.
    parts: Vec<Range<usize>>,
    found: Vec<Refusal>,
}

impl Search {
    pub fn of(len: usize) -> Self {
        Self { parts: std::iter::once(0..len).collect(), found: Vec::new() }
    }

    /// What to write next.
    pub fn next(&mut self) -> Option<Range<usize>> {
        self.parts.pop()
    }

    /// What the sink rejected of `part`; places count from its start.
    pub fn rejected(&mut self, part: &Range<usize>, mut rejections: Vec<Rejection>) {
        rejections.sort_by_key(|r| r.records.start);
        for Rejection { records, fault } in rejections.into_iter().rev() {
            let start = part.start + records.start;
            let end = (part.start + records.end).min(part.end);
            match end.saturating_sub(start) {
                0 => {}
                1 => self.found.push((start, fault)),
                several => {
                    let middle = start + several / 2;
                    self.parts.extend([middle..end, start..middle]);
                }
            }
        }
    }

    pub fn has_found(&self) -> bool {
        !self.found.is_empty()
    }

    /// In the order of the batch.
    pub fn into_found(mut self) -> Vec<Refusal> {
        self.found.sort_by_key(|(at, _)| *at);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// Runs a search against a sink that tells no more than that a part has a culprit.
    /// Answers with what was found, what was written in which order, and the number of writes.
    fn search(len: usize, culprits: &BTreeSet<usize>) -> (Vec<usize>, Vec<usize>, usize) {
        let (mut search, mut written, mut writes) = (Search::of(len), Vec::new(), 0);
        while let Some(part) = search.next() {
            writes += 1;
            if part.clone().any(|at| culprits.contains(&at)) {
                let fault = SinkError::rejected("http_status", "422");
                search.rejected(&part, vec![Rejection { records: 0..part.len(), fault }]);
            } else {
                written.extend(part);
            }
        }
        (search.into_found().into_iter().map(|(at, _)| at).collect(), written, writes)
    }

    proptest! {
        #[test]
        fn the_culprits_are_found_and_all_others_written_once_and_in_order(
            len in 1_usize..2_000, places in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let culprits: BTreeSet<_> = places.iter().map(|place| place.index(len)).collect();
            let (found, written, writes) = search(len, &culprits);
            prop_assert_eq!(found, culprits.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(written, (0..len).filter(|at| !culprits.contains(at)).collect::<Vec<_>>());
            let depth = len.next_power_of_two().ilog2() as usize;
            prop_assert!(writes <= 1 + 2 * culprits.len() * depth, "{writes} writes for {culprits:?} of {len}");
        }
    }

    #[test]
    fn a_sink_that_knows_the_culprit_is_not_asked_again() {
        let mut search = Search::of(10);
        let part = search.next().expect("all");
        let fault = SinkError::rejected("record_too_large", "too large");
        search.rejected(
            &part,
            vec![Rejection { records: 7..8, fault: fault.clone() }, Rejection { records: 2..3, fault: fault.clone() }],
        );
        assert_eq!(search.next(), None);
        assert_eq!(search.into_found(), [(2, fault.clone()), (7, fault)]);
    }
}
