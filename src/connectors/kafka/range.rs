//! The part of some topics that is read again: by time, or by offsets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::look::Place;
use crate::connectors::ConnectorError;
use crate::domain::{BackfillRange, Timestamp};

const HELP: &str = "partition:offset, with topic/ before it where there are several topics, and commas between them, \
                    such as 0:1500,1:1420 or orders/0:1500";

/// Offsets from `next` up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) next: i64,
    pub(super) end: i64,
}

impl Span {
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.end - self.next).unwrap_or(0)
    }
}

pub(super) enum Range {
    /// Milliseconds since 1970; the second is exclusive.
    Times(Option<i64>, Option<i64>),
    /// The first and the last offset, by partition.
    Offsets(BTreeMap<Place, i64>, BTreeMap<Place, i64>),
}

impl Range {
    pub(super) fn read(range: &BackfillRange, topics: &[String]) -> Result<Self, ConnectorError> {
        if range.from_cursor.is_none() && range.to_cursor.is_none() {
            // Kafka gives negative times another meaning, and no message is older than 1970.
            let millis = |at: Option<Timestamp>| at.map(|at| at.timestamp_millis().max(0));
            return Ok(Self::Times(millis(range.from), millis(range.to)));
        }
        let parse = |name: &str, text: &Option<String>| {
            let places = text.as_deref().map(|text| places(text, topics)).transpose();
            let places = places.map_err(|why| unsupported(format!("{name} {why}")))?;
            Ok::<_, ConnectorError>(places.unwrap_or_default())
        };
        Ok(Self::Offsets(parse("fromCursor", &range.from_cursor)?, parse("toCursor", &range.to_cursor)?))
    }

    /// Whether a message of this time is wanted. Times need not grow along a partition.
    pub(super) fn admits(&self, millis: Option<i64>) -> bool {
        let (Self::Times(from, to), Some(at)) = (self, millis) else { return true };
        from.is_none_or(|from| at >= from) && to.is_none_or(|to| at < to)
    }
}

type Wanted = (Option<i64>, Option<i64>);

/// What is to be read of each partition that has something, given what there is and where the times of the range fall.
pub(super) fn spans(
    range: &Range,
    there: Vec<(Place, Span, Wanted)>,
) -> Result<BTreeMap<String, BTreeMap<i32, Span>>, ConnectorError> {
    if let Range::Offsets(from, to) = range {
        let known = |place: &&Place| there.iter().any(|(there, ..)| there == *place);
        if let Some((topic, partition)) = from.keys().chain(to.keys()).find(|place| !known(place)) {
            return Err(unsupported(format!("{topic} has no partition {partition}")));
        }
    }
    let mut found: BTreeMap<String, BTreeMap<i32, Span>> = BTreeMap::new();
    for (place, bounds, times) in there {
        let (from, to) = match range {
            Range::Times(..) => times,
            // A partition that is not named is not meant.
            Range::Offsets(from, to) => match (from.get(&place), to.get(&place)) {
                (None, None) => continue,
                (from, to) => (from.copied(), to.map(|last| last.saturating_add(1))),
            },
        };
        let next = from.unwrap_or(bounds.next).max(bounds.next);
        let end = to.unwrap_or(bounds.end).min(bounds.end);
        if next < end {
            found.entry(place.0).or_default().insert(place.1, Span { next, end });
        }
    }
    Ok(found)
}

fn places(text: &str, topics: &[String]) -> Result<BTreeMap<Place, i64>, String> {
    let mut found = BTreeMap::new();
    for part in text.split(',') {
        let help = || format!("must be {HELP}");
        let (place, offset) = part.trim().rsplit_once(':').ok_or_else(help)?;
        let (topic, partition) = match (place.rsplit_once('/'), topics) {
            (Some((topic, partition)), _) => (topic, partition),
            (None, [only]) => (only.as_str(), place),
            (None, _) => return Err(help()),
        };
        if !topics.iter().any(|known| known == topic) {
            return Err(format!("names the topic {topic}, which the settings do not"));
        }
        let partition: i32 = partition.parse().ok().filter(|p| *p >= 0).ok_or_else(help)?;
        let offset: i64 = offset.parse().ok().filter(|o| *o >= 0).ok_or_else(help)?;
        if found.insert((topic.to_owned(), partition), offset).is_some() {
            return Err(format!("names partition {partition} of {topic} twice"));
        }
    }
    Ok(found)
}

fn unsupported(message: String) -> ConnectorError {
    ConnectorError::permanent("range_unsupported", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: Option<&str>, to: Option<&str>, topics: &[&str]) -> Result<Range, ConnectorError> {
        let topics: Vec<_> = topics.iter().map(|t| (*t).to_owned()).collect();
        let text = |t: Option<&str>| t.map(str::to_owned);
        Range::read(
            &BackfillRange { from_cursor: text(from), to_cursor: text(to), ..BackfillRange::default() },
            &topics,
        )
    }

    fn there(partition: i32, next: i64, end: i64, wanted: Wanted) -> (Place, Span, Wanted) {
        (("orders".to_owned(), partition), Span { next, end }, wanted)
    }

    #[test]
    fn offsets_are_cut_to_what_there_is_and_other_partitions_are_left_alone() {
        let range = range(Some("0:5,1:0"), Some("0:7"), &["orders"]).expect("a range");
        let partitions =
            vec![there(0, 0, 100, (None, None)), there(1, 10, 20, (None, None)), there(2, 0, 9, (None, None))];
        let found = spans(&range, partitions).expect("a plan");
        let expected = [(0, Span { next: 5, end: 8 }), (1, Span { next: 10, end: 20 })];
        assert_eq!(found["orders"], BTreeMap::from(expected));
    }

    #[test]
    fn a_partition_without_a_message_in_the_time_is_not_read() {
        let range = Range::Times(Some(1_000), Some(2_000));
        let partitions = vec![there(0, 0, 100, (Some(40), Some(60))), there(1, 0, 100, (Some(100), Some(100)))];
        let found = spans(&range, partitions).expect("a plan");
        assert_eq!(found["orders"], BTreeMap::from([(0, Span { next: 40, end: 60 })]));
        assert!(range.admits(Some(1_000)) && range.admits(None));
        assert!(!range.admits(Some(999)) && !range.admits(Some(2_000)));
    }

    /// -1 and -2 would name the end and the beginning.
    #[test]
    fn a_time_before_1970_is_the_beginning_of_time() {
        let range: BackfillRange = serde_json::from_str(r#"{"from": "1969-12-31T23:59:59.999Z"}"#).expect("a range");
        assert!(matches!(Range::read(&range, &[]).expect("times"), Range::Times(Some(0), None)));
    }

    #[test]
    fn what_is_no_offset_is_refused_with_an_example() {
        for wrong in ["", "5", "0:", ":5", "0:-1", "-1:5", "a:b", "0:1,,", "0:99999999999999999999"] {
            let error = range(Some(wrong), None, &["orders"]).err().expect(wrong);
            assert_eq!(error.code, "range_unsupported");
            assert!(error.message.contains("0:1500,1:1420"), "{error}");
        }
        assert!(range(Some("0:1"), None, &["orders", "returns"]).is_err(), "which topic?");
        assert!(range(Some("returns/0:1"), None, &["orders", "returns"]).is_ok());
        assert!(range(Some("refunds/0:1"), None, &["orders"]).is_err());
        assert!(range(None, Some("0:1,0:2"), &["orders"]).is_err());
        let absent = range(Some("7:1"), None, &["orders"]).expect("well-formed");
        let error = spans(&absent, vec![there(0, 0, 9, (None, None))]).expect_err("no partition 7");
        assert_eq!(error.message, "orders has no partition 7");
    }
}
