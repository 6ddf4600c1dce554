//! A durable pull consumer. A message is acknowledged when its records are in the sink, so the server keeps the position.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, AckKind, Context, Message};
use futures::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::config::{Deliver, NatsConfig, Subscription};
use super::{lost, message};
use crate::connectors::{ConnectorError, Outlet};

/// How long a request waits for the first message; then it says that all is well.
const PATIENCE: Duration = Duration::from_secs(5);
/// What one request may bring into memory: as much as the longest message that a server can be made to take.
pub(super) const BYTES: usize = 64 << 20;

pub(super) async fn stream(context: &Context, name: &str) -> Result<Stream, ConnectorError> {
    context.get_stream(name).await.map_err(|error| {
        let jetstream_says = matches!(error.kind(), jetstream::context::GetStreamErrorKind::JetStream(_));
        if jetstream_says {
            ConnectorError::permanent("stream_missing", format!("the stream {name} cannot be read: {error}"))
        } else {
            ConnectorError::transient("jetstream_failed", format!("JetStream did not answer about {name}: {error}"))
        }
    })
}

/// The newest message of a subject; `None` when there is none.
pub(super) async fn newest(stream: &Stream, subject: &str) -> Result<Option<StreamMessage>, ConnectorError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => Err(ConnectorError::transient("jetstream_failed", format!("no message could be read: {error}"))),
    }
}

/// What there is of a consumer, in words.
pub(super) async fn look_at(stream: &Stream, durable: &str) -> Result<String, ConnectorError> {
    match stream.consumer_info(durable).await {
        Ok(info) => Ok(format!("the consumer {durable} has {} messages to come", info.num_pending)),
        Err(error) => match error.kind() {
            ConsumerInfoErrorKind::NotFound => Ok(format!("the consumer {durable} is not there yet and will be made")),
            _ => Err(ConnectorError::transient("jetstream_failed", format!("the consumer is out of reach: {error}"))),
        },
    }
}

pub(super) async fn read(
    client: &Client,
    config: &NatsConfig,
    default_durable: &str,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let Subscription::Jetstream { stream: name, durable, subject, deliver, ack_wait, batch } = &config.subscription
    else {
        return Err(ConnectorError::permanent("config_invalid", "the subscription is not of JetStream"));
    };
    let context = jetstream::new(client.clone());
    let stream = stream(&context, name).await?;
    let durable = durable.as_deref().unwrap_or(default_durable);
    let wanted = pull::Config {
        durable_name: Some(durable.to_owned()),
        description: Some("made by datasource-studio".to_owned()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: ack_wait.0,
        filter_subject: subject.clone().unwrap_or_default(),
        deliver_policy: match deliver {
            Deliver::All => DeliverPolicy::All,
            Deliver::New => DeliverPolicy::New,
            Deliver::Last => DeliverPolicy::Last,
        },
        ..pull::Config::default()
    };
    let mut consumer: PullConsumer = stream.get_or_create_consumer(durable, wanted).await.map_err(|error| {
        ConnectorError::permanent("consumer_refused", format!("the consumer {durable} cannot be used: {error}"))
    })?;
    let ack_wait = consumer.cached_info().config.ack_wait;
    consumer.info().await.map_err(|e| lost(&e))?;
    outlet.idle(None);
    let limits = outlet.batch();
    let most = usize::from(*batch).min(limits.max_records as usize);
    // What waits for others must not come again meanwhile.
    let max_wait = limits.max_wait.0.min(ack_wait / 2);
    while let Some(messages) = stop.run_until_cancelled(next(&consumer, most, max_wait)).await {
        let messages = messages?;
        let Some(last) = messages.last() else {
            outlet.idle(Some(0.0));
            continue;
        };
        let info = last.info().map_err(|e| lost(&e))?;
        let (pending, published) = (info.pending, info.published);
        let checkpoint = Some(json!({ "stream_sequence": info.stream_sequence }));
        let delivering = message::deliver(&messages, config, checkpoint, outlet);
        keep_alive(delivering, &messages, ack_wait).await?;
        for message in &messages {
            message.ack().await.map_err(|e| lost(&e))?;
        }
        client.flush().await.map_err(|e| lost(&e))?;
        let behind = if pending == 0 { 0.0 } else { (chrono::Utc::now() - published).as_seconds_f64().max(0.0) };
        outlet.idle(Some(behind));
    }
    Ok(())
}

/// What is there, at most `most`; when nothing is, the first that comes; and what follows within `max_wait`. Only what
/// is returned waits for an acknowledgement: nothing lies in a buffer while its time runs out.
async fn next(consumer: &PullConsumer, most: usize, max_wait: Duration) -> Result<Vec<Message>, ConnectorError> {
    let failed = |e: &dyn std::fmt::Display| {
        ConnectorError::transient("jetstream_failed", format!("the consumer could not be read: {e}"))
    };
    let mut found = Vec::new();
    let mut there = consumer.fetch().max_messages(most).max_bytes(BYTES).messages().await.map_err(|e| failed(&e))?;
    while let Some(message) = there.next().await {
        match message {
            Ok(message) => found.push(message),
            Err(error) if found.is_empty() => return Err(failed(&error)),
            // The next one would exceed the bytes, or the failure comes again.
            Err(_) => break,
        }
    }
    if found.is_empty() {
        let mut coming = consumer.batch().max_messages(1).expires(PATIENCE).messages().await.map_err(|e| failed(&e))?;
        if let Some(message) = coming.next().await {
            found.push(message.map_err(|e| failed(&e))?);
        }
    }
    if !found.is_empty() && found.len() < most && !max_wait.is_zero() {
        let more = consumer.batch().max_messages(most - found.len()).expires(max_wait);
        let mut coming = more.messages().await.map_err(|e| failed(&e))?;
        while let Some(message) = coming.next().await {
            found.push(message.map_err(|e| failed(&e))?);
        }
    }
    Ok(found)
}

/// Tells the server that the messages are being worked on, while a slow sink takes longer than its patience.
async fn keep_alive(
    delivering: impl Future<Output = Result<(), ConnectorError>>,
    messages: &[Message],
    ack_wait: Duration,
) -> Result<(), ConnectorError> {
    tokio::pin!(delivering);
    let period = (ack_wait / 3).max(Duration::from_millis(100));
    let mut beats = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
    loop {
        tokio::select! {
            biased;
            done = &mut delivering => return done,
            _ = beats.tick() => {
                for message in messages {
                    message.ack_with(AckKind::Progress).await.map_err(|e| lost(&e))?;
                }
            }
        }
    }
}
