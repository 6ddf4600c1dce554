//! A plain subscription: what is published while nobody listens is gone.

use async_nats::{Client, Subscriber};
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::lost;
use crate::connectors::decode::{Format, hand_over};
use crate::connectors::{ConnectorError, Outlet};

/// Most messages that are delivered together.
const BATCH: usize = 500;

pub(super) async fn subscribe(
    client: &Client,
    subject: &str,
    group: Option<&str>,
) -> Result<Subscriber, ConnectorError> {
    let subject = subject.to_owned();
    let subscribed = match group {
        Some(group) => client.queue_subscribe(subject, group.to_owned()).await,
        None => client.subscribe(subject).await,
    };
    subscribed.map_err(|e| lost(&e))
}

pub(super) async fn read(
    client: &Client,
    subject: &str,
    group: Option<&str>,
    format: Format,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let mut messages = subscribe(client, subject, group).await?;
    client.flush().await.map_err(|e| lost(&e))?;
    outlet.idle(None);
    loop {
        let Some(next) = stop.run_until_cancelled(messages.next()).await else { break };
        let first = next.ok_or_else(|| lost(&"the subscription ended"))?;
        let mut batch = vec![first.payload];
        while batch.len() < BATCH
            && let Some(Some(more)) = messages.next().now_or_never()
        {
            batch.push(more.payload);
        }
        hand_over(batch.iter().map(|payload| payload.as_ref()), |p| format.decode(p), None::<Value>, outlet).await?;
    }
    Ok(())
}
