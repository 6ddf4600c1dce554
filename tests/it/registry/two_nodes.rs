//! Two processes on one PostgreSQL: they share nothing else, and act as one.

use std::collections::HashSet;
use std::path::PathBuf;

use datasource_studio::domain::Role;
use serde_json::{Value, json};
use sqlx::Row as _;

use super::numbered_webhook;
use super::source::{HttpSource, page, poller, poller_datasource};
use crate::harness::server::{delivered, mutation, open_webhook};
use crate::harness::{Client, Database, Kind, Process, eventually};

/// Nodes `a` and `b`, each with a data directory of its own.
struct Cluster {
    a: Process,
    b: Process,
    database: Database,
}

impl Cluster {
    /// Both start at the same moment, on an empty database.
    async fn start() -> Self {
        let database = Database::create(Kind::Postgres).await;
        let [a, b] = ["a", "b"].map(|name| {
            let flags = ["--node-name", name, "--lease-ttl", "2s", "--heartbeat-interval", "500ms"];
            Process::spawn(&database, &database.data_dir.path().join(name), &flags)
        });
        tokio::join!(a.ready(), b.ready());
        Self { a, b, database }
    }

    fn admins(&self) -> [Client; 2] {
        [self.a.client(Role::Admin), self.b.client(Role::Admin)]
    }

    fn sink(&self, node: &str, id: &str) -> PathBuf {
        sink(&self.database, node, id)
    }
}

fn sink(database: &Database, node: &str, id: &str) -> PathBuf {
    database.data_dir.path().join(node).join("out").join("acme").join(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_them_migrates_and_the_other_waits() {
    let cluster = Cluster::start().await;
    let mut connection = cluster.database.postgres().await;
    let tables = "SELECT schemaname, tablename FROM pg_tables WHERE tablename = 'migration_history'";
    let tables = sqlx::query(tables).fetch_all(&mut connection).await.expect("answers");
    let [table] = tables.as_slice() else { panic!("one table of migrations, not {}", tables.len()) };
    let (schema, name): (String, String) = (table.get(0), table.get(1));
    let rows = format!("SELECT name, count(*) FROM {schema}.{name} GROUP BY name");
    let rows = sqlx::query(sqlx::AssertSqlSafe(rows)).fetch_all(&mut connection).await.expect("answers");
    assert!(!rows.is_empty());
    for row in rows {
        assert_eq!(row.get::<i64, _>(1), 1, "{} is applied once", row.get::<String, _>(0));
    }
}

/// Drafts through both nodes at once get numbers of their own, and none overwrites another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drafts_through_both_nodes_lose_none() {
    const EACH: i64 = 10;
    let cluster = Cluster::start().await;
    let admins = cluster.admins();
    let id = admins[0].webhook("shared", open_webhook(json!({ "n": 0 }))).await;
    let drafts = (1..=2 * EACH).map(|n| {
        let admin = &admins[usize::from(n % 2 == 0)];
        let input = json!({ "id": id, "config": open_webhook(json!({ "n": n })) });
        async move {
            let done = admin.mutate("createDatasourceVersion", input, "version { version }").await;
            (done["version"]["version"].as_i64().expect("a number"), n)
        }
    });
    let mut drafts = futures::future::join_all(drafts).await;
    drafts.push((1, 0));
    drafts.sort_unstable();
    let numbers: Vec<_> = drafts.iter().map(|(version, _)| *version).collect();
    assert_eq!(numbers, (1..=2 * EACH + 1).collect::<Vec<_>>(), "each its own number, and no gap");

    for (version, n) in drafts {
        let query = "query($id: ID!, $v: Int!) { datasourceVersion(id: $id, version: $v) { config } }";
        let read = admins[1].data(query, json!({ "id": id, "v": version })).await;
        assert_eq!(read["datasourceVersion"]["config"]["mapping"]["outputs"][0]["fields"]["n"], n);
    }
}

/// What one node published, the other never says does not exist.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_is_known_on_the_other_node_at_once() {
    let cluster = Cluster::start().await;
    let admin = cluster.a.client(Role::Admin);
    let http = reqwest::Client::new();
    for n in 0..10 {
        let id = admin.webhook(&format!("hook-{n}"), numbered_webhook()).await;
        admin.publish(&id).await;
        let hook = format!("{}/hooks/{id}", cluster.b.url);
        eventually("a post is taken", || async {
            let status = http.post(&hook).json(&json!({ "n": n })).send().await.expect("an answer").status();
            assert!(status == 202 || status == 503, "{status}");
            (status == 202).then_some(())
        })
        .await;
    }
}

/// Everybody adds a tag of their own to what they last read; whoever was overtaken reads again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_through_both_nodes_lose_none() {
    let cluster = Cluster::start().await;
    let admins = cluster.admins();
    let id = admins[0].webhook("shared", numbered_webhook()).await;
    let update = mutation("updateDatasource", "datasource { revision }");
    let (update, id) = (&update, &id);
    let tagging = (0..12).map(|n| {
        let admin = &admins[n % 2];
        async move {
            eventually("the tag is added", || async {
                let query = "query($id: ID!) { datasource(id: $id) { revision tags } }";
                let row = admin.data(query, json!({ "id": id })).await["datasource"].take();
                let mut tags = row["tags"].as_array().expect("tags").clone();
                tags.push(json!(format!("tag-{n}")));
                let input = json!({ "id": id, "expectedRevision": row["revision"], "tags": tags });
                let answer = admin.send(update, json!({ "input": input })).await;
                if answer.get("errors").is_none() {
                    return Some(());
                }
                assert_eq!(answer["errors"][0]["extensions"]["code"], "CONFLICT", "{answer:#}");
                None
            })
            .await;
        }
    });
    futures::future::join_all(tagging).await;
    let row = admins[1].data("query($id: ID!) { datasource(id: $id) { revision tags } }", json!({ "id": id })).await;
    let tags: HashSet<_> = row["datasource"]["tags"].as_array().expect("tags").iter().cloned().collect();
    assert_eq!(tags, (0..12).map(|n| json!(format!("tag-{n}"))).collect(), "{row}");
    assert_eq!(row["datasource"]["revision"], 13, "one for its creation, and one a tag");
}

/// Of two publishes at once, on the strength of the same revision, one is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_publishes_at_once_one_wins() {
    let cluster = Cluster::start().await;
    let admins = cluster.admins();
    let id = admins[0].webhook("shared", numbered_webhook()).await;
    admins[0]
        .mutate("createDatasourceVersion", json!({ "id": id, "config": numbered_webhook() }), "version { id }")
        .await;
    let publish = mutation("publishDatasource", "version { version }");
    let revision = admins[0].state(&id).await["revision"].clone();
    let input = |v| json!({ "input": { "id": id, "version": v, "expectedRevision": revision } });
    let (first, second) = tokio::join!(admins[0].send(&publish, input(1)), admins[1].send(&publish, input(2)));
    let (won, lost) = if first.get("errors").is_none() { (first, second) } else { (second, first) };
    let version = won["data"]["publishDatasource"]["version"]["version"].clone();
    assert!(version.is_i64(), "{won:#}");
    assert_eq!(lost["errors"][0]["extensions"]["code"], "CONFLICT", "{lost:#}");
    let query = "query($id: ID!) { datasource(id: $id) { currentVersion { version } } }";
    for admin in &admins {
        let read = admin.data(query, json!({ "id": id })).await;
        assert_eq!(read["datasource"]["currentVersion"]["version"], version);
    }
}

/// What is published through one node is announced by the other, read there at once, and soon served by both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_change_notification_nothing_stale_is_read() {
    let cluster = Cluster::start().await;
    let [on_a, on_b] = cluster.admins();
    let id = on_a.webhook("shared", open_webhook(json!({ "n": "$.n", "v": 1 }))).await;
    let mut feed = Feed::open(&on_b, &id).await;
    let query =
        "query($id: ID!) { datasource(id: $id) { latestVersion { version } currentVersion { version config } } }";
    for v in 1..=10_i64 {
        if v > 1 {
            let config = open_webhook(json!({ "n": "$.n", "v": v }));
            on_a.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { id }").await;
            assert_eq!(feed.next().await, ("VERSION_CREATED".to_owned(), v));
            let read = on_b.data(query, json!({ "id": id })).await;
            assert_eq!(read["datasource"]["latestVersion"]["version"], v);
        }
        on_a.mutate("publishDatasource", json!({ "id": id, "version": v }), "version { id }").await;
        assert_eq!(feed.next().await, ("PUBLISHED".to_owned(), v));
        let read = on_b.data(query, json!({ "id": id })).await;
        let current = &read["datasource"]["currentVersion"];
        assert_eq!(current["version"], v);
        assert_eq!(current["config"]["mapping"]["outputs"][0]["fields"]["v"], v);
    }

    for (name, process) in [("a", &cluster.a), ("b", &cluster.b)] {
        eventually("the node serves the newest version", || async {
            let request = on_a.http.post(format!("{}/hooks/{id}", process.url)).json(&json!({ "id": name, "n": 1 }));
            let receipt: Value = request.send().await.ok()?.json().await.ok()?;
            (receipt["version"] == 10).then_some(())
        })
        .await;
        let record = delivered(&cluster.sink(name, &id)).pop().expect("a record");
        assert_eq!((&record["version"], &record["data"]["v"]), (&json!(10), &json!(10)), "{record}");
    }
}

/// A poller belongs to the node that holds its lease, and moves when that node dies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poller_runs_on_one_node_and_moves_when_it_dies() {
    let source = HttpSource::start(|visit| page([i64::try_from(visit.index).expect("few")])).await;
    let Cluster { a, b, database } = Cluster::start().await;
    let admin = a.client(Role::Admin);
    let mut config = poller(&source.url);
    config["connector"].as_object_mut().expect("an object").remove("incremental");
    let id = poller_datasource(&admin, "clock", config).await;
    admin.publish(&id).await;
    eventually("the source is asked several times", || async { (source.visits().len() >= 4).then_some(()) }).await;

    let holder = holder(&admin, &id).await;
    let (dying, staying, other) = if holder == "a" { (a, b, "b") } else { (b, a, "a") };
    assert!(!delivered(&sink(&database, &holder, &id)).is_empty());
    assert_eq!(delivered(&sink(&database, other, &id)), [Value::Null; 0], "the other node does not poll");
    let epoch = lease_epoch(&staying.client(Role::Admin), &id).await;

    dying.kill();
    let admin = staying.client(Role::Admin);
    eventually("the other node polls", || async {
        (!delivered(&sink(&database, other, &id)).is_empty()).then_some(())
    })
    .await;
    assert_eq!(self::holder(&admin, &id).await, other);
    assert!(lease_epoch(&admin, &id).await > epoch, "the lease changed hands");

    // Every answer of the source but the last ones of the dead node is in one sink or the other, and in one only.
    let records: Vec<_> = [&holder, other].iter().flat_map(|node| delivered(&sink(&database, node, &id))).collect();
    let numbers = super::numbers(&records);
    assert_eq!(numbers.len(), numbers.iter().collect::<HashSet<_>>().len(), "no answer went to both: {numbers:?}");
}

/// A webhook is served by every node; what it counts is counted once, whichever node is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counters_of_a_webhook_are_those_of_both_nodes() {
    const EACH: [u64; 2] = [7, 5];
    let cluster = Cluster::start().await;
    let admins = cluster.admins();
    let id = admins[0].webhook("shared", open_webhook(json!({}))).await;
    let version = admins[0].publish(&id).await;
    let http = reqwest::Client::new();
    for (node, count) in [&cluster.a, &cluster.b].into_iter().zip(EACH) {
        let url = format!("{}/hooks/{id}", node.url);
        for n in 0..count {
            eventually("the node takes it under the version", || async {
                let answer = http.post(&url).json(&json!({ "id": n })).send().await.ok()?;
                (answer.status() == 202).then_some(())
            })
            .await;
        }
    }
    admins[0].running(&id, version).await;
    for admin in &admins {
        eventually("both know of all", || async {
            let state = admin.state(&id).await;
            (state["metrics"]["delivered"] == json!(EACH.iter().sum::<u64>())).then_some(())
        })
        .await;
    }
}

async fn holder(client: &Client, id: &str) -> String {
    let data = client.data("query($id: ID!) { datasource(id: $id) { state { node } } }", json!({ "id": id })).await;
    data["datasource"]["state"]["node"].as_str().expect("a node").to_owned()
}

async fn lease_epoch(client: &Client, id: &str) -> i64 {
    let query = "query($id: ID!) { datasource(id: $id) { state { leaseEpoch } } }";
    let data = client.data(query, json!({ "id": id })).await;
    data["datasource"]["state"]["leaseEpoch"].as_i64().expect("a number")
}

/// The events of a datasource as a subscription gives them, over server-sent events.
struct Feed {
    response: reqwest::Response,
    read: String,
}

impl Feed {
    /// Follows drafts and publishes, from what has happened so far.
    async fn open(client: &Client, id: &str) -> Self {
        let newest = "query($id: ID!) { datasourceEvents(id: $id, first: 1) { nodes { cursor } } }";
        let newest = client.data(newest, json!({ "id": id })).await["datasourceEvents"]["nodes"][0]["cursor"].take();
        let query = "subscription($id: ID!, $after: String!) {
            datasourceEvents(id: $id, types: [VERSION_CREATED, PUBLISHED], after: $after) { eventType version } }";
        let request = client.http.post(format!("{}/graphql", client.url)).bearer_auth(&client.token);
        let request = request.header("accept", "text/event-stream");
        let response =
            request.json(&json!({ "query": query, "variables": { "id": id, "after": newest } })).send().await;
        Self { response: response.expect("a stream"), read: String::new() }
    }

    /// The type and the version of the next event.
    async fn next(&mut self) -> (String, i64) {
        loop {
            if let Some((message, rest)) = self.read.split_once("\n\n") {
                let data = message.lines().find_map(|line| line.strip_prefix("data:"));
                let event: Option<Value> = data.and_then(|d| serde_json::from_str(d.trim()).ok());
                self.read = rest.to_owned();
                let Some(event) = event else { continue };
                let event = &event["data"]["datasourceEvents"];
                let version = event["version"].as_i64().unwrap_or_else(|| panic!("an event, not {event}"));
                return (event["eventType"].as_str().expect("a type").to_owned(), version);
            }
            let wait = tokio::time::timeout(std::time::Duration::from_secs(30), self.response.chunk());
            let chunk = wait.await.expect("an event in time").expect("the stream goes on").expect("it does not end");
            self.read.push_str(std::str::from_utf8(&chunk).expect("UTF-8"));
        }
    }
}
