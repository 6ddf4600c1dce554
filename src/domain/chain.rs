//! The chain of the audit log: how an entry is hashed, what a checkpoint signs, and where a chain breaks.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Timestamp, canonical_json};

/// What the first entry of a chain follows.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// How checkpoints are signed.
pub const ED25519: &str = "Ed25519";
/// How far from its place an entry is looked for when it is in a wrong one.
const NEIGHBOURS: i64 = 1_000;

/// An entry of the audit log as it is stored. Values are kept as text, so that every byte counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChainEntry {
    pub org: String,
    pub seq: i64,
    pub project: String,
    pub datasource_id: Option<Uuid>,
    pub action: String,
    pub actor: String,
    pub source_address: Option<String>,
    pub request_id: String,
    pub reason: Option<String>,
    pub outcome: String,
    pub field: Option<String>,
    /// Canonical JSON.
    pub old_value: String,
    /// Canonical JSON.
    pub new_value: String,
    pub created_at: Timestamp,
    pub prev_hash: String,
    pub hash: String,
}

impl ChainEntry {
    /// SHA-256 over the canonical JSON of everything but the hash itself.
    pub fn digest(&self) -> String {
        self.digest_at(self.seq)
    }

    fn digest_at(&self, seq: i64) -> String {
        let body = json!({
            "org": self.org,
            "seq": seq,
            "project": self.project,
            "datasource": self.datasource_id,
            "action": self.action,
            "actor": self.actor,
            "source_address": self.source_address,
            "request_id": self.request_id,
            "reason": self.reason,
            "outcome": self.outcome,
            "field": self.field,
            "old": self.old_value,
            "new": self.new_value,
            "created_at": self.created_at.timestamp_micros(),
            "prev_hash": self.prev_hash,
        });
        hex::encode(Sha256::digest(canonical_json(&body).as_bytes()))
    }

    /// The number under which the entry would be intact, where that is another one.
    fn own_place(&self) -> Option<i64> {
        let around = (1..=NEIGHBOURS).flat_map(|n| [self.seq - n, self.seq + n]);
        around.filter(|seq| *seq > 0).find(|seq| self.digest_at(*seq) == self.hash)
    }
}

/// The signed head of a chain at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Checkpoint {
    pub org: String,
    /// The entry that was the last one.
    pub seq: i64,
    pub hash: String,
    /// The checkpoint before this one, so that none can be taken out; 0 for the first.
    pub previous: i64,
    pub created_at: Timestamp,
    pub algorithm: String,
    pub key_id: String,
    /// Base64 of the 32 bytes.
    pub public_key: String,
    /// Base64 of the 64 bytes.
    pub signature: String,
}

impl Checkpoint {
    /// What is signed.
    pub fn message(&self) -> String {
        canonical_json(&json!({
            "context": "datasource-studio/audit-checkpoint/v1",
            "org": self.org,
            "seq": self.seq,
            "hash": self.hash,
            "previous": self.previous,
            "created_at": self.created_at.timestamp_micros(),
            "algorithm": self.algorithm,
            "key_id": self.key_id,
        }))
    }
}

/// What is wrong at a place of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakKind {
    /// The entry is not what was hashed.
    Changed,
    /// Entries are gone.
    Missing,
    /// The entry stands in another one's place.
    Reordered,
    /// The entries hold together, but they are not those that were signed, or that this one followed.
    Rewritten,
    /// The end is gone.
    Truncated,
    /// A checkpoint is gone, is none, or is not signed by its key.
    Checkpoint,
    /// A checkpoint is signed by a key that is not known.
    UnknownKey,
    /// The entry belongs to another chain.
    Foreign,
}

/// The first place at which a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Break {
    pub kind: BreakKind,
    /// The entry, or the entry of the checkpoint.
    pub seq: i64,
    pub message: String,
}

impl Break {
    pub fn new(kind: BreakKind, seq: i64, message: impl Into<String>) -> Self {
        Self { kind, seq, message: message.into() }
    }
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Walks a chain from one end to the other, a checkpoint right after the entry that it signs.
#[derive(Clone, Debug)]
pub struct Walk {
    org: String,
    first: i64,
    last: i64,
    head: String,
    /// The last checkpoint; not known where the walk begins in the middle.
    checkpoint: Option<i64>,
    entries: u64,
    checkpoints: u64,
}

impl Walk {
    /// From entry `first`, which follows one with the hash `follows`.
    pub fn begin(org: impl Into<String>, first: i64, follows: impl Into<String>) -> Self {
        let checkpoint = (first <= 1).then_some(0);
        Self { org: org.into(), first, last: first - 1, head: follows.into(), checkpoint, entries: 0, checkpoints: 0 }
    }

    pub fn first(&self) -> i64 {
        self.first
    }

    /// The last entry that was seen.
    pub fn last(&self) -> i64 {
        self.last
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    pub fn checkpoints(&self) -> u64 {
        self.checkpoints
    }

    pub fn entry(&mut self, entry: &ChainEntry) -> Result<(), Break> {
        let next = self.last + 1;
        if entry.org != self.org {
            let message = format!("entry {} belongs to the chain of {:?}, not of {:?}", entry.seq, entry.org, self.org);
            return Err(Break::new(BreakKind::Foreign, entry.seq, message));
        }
        if entry.seq < next {
            let message = format!("entry {} comes again, or too late: entry {} is next", entry.seq, next);
            return Err(Break::new(BreakKind::Reordered, entry.seq, message));
        }
        if entry.seq > next {
            let gone = match entry.seq - next {
                1 => format!("entry {next} is missing"),
                _ => format!("entries {next} to {} are missing", entry.seq - 1),
            };
            return Err(Break::new(BreakKind::Missing, next, gone));
        }
        if entry.digest() != entry.hash {
            return Err(match entry.own_place() {
                Some(own) => {
                    let message = format!("entry {next} was moved here: it was written as entry {own}");
                    Break::new(BreakKind::Reordered, next, message)
                }
                None => {
                    Break::new(BreakKind::Changed, next, format!("entry {next} was changed: its hash does not fit it"))
                }
            });
        }
        if entry.prev_hash != self.head {
            let message = match self.last {
                0 => "entry 1 does not begin the chain: it follows something else".to_owned(),
                last => format!(
                    "entry {next} does not follow entry {last}: one of them was rewritten, with a hash that fits"
                ),
            };
            return Err(Break::new(BreakKind::Rewritten, next, message));
        }
        self.last = next;
        self.head.clone_from(&entry.hash);
        self.entries += 1;
        Ok(())
    }

    /// The place of a checkpoint; its signature is checked elsewhere.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Break> {
        let seq = checkpoint.seq;
        let refuse = |kind, message| Err(Break::new(kind, seq, message));
        if checkpoint.org != self.org {
            return refuse(BreakKind::Foreign, format!("the checkpoint of entry {seq} is of {:?}", checkpoint.org));
        }
        if seq > self.last {
            return self.ends_at(seq);
        }
        if seq < self.last {
            return refuse(
                BreakKind::Reordered,
                format!("the checkpoint of entry {seq} comes after entry {}", self.last),
            );
        }
        if checkpoint.hash != self.head {
            let message =
                format!("entries up to {seq} were rewritten: the checkpoint signed another hash of entry {seq}");
            return refuse(BreakKind::Rewritten, message);
        }
        if let Some(last) = self.checkpoint
            && checkpoint.previous != last
        {
            let message = match checkpoint.previous {
                0 => format!("the checkpoint of entry {seq} is the first, but there is one of entry {last}"),
                previous => format!("the checkpoint of entry {previous} is missing: that of entry {seq} follows it"),
            };
            return refuse(BreakKind::Checkpoint, message);
        }
        self.checkpoint = Some(seq);
        self.checkpoints += 1;
        Ok(())
    }

    /// The chain is known to reach up to `seq`.
    pub fn ends_at(&self, seq: i64) -> Result<(), Break> {
        if seq <= self.last {
            return Ok(());
        }
        let message = format!("the end is cut off: entries {} to {seq} are missing", self.last + 1);
        Err(Break::new(BreakKind::Truncated, self.last + 1, message))
    }

    /// The hash of the last entry is known to be `hash`.
    pub fn ends_with(&self, hash: &str) -> Result<(), Break> {
        if hash == self.head {
            return Ok(());
        }
        let message = format!("entry {} is not the one that the chain ended with", self.last);
        Err(Break::new(BreakKind::Rewritten, self.last, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(length: i64) -> Vec<ChainEntry> {
        let mut head = GENESIS.to_owned();
        let entries = (1..=length).map(|seq| {
            let mut entry = ChainEntry {
                org: "acme".into(),
                seq,
                project: "default".into(),
                datasource_id: None,
                action: format!("action {seq}"),
                actor: "admin".into(),
                source_address: None,
                request_id: "r".into(),
                reason: None,
                outcome: "success".into(),
                field: None,
                old_value: "null".into(),
                new_value: "1.10".into(),
                created_at: Timestamp::UNIX_EPOCH,
                prev_hash: head.clone(),
                hash: String::new(),
            };
            entry.hash = entry.digest();
            head.clone_from(&entry.hash);
            entry
        });
        entries.collect()
    }

    fn walk(entries: &[ChainEntry]) -> Result<Walk, (BreakKind, i64)> {
        let mut walk = Walk::begin("acme", 1, GENESIS);
        entries.iter().try_for_each(|e| walk.entry(e)).map_err(|b| (b.kind, b.seq))?;
        Ok(walk)
    }

    fn spoilt(spoil: impl FnOnce(&mut Vec<ChainEntry>)) -> Option<(BreakKind, i64)> {
        let mut entries = chain(6);
        spoil(&mut entries);
        walk(&entries).err()
    }

    #[test]
    fn each_way_to_spoil_a_chain_is_told_with_its_place() {
        assert_eq!(walk(&chain(6)).expect("intact").entries(), 6);
        assert_eq!(spoilt(|c| c[2].actor = "nobody".into()), Some((BreakKind::Changed, 3)));
        assert_eq!(spoilt(|c| c[2].new_value = "1.1".into()), Some((BreakKind::Changed, 3)), "every byte counts");
        assert_eq!(spoilt(|c| drop(c.remove(1))), Some((BreakKind::Missing, 2)));
        assert_eq!(spoilt(|c| c.swap(3, 4)), Some((BreakKind::Missing, 4)));
        let renumbered = |c: &mut Vec<ChainEntry>| {
            c.swap(3, 4);
            (c[3].seq, c[4].seq) = (4, 5);
        };
        assert_eq!(spoilt(renumbered), Some((BreakKind::Reordered, 4)));
        assert_eq!(spoilt(|c| c.insert(3, c[1].clone())), Some((BreakKind::Reordered, 2)));
        let rehashed = |c: &mut Vec<ChainEntry>| {
            c[2].actor = "nobody".into();
            c[2].hash = c[2].digest();
        };
        assert_eq!(spoilt(rehashed), Some((BreakKind::Rewritten, 4)));
        assert_eq!(spoilt(|c| c[0].org = "globex".into()), Some((BreakKind::Foreign, 1)));
    }

    #[test]
    fn an_end_that_is_cut_off_shows_where_the_end_is_known() {
        let walk = walk(&chain(4)).expect("intact");
        assert!(walk.ends_at(4).is_ok());
        let gone = walk.ends_at(6).expect_err("cut off");
        assert_eq!((gone.kind, gone.seq), (BreakKind::Truncated, 5));
        assert_eq!(gone.message, "the end is cut off: entries 5 to 6 are missing");
        assert!(walk.ends_with("another").is_err());
    }

    #[test]
    fn a_checkpoint_holds_its_entry_and_the_checkpoint_before_it() {
        let entries = chain(3);
        let of = |seq: usize, previous| Checkpoint {
            org: "acme".into(),
            seq: seq as i64,
            hash: entries[seq - 1].hash.clone(),
            previous,
            created_at: Timestamp::UNIX_EPOCH,
            algorithm: ED25519.into(),
            key_id: "k".into(),
            public_key: String::new(),
            signature: String::new(),
        };
        let mut walk = Walk::begin("acme", 1, GENESIS);
        walk.entry(&entries[0]).expect("intact");
        walk.checkpoint(&of(1, 0)).expect("its own");
        walk.entry(&entries[1]).expect("intact");
        let kind = |walk: &Walk, c: &Checkpoint| walk.clone().checkpoint(c).map_err(|b| b.kind);
        assert_eq!(kind(&walk, &of(2, 1)), Ok(()));
        assert_eq!(kind(&walk, &of(3, 1)), Err(BreakKind::Truncated));
        assert_eq!(kind(&walk, &of(1, 0)), Err(BreakKind::Reordered));
        assert_eq!(kind(&walk, &of(2, 0)), Err(BreakKind::Checkpoint), "the first was taken out of the second's past");
        let forged = Checkpoint { hash: GENESIS.into(), ..of(2, 1) };
        assert_eq!(kind(&walk, &forged), Err(BreakKind::Rewritten));
        assert_ne!(of(2, 1).message(), of(2, 0).message());
    }
}
