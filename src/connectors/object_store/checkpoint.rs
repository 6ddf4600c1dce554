//! Which objects are done, and how far the one in hand is.
//!
//! Objects are read by age. What is done is remembered by identity for a while, because a store may show an object late
//! with an early time; what is older than all that is remembered is done by its age alone.

use std::collections::HashSet;

use object_store::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// How long after a younger object was read an older one may still appear.
const LATE: i64 = 3_600_000;
/// Most objects that are remembered one by one.
const REMEMBERED: usize = 2_000;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Checkpoint {
    /// All objects up to this place are done.
    #[serde(skip_serializing_if = "Option::is_none")]
    floor: Option<Place>,
    /// Objects above the floor that are done, oldest first.
    done: Vec<Done>,
    /// The object in hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current: Option<Current>,
    /// The last object that a backfill reads, known from its first listing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<Place>,
}

/// Where an object stands in the order of reading: its time in milliseconds, then its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Place(i64, String);

impl Place {
    pub(super) fn of(object: &ObjectMeta) -> Self {
        Self(object.last_modified.timestamp_millis(), object.location.to_string())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Done {
    id: String,
    place: Place,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Current {
    pub(super) id: String,
    pub(super) name: String,
    /// Decompressed bytes of the records that are delivered.
    pub(super) offset: u64,
}

/// Names one state of an object: what is written anew under the same name is another.
pub(super) fn identity(object: &ObjectMeta) -> String {
    let mut hash = Sha256::new();
    let tag = object.e_tag.clone();
    let tag = tag.unwrap_or_else(|| format!("{}-{}", object.last_modified.timestamp_micros(), object.size));
    for part in [object.location.as_ref(), &tag] {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hex::encode(&hash.finalize()[..8])
}

impl Checkpoint {
    /// A checkpoint of another form than ours means a first scan.
    pub(super) fn read(stored: Option<&Value>) -> Self {
        stored.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }

    pub(super) fn to_value(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }

    /// Tells of many objects which ones are done.
    pub(super) fn judge(&self) -> impl Fn(&ObjectMeta) -> bool + '_ {
        let known: HashSet<&str> = self.done.iter().map(|done| done.id.as_str()).collect();
        move |object| {
            self.floor.as_ref().is_some_and(|floor| Place::of(object) <= *floor)
                || known.contains(identity(object).as_str())
        }
    }

    /// How many bytes of an object are delivered already.
    pub(super) fn offset(&self, object: &ObjectMeta) -> u64 {
        let id = identity(object);
        self.current.as_ref().filter(|current| current.id == id).map_or(0, |current| current.offset)
    }

    /// The same with this object in hand, delivered up to `offset`.
    pub(super) fn at(&self, object: &ObjectMeta, offset: u64) -> Self {
        let current = Current { id: identity(object), name: object.location.to_string(), offset };
        Self { current: Some(current), ..self.clone() }
    }

    /// The same with this object done.
    pub(super) fn finished(&self, object: &ObjectMeta) -> Self {
        let mut next = Self { current: None, ..self.clone() };
        let done = Done { id: identity(object), place: Place::of(object) };
        let at = next.done.partition_point(|other| other.place <= done.place);
        next.done.insert(at, done);
        let newest = next.done.last().map_or(0, |done| done.place.0);
        let late = next.done.partition_point(|done| done.place.0 < newest - LATE);
        let forgotten = late.max(next.done.len().saturating_sub(REMEMBERED));
        if let Some(last) = next.done.drain(..forgotten).next_back() {
            next.floor = next.floor.max(Some(last.place));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn object(name: &str, seconds: i64, tag: &str) -> ObjectMeta {
        ObjectMeta {
            location: name.into(),
            last_modified: DateTime::from_timestamp(seconds, 0).expect("a time"),
            size: 1,
            e_tag: Some(tag.to_owned()),
            version: None,
        }
    }

    fn stored(checkpoint: &Checkpoint) -> Checkpoint {
        Checkpoint::read(checkpoint.to_value().as_ref())
    }

    #[test]
    fn an_object_is_done_once_and_its_next_state_is_another() {
        let a = object("a", 1_000, "v1");
        let checkpoint = stored(&Checkpoint::default().finished(&a));
        assert!(checkpoint.judge()(&a));
        assert!(!checkpoint.judge()(&object("a", 2_000, "v2")));
        assert!(!checkpoint.judge()(&object("b", 1_000, "v1")));
    }

    #[test]
    fn an_object_that_shows_late_is_still_read() {
        let checkpoint = Checkpoint::default().finished(&object("young", 10_000, "v1"));
        assert!(!checkpoint.judge()(&object("old", 9_000, "v1")));
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_stays_done() {
        let all: Vec<_> = (0..3_000).map(|n| object(&format!("{n:05}"), 1_000, "v1")).collect();
        let checkpoint = all.iter().fold(Checkpoint::default(), |checkpoint, object| checkpoint.finished(object));
        assert_eq!(checkpoint.done.len(), REMEMBERED);
        let checkpoint = stored(&checkpoint);
        assert!(all.iter().all(checkpoint.judge()));
        assert!(!checkpoint.judge()(&object("99999", 1_000, "v1")), "of the same second, and new");

        let later = checkpoint.finished(&object("later", 100_000, "v1"));
        assert_eq!(later.done.len(), 1, "what cannot show late any more needs no memory");
        assert!(all.iter().all(later.judge()));
    }

    #[test]
    fn an_offset_belongs_to_one_state_of_an_object() {
        let a = object("a", 1_000, "v1");
        let checkpoint = stored(&Checkpoint::default().at(&a, 77));
        assert_eq!(checkpoint.offset(&a), 77);
        assert_eq!(checkpoint.offset(&object("a", 2_000, "v2")), 0);
        assert_eq!(checkpoint.finished(&a).offset(&a), 0);
    }

    #[test]
    fn a_foreign_checkpoint_means_a_first_scan() {
        for foreign in [serde_json::json!(7), serde_json::json!({"done": 5}), serde_json::json!([])] {
            assert_eq!(Checkpoint::read(Some(&foreign)), Checkpoint::default(), "{foreign}");
        }
    }
}
