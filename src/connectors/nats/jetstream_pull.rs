//! A durable pull consumer. A message is acknowledged when its records are in the sink, so the server keeps the position.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, AckKind, Context, Message};
use futures::StreamExt;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::config::{Deliver, NatsConfig, Subscription};
use super::lost;
use crate::connectors::decode::hand_over;
use crate::connectors::{ConnectorError, Outlet};

/// How long a request waits for the first message; then it says that all is well.
const PATIENCE: Duration = Duration::from_secs(5);

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
pub(super) async fn newest(stream: &Stream, subject: &str) -> Result<Option<Vec<u8>>, ConnectorError> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message.payload.to_vec())),
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
    while let Some(messages) = stop.run_until_cancelled(next(&consumer, usize::from(*batch))).await {
        let messages = messages?;
        let Some(last) = messages.last() else {
            outlet.idle(Some(0.0));
            continue;
        };
        let sequence = last.info().map_err(|e| lost(&e))?.stream_sequence;
        let payloads = messages.iter().map(|message| message.payload.as_ref());
        let checkpoint = Some(json!({ "stream_sequence": sequence }));
        let delivering = hand_over(payloads, |payload| config.format.decode(payload), checkpoint, outlet);
        keep_alive(delivering, &messages, ack_wait).await?;
        for message in &messages {
            message.ack().await.map_err(|e| lost(&e))?;
        }
        client.flush().await.map_err(|e| lost(&e))?;
    }
    Ok(())
}

/// What is there, at most `most`; when nothing is, the first that comes. Only what is returned waits for an
/// acknowledgement: nothing lies in a buffer while its time runs out.
async fn next(consumer: &PullConsumer, most: usize) -> Result<Vec<Message>, ConnectorError> {
    let failed = |e: &dyn std::fmt::Display| {
        ConnectorError::transient("jetstream_failed", format!("the consumer could not be read: {e}"))
    };
    let mut found = Vec::new();
    let mut there = consumer.fetch().max_messages(most).messages().await.map_err(|e| failed(&e))?;
    while let Some(message) = there.next().await {
        found.push(message.map_err(|e| failed(&e))?);
    }
    if found.is_empty() {
        let mut coming = consumer.batch().max_messages(1).expires(PATIENCE).messages().await.map_err(|e| failed(&e))?;
        if let Some(message) = coming.next().await {
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
