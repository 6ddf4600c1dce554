//! Everything fails, one after the other and in the middle of the work: nodes, the broker, the database.
//!
//! Three processes read 100,000 numbers from three sources, which keep their positions in three places: a JetStream
//! consumer that three workers share, a query and a file whose checkpoints are in the database. All write to a stream
//! of a broker that takes every message as a new one, so that what comes twice can be counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream;
use datasource_studio::domain::Role;
use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row};
use tokio::task::JoinHandle;

use crate::connectors::nats_server::NatsServer;
use crate::harness::cluster::Postgres;
use crate::harness::{Client, Database, Process};

/// What each source has: the numbers from 1 on.
const STREAMED: i64 = 60_000;
const QUERIED: i64 = 20_000;
const FILED: i64 = 20_000;
const ALL: i64 = STREAMED + QUERIED + FILED;

/// Records that a worker of the stream or of the query has taken and not acknowledged, at most.
const BATCH: i64 = 100;
/// The same of the worker of the file, whose batches have a fixed size.
const FILE_BATCH: i64 = 500;
/// The same of all workers: three of the stream, and one each of the query and of the file.
const UNACKNOWLEDGED: i64 = 4 * BATCH + FILE_BATCH;
/// A batch is written once, tried again three times by its worker, and once more by the next worker.
const TRIES: i64 = 1 + 3 + 1;

/// What must not go backwards, as somebody who looks all the time sees it.
#[derive(Default)]
struct Seen {
    /// The highest epoch and position of each worker.
    last: HashMap<(String, i32), (i64, i64)>,
    backwards: Vec<String>,
    looks: usize,
}

struct World {
    nats: NatsServer,
    postgres: Postgres,
    database: Database,
    nodes: BTreeMap<&'static str, Process>,
}

impl World {
    fn spawn(&mut self, name: &'static str) {
        let input = self.database.data_dir.path().join("in");
        let flags = ["--node-name", name, "--lease-ttl", "3s", "--heartbeat-interval", "500ms", "--input-dir"];
        let flags = [&flags[..], &[input.to_str().expect("UTF-8"), "--reconcile-interval", "500ms"]].concat();
        let process = Process::spawn(&self.database, &self.database.data_dir.path().join(name), &flags);
        self.nodes.insert(name, process);
    }

    fn kill(&mut self, name: &str) {
        self.nodes.remove(name).expect("it runs").kill();
    }

    /// How many messages arrived from one source, or from all.
    async fn arrived(&self, source: &str) -> i64 {
        let Ok(client) = async_nats::connect(self.nats.address()).await else { return 0 };
        let jetstream = async_nats::jetstream::new(client);
        let Ok(stream) = jetstream.get_stream("arrived").await else { return 0 };
        let Ok(subjects) = stream.info_with_subjects(format!("arrived.{source}")).await else { return 0 };
        let counts = subjects.filter_map(async |count| count.ok()).map(|(_, n)| i64::try_from(n).unwrap_or(0));
        counts.fold(0, async |sum, n| sum + n).await
    }

    async fn until(&self, what: &str, mut reached: impl AsyncFnMut(&Self) -> bool) -> Duration {
        let began = Instant::now();
        while !reached(self).await {
            assert!(
                began.elapsed() < Duration::from_secs(90),
                "waited in vain: {what}; {} arrived",
                self.arrived(">").await
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        began.elapsed()
    }

    async fn until_arrived(&self, at_least: i64) {
        self.until(&format!("{at_least} arrive"), async |w| w.arrived(">").await >= at_least).await;
    }

    /// Who holds the only worker of a datasource.
    async fn holder(&self, id: &str) -> String {
        let sql = format!("SELECT node FROM studio.datasource_state WHERE datasource_id = '{id}'");
        let mut connection = self.database.postgres().await;
        let row = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a row");
        row.get::<Option<String>, _>(0).unwrap_or_default()
    }
}

async fn fill(world: &World) {
    let mut connection = world.database.postgres().await;
    let rows = format!("CREATE TABLE public.numbers AS SELECT n::bigint FROM generate_series(1, {QUERIED}) AS n");
    connection.execute(AssertSqlSafe(rows)).await.expect("the rows are there");
    let folder = world.database.data_dir.path().join("in").join("acme").join("feed");
    std::fs::create_dir_all(&folder).expect("a directory");
    let lines: String = (1..=FILED).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    std::fs::write(folder.join("numbers.jsonl"), lines).expect("the file is there");
    world.nats.stream("numbers").await;
    let jetstream = world.nats.jetstream().await;
    let open = stream::Config {
        name: "arrived".to_owned(),
        subjects: vec!["arrived.>".to_owned()],
        // Nothing that arrives is taken for something that was there.
        duplicate_window: Duration::from_millis(100),
        ..stream::Config::default()
    };
    jetstream.get_or_create_stream(open).await.expect("a stream");
    for chunk in (1..=STREAMED).collect::<Vec<_>>().chunks(1_000) {
        let mut acks = Vec::new();
        for n in chunk {
            let sent = jetstream.publish("numbers.n", json!({ "n": n }).to_string().into()).await;
            acks.push(sent.expect("it is sent").into_future());
        }
        futures::future::try_join_all(acks).await.expect("they are stored");
    }
}

fn connectors(world: &World) -> [(&'static str, Value, Value); 3] {
    let url: url::Url = world.database.url.as_deref().expect("a URL").parse().expect("a URL");
    let stream = json!({ "type": "nats", "servers": [world.nats.address()],
        "subscription": { "type": "jetstream", "stream": "numbers", "ack_wait": "5s", "batch": BATCH } });
    let query = json!({ "type": "sql", "query": "SELECT n FROM public.numbers", "cursor": { "column": "n" },
        "schedule": "every 1s", "batch": BATCH,
        "database": { "type": "postgres", "host": url.host_str(), "port": url.port(), "tls": "disable",
            "database": url.path().trim_start_matches('/'), "username": url.username(), "password": { "$secret": "db" } } });
    let file = json!({ "type": "object_store", "store": { "type": "local", "path": "feed" }, "schedule": "every 1s",
        "min_age": "0s" });
    // Slow enough that every fault comes in the middle of the work.
    let runtime = |workers: i64, rate: i64| {
        json!({ "parallelism": workers, "retry": { "initial": "100ms", "max": "1s" },
            "rate_limit": { "records_per_second": rate } })
    };
    [("stream", stream, runtime(3, 2_400)), ("query", query, runtime(1, 800)), ("file", file, runtime(1, 800))]
}

async fn create(world: &World, admin: &Client, source: &str, connector: &Value, runtime: &Value) -> String {
    let sink = json!({ "type": "nats", "servers": [world.nats.address()], "subject": format!("arrived.{source}"),
        "deduplicate": "none" });
    let config = json!({
        "connector": connector,
        "mapping": { "outputs": [{ "kind": "item", "id": "$.n", "fields": { "n": "$.n" } }] },
        "delivery": { "sink": sink },
        "runtime": runtime,
    });
    let input = json!({ "name": source, "type": connector["type"], "config": config });
    let made = admin.mutate("createDatasource", input, "datasource { id }").await;
    let id = made["datasource"]["id"].as_str().expect("an id").to_owned();
    if connector["database"].is_object() {
        let url: url::Url = world.database.url.as_deref().expect("a URL").parse().expect("a URL");
        let secret = json!({ "id": id, "key": "db", "value": url.password().unwrap_or("none") });
        admin.mutate("setDatasourceSecret", secret, "secret { version }").await;
    }
    admin.publish(&id).await;
    id
}

/// How far a checkpoint of the query or of the file is.
fn position(checkpoint: &Value) -> i64 {
    let cursor = &checkpoint["cursor"];
    let queried = cursor.as_i64().or_else(|| cursor.as_str().and_then(|text| text.parse().ok()));
    let done = checkpoint["done"].as_array().is_some_and(|done| !done.is_empty()).then_some(i64::MAX);
    queried.or(done).or_else(|| checkpoint["current"]["offset"].as_i64()).unwrap_or(0)
}

/// Looks at epochs and checkpoints until it is told to stop.
fn watch(url: String, stop: Arc<AtomicBool>) -> JoinHandle<Seen> {
    const LOOK: &str = "SELECT datasource_id::text, 0, lease_epoch, checkpoint::text FROM studio.datasource_state \
                        UNION ALL SELECT datasource_id::text, slot, lease_epoch, NULL FROM studio.worker_slots";
    tokio::spawn(async move {
        let mut seen = Seen::default();
        while !stop.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(50)).await;
            // While the database is down there is nothing to see.
            let Ok(mut connection) = PgConnection::connect(&url).await else { continue };
            while !stop.load(Ordering::Acquire)
                && let Ok(rows) = sqlx::query(LOOK).fetch_all(&mut connection).await
            {
                seen.looks += 1;
                for row in rows {
                    let key = (row.get::<String, _>(0), row.get::<i32, _>(1));
                    let checkpoint = row.get::<Option<String>, _>(3).and_then(|text| serde_json::from_str(&text).ok());
                    let checkpoint = checkpoint.unwrap_or_default();
                    let now = (row.get::<i64, _>(2), position(&checkpoint));
                    let last = seen.last.entry(key.clone()).or_insert(now);
                    if now.0 < last.0 || now.1 < last.1 {
                        seen.backwards.push(format!("{key:?}: {last:?}, then {now:?}"));
                    }
                    *last = now;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        seen
    })
}

/// How often each number of each source arrived.
async fn counted(world: &World) -> BTreeMap<String, HashMap<i64, i64>> {
    let stream = world.nats.jetstream().await.get_stream("arrived").await.expect("the stream");
    let total = world.arrived(">").await;
    let consumer = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
    let consumer = stream.create_consumer(consumer).await.expect("a consumer");
    let mut messages = consumer.messages().await.expect("messages").take(usize::try_from(total).expect("a count"));
    let mut counts: BTreeMap<String, HashMap<i64, i64>> = BTreeMap::new();
    while let Some(message) = messages.next().await {
        let message = message.expect("a message");
        let record: Value = serde_json::from_slice(&message.payload).expect("a record");
        let n = record["data"]["n"].as_i64().expect("a number");
        *counts.entry(message.subject.to_string()).or_default().entry(n).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_fails_every_number_arrives() {
    let began = Instant::now();
    let (postgres, nats) = tokio::join!(Postgres::start(), NatsServer::start(&[]));
    let database = postgres.database();
    let mut world = World { nats, postgres, database, nodes: BTreeMap::new() };
    world.spawn("a");
    tokio::join!(world.nodes["a"].ready(), fill(&world));
    ["b", "c"].into_iter().for_each(|name| world.spawn(name));
    tokio::join!(world.nodes["b"].ready(), world.nodes["c"].ready());
    let stop = Arc::new(AtomicBool::new(false));
    let watching = watch(world.database.url.clone().expect("a URL"), Arc::clone(&stop));
    let admin = world.nodes["a"].client(Role::Admin);
    let mut ids = BTreeMap::new();
    for (source, connector, runtime) in connectors(&world) {
        ids.insert(source, create(&world, &admin, source, &connector, &runtime).await);
    }
    eprintln!("three nodes, three sources and {ALL} numbers after {:?}", began.elapsed());

    // A node dies; another goes on with its query.
    world.until_arrived(ALL / 10).await;
    let victim = world.holder(&ids["query"]).await;
    world.kill(&victim);
    let before = world.arrived("query").await;
    let took = world.until("the query goes on", async |w| w.arrived("query").await > before).await;
    eprintln!("from the death of a node to the first record of the next worker: {took:?}");
    let name = ["a", "b", "c"].into_iter().find(|name| *name == victim).expect("a node");
    world.spawn(name);

    // A node sleeps past the end of its leases and wakes up when others have its work.
    world.until_arrived(ALL * 3 / 10).await;
    let sleeper = world.holder(&ids["file"]).await;
    world.nodes[sleeper.as_str()].pause();
    world.until("another node has the file", async |w| w.holder(&ids["file"]).await != sleeper).await;
    world.nodes[sleeper.as_str()].resume();

    // The broker dies, as source and as sink.
    world.until_arrived(ALL * 45 / 100).await;
    world.nats.kill();
    world.nats.revive().await;

    // The database dies: nobody can write a checkpoint or renew a lease.
    world.until_arrived(ALL * 6 / 10).await;
    world.postgres.crash().await;
    world.postgres.revive().await;

    // Two of three nodes die at once.
    world.until_arrived(ALL * 75 / 100).await;
    ["a", "b"].into_iter().for_each(|name| world.kill(name));
    ["a", "b"].into_iter().for_each(|name| world.spawn(name));

    world
        .until("all arrive", async |w| {
            let (stream, query, file) = tokio::join!(w.arrived("stream"), w.arrived("query"), w.arrived("file"));
            stream >= STREAMED && query >= QUERIED && file >= FILED
        })
        .await;
    // As many as there are numbers may still be some twice and some not yet: then it takes a little longer.
    let mut counts = counted(&world).await;
    let expected = [("stream", STREAMED), ("query", QUERIED), ("file", FILED)];
    for _ in 0..40 {
        if expected.iter().all(|(source, n)| counts[&format!("arrived.{source}")].len() as i64 == *n) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        counts = counted(&world).await;
    }
    stop.store(true, Ordering::Release);
    let seen = watching.await.expect("it watched");

    let mut duplicates = 0;
    for (source, n) in expected {
        let counts = &counts[&format!("arrived.{source}")];
        let missing: Vec<_> = (1..=n).filter(|n| !counts.contains_key(n)).take(10).collect();
        assert_eq!(missing, [0; 0], "of {source}, never arrived");
        assert_eq!(counts.len() as i64, n, "{source} has nothing that was not there");
        let twice: i64 = counts.values().map(|n| n - 1).sum();
        eprintln!("{source}: {n} numbers, {twice} duplicates");
        duplicates += twice;
    }
    eprintln!("{duplicates} duplicates of {ALL} in {:?}; {} looks at the state", began.elapsed(), seen.looks);
    assert!(seen.backwards.is_empty(), "epochs and checkpoints only grow: {:?}", seen.backwards);
    assert!(seen.looks > 100, "somebody looked: {}", seen.looks);
    // A node that dies or sleeps leaves at most one batch of each of its workers to be read again: three such faults.
    // While the broker or the database is away each worker tries its batch several times, each of which may have
    // been stored without the answer: two such faults. A broker that dies also forgets acknowledgements that it had
    // not written down: of each worker of the stream at most what it acknowledged in its last moments, a batch.
    let bound = 3 * UNACKNOWLEDGED + 2 * UNACKNOWLEDGED * TRIES + 3 * BATCH;
    assert!(duplicates <= bound, "{duplicates} duplicates, more than the {bound} that the faults explain");
}
