//! Batches the look-ups of one request: a list costs a constant number of statements.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::runtime::{TokioSpawner, TokioTimer};
use uuid::Uuid;

use crate::app::{App, OpContext};
use crate::domain::{Datasource, SecretInfo, State, Version};
use crate::error::Error;

/// The batchers of one request, bound to its caller.
pub(super) struct Loaders {
    pub(super) versions: DataLoader<Versions>,
    pub(super) states: DataLoader<States>,
    pub(super) secrets: DataLoader<Secrets>,
    pub(super) datasources: DataLoader<Datasources>,
}

#[derive(Clone)]
struct Caller {
    app: App,
    ctx: OpContext,
}

pub(super) struct Versions(Caller);
pub(super) struct States(Caller);
pub(super) struct Secrets(Caller);
pub(super) struct Datasources(Caller);

impl Loaders {
    pub(super) fn new(app: App, ctx: OpContext) -> Self {
        let caller = Caller { app, ctx };
        Self {
            versions: loader(Versions(caller.clone())),
            states: loader(States(caller.clone())),
            secrets: loader(Secrets(caller.clone())),
            datasources: loader(Datasources(caller)),
        }
    }
}

fn loader<T>(inner: T) -> DataLoader<T> {
    // The wait that gathers keys: resolvers of one level run in one go, so none is needed but a yield.
    DataLoader::new(inner, TokioSpawner::current(), TokioTimer::default()).delay(std::time::Duration::ZERO)
}

impl Loader<(Uuid, i32)> for Versions {
    type Value = Arc<Version>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[(Uuid, i32)]) -> Result<HashMap<(Uuid, i32), Self::Value>, Self::Error> {
        let rows = self.0.app.versions_by_number(&self.0.ctx, keys).await?;
        Ok(by_key(rows, |v| (v.datasource_id, v.version)))
    }
}

impl Loader<Uuid> for States {
    type Value = Arc<State>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Self::Value>, Self::Error> {
        Ok(by_key(self.0.app.states(&self.0.ctx, keys).await?, |s| s.datasource_id))
    }
}

impl Loader<Uuid> for Secrets {
    type Value = Vec<SecretInfo>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Self::Value>, Self::Error> {
        let mut found: HashMap<Uuid, Vec<SecretInfo>> = HashMap::new();
        for secret in self.0.app.secrets(&self.0.ctx, keys).await? {
            found.entry(secret.datasource_id).or_default().push(secret);
        }
        Ok(found)
    }
}

impl Loader<Uuid> for Datasources {
    type Value = Arc<Datasource>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[Uuid]) -> Result<HashMap<Uuid, Self::Value>, Self::Error> {
        Ok(by_key(self.0.app.datasources_by_id(&self.0.ctx, keys).await?, |d| d.id))
    }
}

fn by_key<K: Hash + Eq, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Arc<T>> {
    rows.into_iter().map(|row| (key(&row), Arc::new(row))).collect()
}
