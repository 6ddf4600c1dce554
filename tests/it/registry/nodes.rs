//! Several nodes on one PostgreSQL: how they share the work, and what one does when another goes, sleeps or comes back.

use std::collections::{BTreeMap, BTreeSet};

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::numbers;
use super::source::{HttpSource, poller, poller_datasource};
use crate::harness::server::delivered;
use crate::harness::{Client, Database, Kind, Process, Sql, eventually};

/// Processes by their names, each with a data directory of its own.
struct Fleet {
    nodes: BTreeMap<&'static str, Process>,
    sql: Sql,
    database: Database,
}

impl Fleet {
    async fn start(names: &[&'static str]) -> Self {
        let database = Database::create(Kind::Postgres).await;
        let first = spawn(&database, names[0]);
        first.ready().await;
        let mut fleet = Self { nodes: BTreeMap::new(), sql: database.sql().await, database };
        fleet.nodes.insert(names[0], first);
        for name in &names[1..] {
            fleet.add(name).await;
        }
        fleet
    }

    async fn add(&mut self, name: &'static str) {
        let process = spawn(&self.database, name);
        process.ready().await;
        self.nodes.insert(name, process);
    }

    fn admin(&self) -> Client {
        self.nodes.values().next().expect("a node").client(Role::Admin)
    }

    /// How many workers each node holds.
    async fn shares(&self) -> BTreeMap<String, usize> {
        let held = "SELECT node FROM datasource_state WHERE node IS NOT NULL \
                    UNION ALL SELECT node FROM worker_slots WHERE node IS NOT NULL";
        let mut shares = BTreeMap::new();
        for node in self.sql.column::<String>(held).await {
            *shares.entry(node).or_default() += 1;
        }
        shares
    }

    /// Waits until the nodes hold so many each.
    async fn settles(&self, expected: &[(&str, usize)]) {
        let expected: BTreeMap<_, _> = expected.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect();
        eventually(&format!("the shares are {expected:?}"), || async {
            (self.shares().await == expected).then_some(())
        })
        .await;
    }

    async fn holder(&self, id: &str) -> String {
        let held = format!("SELECT node FROM datasource_state WHERE datasource_id = '{id}'");
        self.sql.column::<String>(&held).await.pop().expect("a node")
    }

    /// Waits until what was delivered is behind the checkpoint.
    async fn reached(&self, id: &str, cursor: i64) {
        eventually("the checkpoint follows", || async {
            (self.admin().state(id).await["checkpoint"]["cursor"] == cursor).then_some(())
        })
        .await;
    }

    async fn epoch(&self, id: &str) -> i64 {
        self.sql.number(&format!("SELECT lease_epoch FROM datasource_state WHERE datasource_id = '{id}'")).await
    }

    /// What a node delivered.
    fn sunk(&self, node: &str, id: &str) -> Vec<i64> {
        numbers(&delivered(&self.database.data_dir.path().join(node).join("out").join("acme").join(id)))
    }

    /// Waits until all nodes together delivered at least the numbers up to `upto`; answers with all that they did.
    async fn arrived(&self, id: &str, upto: i64) -> Vec<i64> {
        eventually(&format!("{upto} numbers arrive"), || async {
            let all: Vec<_> = ["a", "b", "c"].iter().flat_map(|node| self.sunk(node, id)).collect();
            (all.iter().copied().collect::<BTreeSet<_>>() == (1..=upto).collect()).then_some(all)
        })
        .await
    }
}

fn spawn(database: &Database, name: &str) -> Process {
    let flags = ["--node-name", name, "--lease-ttl", "3s", "--heartbeat-interval", "500ms"];
    let flags = [&flags[..], &["--reconcile-interval", "500ms"]].concat();
    Process::spawn(database, &database.data_dir.path().join(name), &flags)
}

/// Workers move to nodes that come, away from those that go, and nothing is read twice on the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_share_the_workers_whoever_comes_and_goes() {
    let source = HttpSource::of_items(10).await;
    let mut fleet = Fleet::start(&["a"]).await;
    let admin = fleet.admin();
    let mut ids = Vec::new();
    for n in 0..6 {
        let id = poller_datasource(&admin, &format!("numbers {n}"), poller(&source.url)).await;
        admin.publish(&id).await;
        ids.push(id);
    }
    fleet.settles(&[("a", 6)]).await;

    fleet.add("b").await;
    fleet.settles(&[("a", 3), ("b", 3)]).await;
    fleet.add("c").await;
    fleet.settles(&[("a", 2), ("b", 2), ("c", 2)]).await;
    source.has_items(20);
    for id in &ids {
        let all = fleet.arrived(id, 20).await;
        assert_eq!(all.len(), 20, "a worker that moved reads nothing twice");
    }

    let leaving = fleet.nodes.remove("c").expect("it runs");
    let well = tokio::task::spawn_blocking(move || leaving.terminate()).await.expect("it ends");
    assert!(well, "a node that goes ends well");
    assert_eq!(fleet.sql.number("SELECT count(*) FROM nodes WHERE name = 'c'").await, 0, "it says that it goes");
    fleet.settles(&[("a", 3), ("b", 3)]).await;

    fleet.nodes.remove("b").expect("it runs").kill();
    fleet.settles(&[("a", 6)]).await;
    eventually("the metrics say so", || async {
        let metrics = reqwest::get(format!("{}/metrics", fleet.nodes["a"].url)).await.ok()?.text().await.ok()?;
        let given = metrics.contains("registry_lease_events_total{event=\"released\"} 4\n");
        (metrics.contains("registry_lease_held 6\n") && given).then_some(())
    })
    .await;
    source.has_items(30);
    for id in &ids {
        fleet.arrived(id, 30).await;
    }
}

/// Whoever was stopped past the end of its lease finds another in its place, and leaves it alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_overslept_writes_nothing() {
    let source = HttpSource::of_items(10).await;
    let fleet = Fleet::start(&["a", "b"]).await;
    let id = poller_datasource(&fleet.admin(), "numbers", poller(&source.url)).await;
    fleet.admin().publish(&id).await;
    fleet.arrived(&id, 10).await;
    fleet.reached(&id, 10).await;
    let holder = fleet.holder(&id).await;
    let (other, epoch) = (if holder == "a" { "b" } else { "a" }, fleet.epoch(&id).await);

    fleet.nodes[holder.as_str()].pause();
    eventually("the other node takes over", || async { (fleet.holder(&id).await == other).then_some(()) }).await;
    source.has_items(20);
    fleet.arrived(&id, 20).await;
    fleet.nodes[holder.as_str()].resume();
    source.has_items(30);
    let client = fleet.nodes[other].client(Role::Admin);
    eventually("the sleeper is back among the nodes", || async {
        let alive = format!("SELECT count(*) FROM nodes WHERE name = '{holder}' AND alive_until > now()");
        (fleet.sql.number(&alive).await == 1).then_some(())
    })
    .await;
    fleet.arrived(&id, 30).await;

    assert_eq!(fleet.sunk(&holder, &id), (1..=10).collect::<Vec<_>>(), "it delivered nothing after its sleep");
    assert_eq!(fleet.sunk(other, &id), (11..=30).collect::<Vec<_>>(), "and nothing was taken back");
    assert_eq!((fleet.holder(&id).await.as_str(), fleet.epoch(&id).await), (other, epoch + 1));
    assert_eq!(client.state(&id).await["workerStatus"], "RUNNING");
}

/// A process that died and comes back under its name takes up its own work at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_goes_on_with_its_work() {
    let source = HttpSource::of_items(10).await;
    let mut fleet = Fleet::start(&["a"]).await;
    let id = poller_datasource(&fleet.admin(), "numbers", poller(&source.url)).await;
    fleet.admin().publish(&id).await;
    fleet.arrived(&id, 10).await;
    fleet.reached(&id, 10).await;
    let epoch = fleet.epoch(&id).await;
    fleet.nodes.remove("a").expect("it runs").kill();
    fleet.add("a").await;
    source.has_items(20);
    assert_eq!(fleet.arrived(&id, 20).await.len(), 20, "from where it was");
    assert!(fleet.epoch(&id).await > epoch, "what the dead process might still write is refused");
}

/// Of a source that hands each message to one of several readers, every node reads a part.
#[cfg(feature = "nats")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_read_on_every_node() {
    use crate::connectors::nats_server::NatsServer;

    const FIRST: i64 = 300;
    let nats = NatsServer::start(&[]).await;
    nats.stream("orders").await;
    let mut fleet = Fleet::start(&["a", "b", "c"]).await;
    let admin = fleet.admin();
    let config = json!({
        "connector": {
            "type": "nats", "servers": [nats.address()],
            "subscription": { "type": "jetstream", "stream": "orders", "ack_wait": "2s", "batch": 5 },
        },
        "mapping": { "outputs": [{ "kind": "item", "id": "$.n", "fields": { "n": "$.n" } }] },
        "runtime": { "parallelism": 3 },
    });
    let made = admin.mutate(
        "createDatasource",
        json!({ "name": "orders", "type": "nats", "config": config }),
        "datasource { id }",
    );
    let id = made.await["datasource"]["id"].as_str().expect("an id").to_owned();
    admin.publish(&id).await;
    fleet.settles(&[("a", 1), ("b", 1), ("c", 1)]).await;
    eventually("all three read", || async {
        let running = "SELECT count(*) FROM worker_slots WHERE observed = 'running'";
        (fleet.sql.number(running).await == 2).then_some(())
    })
    .await;
    nats.publish("orders.eu", 1..=FIRST).await;
    fleet.arrived(&id, FIRST).await;
    for node in ["a", "b", "c"] {
        assert!(!fleet.sunk(node, &id).is_empty(), "{node} reads a part");
    }

    let victim = if fleet.holder(&id).await == "c" { "b" } else { "c" };
    fleet.nodes.remove(victim).expect("it runs").kill();
    nats.publish("orders.eu", FIRST + 1..=FIRST + 50).await;
    fleet.arrived(&id, FIRST + 50).await;
    eventually("the two that stay have all three workers", || async {
        let shares = fleet.shares().await;
        (shares.len() == 2 && shares.values().sum::<usize>() == 3).then_some(())
    })
    .await;
}

/// A node that dies just after a heartbeat, and another that looks just before the lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_a_dead_nodes_workers_run_elsewhere_within_fifteen_seconds() {
    let settings = crate::harness::TestServer::start(Kind::Sqlite).await.settings().registry;
    let longest = settings.lease_ttl.0 + settings.reconcile_interval.0;
    assert!(longest <= std::time::Duration::from_secs(14), "{longest:?}, and a worker takes a moment to start");
}

/// Other sources would give every worker all of their records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_does_not_share_has_one_worker() {
    let server = crate::harness::TestServer::start(Kind::Sqlite).await;
    let mut config = poller("http://127.0.0.1:1/items");
    config["runtime"] = json!({ "parallelism": 2 });
    let input = json!({ "name": "twice", "type": "http_poller", "config": config });
    let create = crate::harness::server::mutation("createDatasource", "datasource { id }");
    let refused = server.admin().send(&create, json!({ "input": input })).await;
    let problems: Value = refused["errors"][0]["extensions"]["problems"].clone();
    assert_eq!(problems[0]["pointer"], "/runtime/parallelism", "{refused:#}");
    assert!(problems[0]["message"].as_str().expect("a message").contains("must be 1"), "{problems}");
}
