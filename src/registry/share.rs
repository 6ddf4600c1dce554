//! How workers are spread over nodes. Every node decides for itself, from what all can see;
//! this knows no clock and does no IO.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap};
use std::hash::{Hash, Hasher};

use uuid::Uuid;

use crate::store::lease::WorkerKey;

/// Where a worker is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat<'a> {
    /// Whether it has been free for so long that those who should have taken it cannot.
    Free { neglected: bool },
    /// On a node, which may be dead: then it is free soon.
    Held(&'a str),
}

/// What a node takes, and what it gives away.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) take: Vec<WorkerKey>,
    pub(super) give: Vec<WorkerKey>,
}

/// What `me` does about `workers` next to the live nodes, of which it is one.
///
/// Below its share it takes what is free. Above it, it gives away, a part at a time. What is
/// neglected it takes in any case: better a node too full than a worker nowhere.
pub(super) fn decide(me: &str, nodes: &[&str], workers: &[(WorkerKey, Seat<'_>)]) -> Decision {
    let mut held: BTreeMap<&str, usize> = nodes.iter().map(|node| (*node, 0)).collect();
    held.entry(me).or_default();
    let mut of_datasource: HashMap<Uuid, usize> = HashMap::new();
    let (mut mine, mut free, mut neglected) = (Vec::new(), Vec::new(), Vec::new());
    for (key, seat) in workers {
        match seat {
            Seat::Held(node) => {
                if let Some(count) = held.get_mut(node) {
                    *count += 1;
                }
                if *node == me {
                    mine.push(*key);
                    *of_datasource.entry(key.datasource_id).or_default() += 1;
                }
            }
            Seat::Free { neglected: true } => neglected.push(*key),
            Seat::Free { neglected: false } => free.push(*key),
        }
    }
    let share = shares(workers.len(), &held).get(me).copied().unwrap_or(0);
    // Workers of one datasource are better on several nodes; otherwise every node begins elsewhere,
    // so that two that look at once do not reach for the same.
    let crowd = |key: &WorkerKey| of_datasource.get(&key.datasource_id).copied().unwrap_or(0);
    let mut take = neglected;
    let room = share.saturating_sub(mine.len() + take.len());
    free.sort_by_cached_key(|key| (crowd(key), lot(me, key)));
    take.extend(free.into_iter().take(room));
    let excess = mine.len().saturating_sub(share);
    mine.sort_by_cached_key(|key| (std::cmp::Reverse(crowd(key)), lot(me, key)));
    mine.truncate(excess.min((excess / 8).max(4)));
    Decision { take, give: mine }
}

/// How many of `total` workers each node should have: as even as can be, and the odd ones
/// where most are already, so that nothing moves for the sake of it.
fn shares<'a>(total: usize, held: &BTreeMap<&'a str, usize>) -> BTreeMap<&'a str, usize> {
    let count = held.len().max(1);
    let (even, odd) = (total / count, total % count);
    let mut nodes: Vec<_> = held.iter().collect();
    nodes.sort_by_key(|(name, workers)| (std::cmp::Reverse(**workers), **name));
    nodes.into_iter().enumerate().map(|(rank, (name, _))| (*name, even + usize::from(rank < odd))).collect()
}

fn lot(node: &str, key: &WorkerKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (node, key).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
