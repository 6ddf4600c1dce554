//! Requests to a webhook that arrive while a write is under way are written together, and answered one by one.

use serde_json::{Value, json};

use super::numbered_webhook;
use super::senders::Senders;
use crate::connectors::inbox::Inbox;
use crate::harness::{Kind, TestServer, eventually};

async fn to_inbox(server: &TestServer, inbox: &Inbox) -> String {
    let mut config = numbered_webhook();
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url } });
    let id = server.admin().webhook("grouped", config).await;
    server.admin().publish(&id).await;
    id
}

/// The records that each request to the sink brought.
fn sizes(inbox: &Inbox) -> Vec<usize> {
    inbox.requests().iter().map(|r| r.body.as_array().expect("a list").len()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_during_a_write_is_written_together_and_answered_when_it_is_safe() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let id = to_inbox(&server, &inbox).await;
    let senders = Senders::start(8, &server.url, &id);
    eventually("some records share a write", || async { sizes(&inbox).iter().any(|n| *n > 1).then_some(()) }).await;
    let sent = senders.finish().await;
    assert_eq!((&sent.refused, sent.broken_off), (&Vec::new(), 0), "each request is answered with success");

    let taken: Vec<i64> = inbox.taken().iter().map(|id| id.parse().expect("a number")).collect();
    let mut sorted = taken.clone();
    sorted.sort_unstable();
    let mut acknowledged: Vec<_> = sent.acknowledged.into_iter().collect();
    acknowledged.sort_unstable();
    assert_eq!(sorted, acknowledged, "what was acknowledged is there, once");
    for sender in 0..8 {
        let own: Vec<_> = taken.iter().filter(|n| **n / 1_000_000 == sender).collect();
        assert!(own.is_sorted(), "the records of one sender keep their order");
    }
}

/// The requests before and after it, and those that share its write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_refused_of_one_request_is_of_no_matter_to_the_others() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    inbox.refuses(&["20"]);
    let id = to_inbox(&server, &inbox).await;
    let posts = (0..40).map(|n| {
        let (server, id) = (&server, &id);
        async move { (n, server.post_hook(id, &json!({ "id": n, "n": n })).await) }
    });
    for (n, (status, receipt)) in futures::future::join_all(posts).await {
        let expected = if n == 20 { [json!(0), json!(1)] } else { [json!(1), json!(0)] };
        assert_eq!(
            (status, [receipt["records"].clone(), receipt["failed"].clone()]),
            (202, expected),
            "{n}: {receipt}"
        );
    }
    let mut taken = inbox.taken();
    taken.sort_unstable();
    let mut expected: Vec<_> = (0..40).filter(|n| *n != 20).map(|n: i32| n.to_string()).collect();
    expected.sort_unstable();
    assert_eq!(taken, expected);
}

/// A sender that hangs up does not take the write of others with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sender_that_hangs_up_leaves_the_others_their_answers() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let id = to_inbox(&server, &inbox).await;
    let request = server.http.post(format!("{}/hooks/{id}", server.url)).json(&json!({ "id": 1, "n": 1 }));
    let first = tokio::spawn(request.send());
    eventually("it is written", || async { (inbox.arrived() == 1).then_some(()) }).await;
    first.abort();
    let (status, receipt): (u16, Value) = server.post_hook(&id, &json!({ "id": 2, "n": 2 })).await;
    assert_eq!((status, &receipt["records"]), (202, &json!(1)), "{receipt}");
    assert_eq!(inbox.taken().last().map(String::as_str), Some("2"));
}
