use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn key(n: usize) -> WorkerKey {
    // Three workers a datasource, so that some share one.
    WorkerKey { datasource_id: Uuid::from_u128(n as u128 / 3), slot: u16::try_from(n % 3).unwrap_or(0) }
}

/// Who has which worker, as a cluster would have it in its database.
#[derive(Clone, Debug)]
struct World {
    nodes: Vec<&'static str>,
    holders: Vec<Option<&'static str>>,
}

impl World {
    fn decide(&self, me: &str) -> Decision {
        let seat = |holder: &Option<&'static str>| holder.map_or(Seat::Free { neglected: false }, Seat::Held);
        let workers: Vec<_> = self.holders.iter().enumerate().map(|(n, holder)| (key(n), seat(holder))).collect();
        decide(me, &self.nodes, &workers)
    }

    /// Every node looks at the same moment and then does what it decided: of two that reach for one, the first has it.
    fn step(&mut self) -> bool {
        let decisions: Vec<_> = self.nodes.iter().map(|me| (*me, self.decide(me))).collect();
        let place: HashMap<_, _> = (0..self.holders.len()).map(|n| (key(n), n)).collect();
        let mut moved = false;
        for (me, decision) in decisions {
            for key in decision.give {
                self.holders[place[&key]] = None;
                moved = true;
            }
            for key in decision.take {
                self.holders[place[&key]].get_or_insert(me);
                moved = true;
            }
        }
        moved
    }

    fn counts(&self) -> Vec<usize> {
        self.nodes.iter().map(|node| self.holders.iter().filter(|h| **h == Some(*node)).count()).collect()
    }
}

fn worlds() -> impl Strategy<Value = World> {
    (1..=NAMES.len(), prop::collection::vec(0..=NAMES.len(), 0..200)).prop_map(|(nodes, seats)| {
        let nodes = NAMES[..nodes].to_vec();
        let holders = seats.into_iter().map(|seat| nodes.get(seat).copied()).collect();
        World { nodes, holders }
    })
}

proptest! {
    #[test]
    fn shares_cover_all_and_differ_by_one_at_most(counts in prop::collection::vec(0_usize..300, 1..=6), more in 0_usize..50) {
        let held: BTreeMap<_, _> = NAMES.into_iter().zip(counts).collect();
        let total = held.values().sum::<usize>() + more;
        let shares: Vec<_> = shares(total, &held).into_values().collect();
        prop_assert_eq!(shares.iter().sum::<usize>(), total);
        prop_assert!(shares.iter().max().unwrap_or(&0) - shares.iter().min().unwrap_or(&0) <= 1);
    }

    /// However the workers lie, nodes that all look at once come to rest, with none left over and none too full.
    #[test]
    fn it_comes_to_rest(mut world in worlds()) {
        let mut steps = 0;
        while world.step() {
            steps += 1;
            prop_assert!(steps < 200, "still moving: {:?}", world.counts());
        }
        prop_assert!(world.holders.iter().all(Option::is_some), "every worker runs");
        let counts = world.counts();
        prop_assert!(counts.iter().max().unwrap_or(&0) - counts.iter().min().unwrap_or(&0) <= 1, "{:?}", counts);
    }

    /// A node that goes costs no more moves than it had workers.
    #[test]
    fn what_stays_is_not_moved(mut world in worlds()) {
        while world.step() {}
        let before = world.holders.clone();
        let Some(gone) = world.nodes.pop() else { return Ok(()) };
        if world.nodes.is_empty() {
            return Ok(());
        }
        for holder in world.holders.iter_mut().filter(|holder| **holder == Some(gone)) {
            *holder = None;
        }
        while world.step() {}
        for (before, after) in before.iter().zip(&world.holders) {
            prop_assert!(*before == Some(gone) || before == after);
        }
    }

    /// A worker is taken or given by whom it concerns, and by nobody twice.
    #[test]
    fn only_what_is_free_is_taken_and_only_what_is_held_is_given(world in worlds()) {
        for me in &world.nodes {
            let Decision { take, give } = world.decide(me);
            prop_assert!(take.is_empty() || give.is_empty());
            let mut seen = BTreeSet::new();
            for (n, holder) in world.holders.iter().enumerate() {
                prop_assert!(!take.contains(&key(n)) || holder.is_none());
                prop_assert!(!give.contains(&key(n)) || *holder == Some(me));
                seen.extend(take.contains(&key(n)).then_some(n));
            }
            prop_assert_eq!(seen.len(), take.len());
        }
    }
}

#[test]
fn what_nobody_takes_is_taken_beyond_the_share() {
    let full: Vec<_> = (0..4).map(|n| (key(n), Seat::Held("a"))).collect();
    let mut workers = full.clone();
    workers.push((key(4), Seat::Free { neglected: false }));
    assert_eq!(decide("a", &["a", "b"], &workers).take, []);
    workers[4].1 = Seat::Free { neglected: true };
    assert_eq!(decide("a", &["a", "b"], &workers).take, [key(4)]);
}

#[test]
fn workers_of_one_datasource_part_first() {
    // Datasource 0 has its three workers here, datasource 1 one.
    let workers: Vec<_> = (0..4).map(|n| (key(n), Seat::Held("a"))).collect();
    let give = decide("a", &["a", "b"], &workers).give;
    assert_eq!(give.len(), 2);
    assert!(give.iter().all(|k| k.datasource_id == key(0).datasource_id), "{give:?}");
}

#[test]
fn a_dead_nodes_workers_are_waited_for_and_shared() {
    let workers: Vec<_> = (0..6).map(|n| (key(n), Seat::Held("dead"))).collect();
    assert_eq!(decide("a", &["a", "b"], &workers), Decision::default());
    let free: Vec<_> = (0..6).map(|n| (key(n), Seat::Free { neglected: false })).collect();
    assert_eq!(decide("a", &["a", "b"], &free).take.len(), 3);
}
