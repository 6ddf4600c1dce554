//! What is stored, as an import compares it and an export writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use crate::app::{App, OpContext};
use crate::domain::paging::PageRequest;
use crate::domain::{Datasource, DatasourceFilter, DatasourceOrder, DatasourceOrderField, Version};
use crate::error::Result;
use crate::store::Tx;

const PAGE: u64 = 200;

/// A datasource with its published and its newest version, and the keys of its secrets.
#[derive(Clone, Debug)]
pub(super) struct Existing {
    pub(super) row: Datasource,
    pub(super) current: Option<Version>,
    pub(super) latest: Option<Version>,
    pub(super) secrets: BTreeSet<String>,
}

/// By project and name.
pub(super) type Snapshot = BTreeMap<(String, String), Existing>;

impl App {
    /// All that is not archived, within what the caller may see.
    pub(super) async fn snapshot(&self, ctx: &OpContext, project: Option<&str>) -> Result<Snapshot> {
        self.found(ctx, DatasourceFilter { project: project.map(str::to_owned), ..DatasourceFilter::default() }).await
    }

    /// What may be the one of this name.
    pub(super) async fn snapshot_of(&self, ctx: &OpContext, project: &str, name: &str) -> Result<Snapshot> {
        let (project, search) = (Some(project.to_owned()), Some(name.to_owned()));
        self.found(ctx, DatasourceFilter { project, search, ..DatasourceFilter::default() }).await
    }

    async fn found(&self, ctx: &OpContext, filter: DatasourceFilter) -> Result<Snapshot> {
        let order = DatasourceOrder { field: DatasourceOrderField::Name, descending: false };
        let mut request = PageRequest { after: None, before: None, limit: PAGE, offset: 0, backward: false };
        let mut all = Snapshot::new();
        loop {
            let page = self.datasources(ctx, &filter, order, &request).await?;
            request.after = page.items.last().map(|row| order.key(row));
            let keys: Vec<_> = page.items.iter().flat_map(versions_of).collect();
            let ids: Vec<_> = page.items.iter().map(|row| row.id).collect();
            let mut versions: HashMap<_, _> = match keys.is_empty() {
                true => HashMap::new(),
                false => {
                    let found = self.versions_by_number(ctx, &keys).await?;
                    found.into_iter().map(|v| ((v.datasource_id, v.version), v)).collect()
                }
            };
            let mut secrets: HashMap<Uuid, BTreeSet<String>> = HashMap::new();
            if !ids.is_empty() {
                for info in self.secrets(ctx, &ids).await? {
                    secrets.entry(info.datasource_id).or_default().insert(info.key);
                }
            }
            for row in page.items {
                let latest = versions.get(&(row.id, row.latest_version)).cloned();
                let current = row.current_version.and_then(|n| versions.remove(&(row.id, n)));
                let secrets = secrets.remove(&row.id).unwrap_or_default();
                let key = (row.tenant.project.to_string(), row.name.clone());
                all.insert(key, Existing { row, current, latest, secrets });
            }
            if !page.has_next {
                return Ok(all);
            }
        }
    }
}

impl Existing {
    /// The same of one row, within the transaction that is to change it.
    pub(super) async fn read(tx: &Tx, row: Datasource) -> Result<Self> {
        let latest = tx.version(row.id, row.latest_version).await?;
        let current = match row.current_version {
            Some(number) => tx.version(row.id, number).await?,
            None => None,
        };
        let secrets = tx.secrets(&[row.id]).await?.into_iter().map(|s| s.key).collect();
        Ok(Self { row, current, latest, secrets })
    }
}

fn versions_of(row: &Datasource) -> impl Iterator<Item = (Uuid, i32)> + use<> {
    let latest = (row.latest_version > 0).then_some(row.latest_version);
    let current = row.current_version.filter(|n| Some(*n) != latest);
    let id = row.id;
    latest.into_iter().chain(current).map(move |n| (id, n))
}
