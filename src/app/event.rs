//! The timeline, as pages and as a feed.

use std::collections::{HashMap, VecDeque};

use futures::Stream;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use super::{App, OpContext};
use crate::auth::policy::grant::Read;
use crate::domain::EventFilter;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Event, EventType, Scope, State, Tenant, now};
use crate::error::{Error, Result};
use crate::store::feed::POLL_INTERVAL;
use crate::store::{Signal, Store};

/// Events are read in chunks of this size, so that a reader far behind costs no more memory than one at the head.
const CHUNK: u64 = 500;

/// Events as they are committed.
pub type EventStream = std::pin::Pin<Box<dyn Stream<Item = Result<Event>> + Send>>;

/// States as they change.
pub type StateStream = std::pin::Pin<Box<dyn Stream<Item = Result<State>> + Send>>;

impl App {
    pub async fn events(&self, ctx: &OpContext, filter: &EventFilter, page: &PageRequest<i64>) -> Result<Page<Event>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        if let Some(id) = filter.datasource_id
            && tx.datasource(id).await?.is_none()
        {
            return Err(Error::not_found("datasource"));
        }
        tx.events(filter, page).await
    }

    /// Everything after `after` (absent: after now), in commit order, without gaps: what is no longer
    /// kept shows as one [`EventType::Dropped`]. Ends when the credential does.
    pub async fn follow_events(&self, ctx: &OpContext, filter: EventFilter, after: Option<i64>) -> Result<EventStream> {
        let proof = ctx.authorize::<Read>()?;
        // Listening begins before the first look, so that nothing falls between the two.
        let signals = self.store.feed().subscribe();
        let tx = self.store.read(proof.scope()).await?;
        if let Some(id) = filter.datasource_id
            && tx.datasource(id).await?.is_none()
        {
            return Err(Error::not_found("datasource"));
        }
        let head = tx.feed_bounds().await?.head;
        drop(tx);
        let cursor = match after {
            Some(seq) if seq < 0 || seq > head => {
                return Err(Error::invalid("/after", "is not a cursor that this feed gave out"));
            }
            Some(seq) => seq,
            None => head,
        };
        let reader = Reader {
            store: self.store.clone(),
            scope: proof.scope().clone(),
            filter,
            cursor,
            signals,
            ready: VecDeque::new(),
        };
        let validity = self.directory.validity(&ctx.actor);
        let stream = futures::stream::unfold((reader, validity), |(mut reader, validity)| async move {
            let item = validity.until(reader.next()).await?;
            Some((item, (reader, validity)))
        });
        Ok(Box::pin(stream))
    }
}

impl App {
    /// The states as they are, then each as it changes. A heartbeat alone is no change.
    pub async fn follow_states(&self, ctx: &OpContext, ids: Vec<Uuid>) -> Result<StateStream> {
        let proof = ctx.authorize::<Read>()?;
        let watcher = Watcher {
            store: self.store.clone(),
            scope: proof.scope().clone(),
            ids,
            signals: self.store.feed().subscribe(),
            seen: HashMap::new(),
            ready: VecDeque::new(),
            began: false,
        };
        let validity = self.directory.validity(&ctx.actor);
        let stream = futures::stream::unfold((watcher, validity), |(mut watcher, validity)| async move {
            let item = validity.until(watcher.next()).await?;
            Some((item, (watcher, validity)))
        });
        Ok(Box::pin(stream))
    }
}

/// Until something is committed in the organisation, or it is time to look anyway.
pub(super) async fn heard(signals: &mut Receiver<Signal>, org: &str) {
    let heard = async {
        loop {
            match signals.recv().await {
                Ok(signal) if signal.datasource_id.is_some() && *signal.org != *org => {}
                Ok(_) | Err(RecvError::Lagged(_)) => return,
                // The store closes: the poll interval ends the wait.
                Err(RecvError::Closed) => std::future::pending::<()>().await,
            }
        }
    };
    let _ = tokio::time::timeout(POLL_INTERVAL, heard).await;
}

struct Watcher {
    store: Store,
    scope: Scope,
    ids: Vec<Uuid>,
    signals: Receiver<Signal>,
    seen: HashMap<Uuid, State>,
    ready: VecDeque<State>,
    began: bool,
}

impl Watcher {
    async fn next(&mut self) -> Result<State> {
        loop {
            if let Some(state) = self.ready.pop_front() {
                return Ok(state);
            }
            if std::mem::replace(&mut self.began, true) {
                heard(&mut self.signals, self.scope.org_id()).await;
            }
            for state in self.store.read(&self.scope).await?.states(&self.ids).await? {
                let still = State { last_heartbeat_at: None, ..state.clone() };
                if self.seen.insert(state.datasource_id, still.clone()) != Some(still) {
                    self.ready.push_back(state);
                }
            }
        }
    }
}

struct Reader {
    store: Store,
    scope: Scope,
    filter: EventFilter,
    /// All up to here was read.
    cursor: i64,
    signals: Receiver<Signal>,
    ready: VecDeque<Event>,
}

impl Reader {
    async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(event);
            }
            if !self.read().await? {
                heard(&mut self.signals, self.scope.org_id()).await;
            }
        }
    }

    /// Reads one chunk; answers whether there may be more at once.
    async fn read(&mut self) -> Result<bool> {
        let tx = self.store.read(&self.scope).await?;
        let bounds = tx.feed_bounds().await?;
        if self.cursor < bounds.floor {
            self.ready.push_back(self.gap(bounds.floor));
            self.cursor = bounds.floor;
        }
        if self.cursor >= bounds.head {
            return Ok(!self.ready.is_empty());
        }
        let events = tx.events_after(&self.filter, self.cursor, CHUNK).await?;
        let full = events.len() as u64 == CHUNK;
        // The head was read first: whatever it counts was visible to the second question.
        let read_to = if full { 0 } else { bounds.head };
        self.cursor = events.last().map_or(read_to, |e| e.seq.max(read_to));
        self.ready.extend(events);
        Ok(full || !self.ready.is_empty())
    }

    fn gap(&self, to: i64) -> Event {
        Event {
            seq: to,
            tenant: Tenant { org: self.scope.org_id().clone(), project: "".into() },
            datasource_id: self.filter.datasource_id.unwrap_or(Uuid::nil()),
            version: None,
            event_type: EventType::Dropped,
            actor: "system".into(),
            payload: json!({ "from": self.cursor + 1, "to": to, "count": to - self.cursor }),
            created_at: now(),
        }
    }
}
