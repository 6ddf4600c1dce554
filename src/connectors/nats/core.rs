//! A plain subscription: what is published while nobody listens is gone.

use async_nats::{Client, Subscriber};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::config::NatsConfig;
use super::lost;
use super::message::deliver_plain;
use crate::connectors::gather::Gathering;
use crate::connectors::{ConnectorError, Outlet};

/// Most messages that are delivered together, whatever the version says.
const BATCH: usize = 10_000;

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
    config: &NatsConfig,
    outlet: &dyn Outlet,
    stop: &CancellationToken,
) -> Result<(), ConnectorError> {
    let mut messages = subscribe(client, subject, group).await?;
    client.flush().await.map_err(|e| lost(&e))?;
    outlet.idle(None);
    loop {
        let Some(next) = stop.run_until_cancelled(messages.next()).await else { break };
        let first = next.ok_or_else(|| lost(&"the subscription ended"))?;
        let mut batch = vec![first];
        let gathering = Gathering::begin(outlet.batch(), BATCH, stop);
        while let Some(Some(more)) = gathering.next(batch.len(), messages.next()).await {
            batch.push(more);
        }
        deliver_plain(&batch, config, outlet).await?;
    }
    Ok(())
}
