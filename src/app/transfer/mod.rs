//! Datasources as files: export, import by plan, and the examples that an empty database starts with.

mod apply;
mod export;
mod fields;
mod governance;
mod halcyon;
mod items;
mod manifest;
mod placeholders;
mod plan;
mod read;
mod resource;
mod snapshot;
mod watch;
mod write;
mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{App, OpContext};
use crate::auth::policy::grant::Read;
use crate::domain::{DatasourceFilter, ManagedBy, Metadata, check_description, check_name};
use crate::error::{Error, Problem, Result};

pub use plan::{Action, Item};
pub use resource::{Finding, FindingKind};
pub use watch::Watch;
pub use write::Exported;
pub use yaml::Position;

pub(super) use items::{FileItem, parse_items, read_items};
pub(super) use watch::changed_files;

use resource::Resource;
use snapshot::Snapshot;

/// What an import is to achieve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Create what is missing and overwrite nothing: the database is the source of truth.
    Bootstrap,
    /// Make what the tree owns as the tree says, and touch nothing else.
    Sync,
    /// Compare as a sync would, and write nothing.
    Check,
}

/// How a tree is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    pub mode: Mode,
    /// Plan and write nothing.
    pub dry_run: bool,
    /// Who keeps what is imported.
    pub manager: ManagedBy,
    /// The project of documents that name none.
    pub project: String,
    /// Archive what this manager keeps and the tree has no more.
    pub prune: bool,
    /// Also when that is more than half of what it keeps.
    pub prune_all: bool,
    /// Take over what somebody else keeps.
    pub adopt: bool,
    /// Apply a resource without what is not supported of it.
    pub allow_unsupported: bool,
    /// Apply nothing when anything of the plan is refused, and nothing after a failure.
    pub fail_fast: bool,
}

/// What an import did, or would do.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub mode: Mode,
    pub managed_by: String,
    /// Whether anything was written at all.
    pub applied: bool,
    pub items: Vec<Item>,
    /// About files that could not be read.
    pub findings: Vec<Finding>,
    /// Why nothing was pruned, where that would have been too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prune_refused: Option<String>,
    pub summary: BTreeMap<&'static str, usize>,
}

impl Report {
    /// Whether something of the tree could not be read, planned or applied.
    pub fn failed(&self) -> bool {
        let refused = |item: &Item| matches!(item.action, Action::Refused | Action::Conflict) || item.error.is_some();
        !self.findings.is_empty() || self.prune_refused.is_some() || self.items.iter().any(refused)
    }

    /// Whether the database is not, or was not made, what the tree says.
    pub fn drifts(&self) -> bool {
        let waits = |item: &Item| item.action == Action::Waiting || !item.missing_secrets.is_empty();
        match (self.mode, self.applied) {
            (Mode::Check, _) => self.items.iter().any(|i| i.action.writes() || waits(i)),
            (Mode::Sync, true) => self.items.iter().any(waits),
            _ => false,
        }
    }
}

/// Told after each resource: how many are done, of how many.
pub type Progress<'a> = &'a mut (dyn FnMut(usize, usize, &Item) + Send);

impl App {
    /// Plans the import of files and directories, and applies the plan unless told otherwise.
    pub async fn import(
        &self,
        ctx: &OpContext,
        paths: &[PathBuf],
        options: &ImportOptions,
        progress: Progress<'_>,
    ) -> Result<Report> {
        ctx.authorize::<Read>()?;
        let first_content = options.mode == Mode::Bootstrap && self.has_nothing(ctx).await?;
        let ctx = OpContext { channel: options.manager.clone(), first_content, ..ctx.clone() };
        let owned = paths.to_vec();
        let tree = tokio::task::spawn_blocking(move || read::read(&owned)).await.map_err(Error::internal)?;
        let mut resources = tree.resources;
        for resource in &mut resources {
            self.check_resource(resource);
        }
        let snapshot = self.snapshot(&ctx, None).await?;
        self.check_against_rules(&ctx, &mut resources, &snapshot, options).await?;
        let unread = !tree.findings.is_empty();
        let (items, prune_refused) = plan::plan(&resources, unread, &snapshot, options);
        drop(snapshot);
        let mut report = Report {
            mode: options.mode,
            managed_by: options.manager.to_string(),
            applied: options.mode != Mode::Check && !options.dry_run,
            items,
            findings: tree.findings,
            prune_refused,
            summary: BTreeMap::new(),
        };
        if report.applied && !(options.fail_fast && report.failed()) {
            self.apply_all(&ctx, &mut report, &resources, options, progress).await;
        }
        for item in &report.items {
            let outcome = if item.error.is_some() { "failed" } else { item.action.as_str() };
            *report.summary.entry(outcome).or_default() += 1;
        }
        if !report.findings.is_empty() {
            report.summary.insert("unread", report.findings.len());
        }
        Ok(report)
    }

    async fn apply_all(
        &self,
        ctx: &OpContext,
        report: &mut Report,
        resources: &[Resource],
        options: &ImportOptions,
        progress: Progress<'_>,
    ) {
        let total = report.items.iter().filter(|item| item.action.writes()).count();
        let mut done = 0;
        let mut stopped = false;
        for item in report.items.iter_mut().filter(|item| item.action.writes()) {
            if stopped {
                item.error = Some("was not tried after the failure before it".to_owned());
                continue;
            }
            let resource = item.index.and_then(|index| resources.get(index));
            match self.apply(ctx, item, resource, options).await {
                Ok(id) => item.id = id,
                Err(error) => {
                    if let Some(detail) = error.detail() {
                        tracing::warn!(name = item.name, %error, detail, "an import failed");
                    }
                    item.error = Some(error.message().to_owned());
                    stopped = options.fail_fast;
                }
            }
            done += 1;
            progress(done, total, item);
        }
    }

    /// Notes what the rules of the organisation would refuse, of what is to be written.
    async fn check_against_rules(
        &self,
        ctx: &OpContext,
        resources: &mut [Resource],
        snapshot: &Snapshot,
        options: &ImportOptions,
    ) -> Result<()> {
        let rules = self.governance_rules(ctx).await?.rules;
        for resource in resources.iter_mut().filter(|resource| !resource.source.has(FindingKind::Invalid)) {
            let project = resource.project.as_ref().unwrap_or(&options.project);
            let existing = snapshot.get(&(project.clone(), resource.name.clone()));
            if existing.is_some() && options.mode == Mode::Bootstrap {
                continue;
            }
            let old = existing.map(|existing| &existing.row.metadata);
            let creator = Metadata { owner: ctx.actor.subject.to_string(), ..Metadata::default() };
            let new = resource.metadata.clone().applied(old.unwrap_or(&creator)).normalised();
            resource.source.judge("", &rules.refusals("/metadata", old, &new));
        }
        Ok(())
    }

    /// Notes all that a use-case would refuse, at its place in the file.
    fn check_resource(&self, resource: &mut Resource) {
        let mut problems = Vec::new();
        check_name("/metadata/name", &resource.name, &mut problems);
        if let Some(project) = &resource.project {
            check_name("/metadata/project", project, &mut problems);
        }
        check_description("/metadata/description", &resource.description, &mut problems);
        let blank = Metadata { owner: "nobody".to_owned(), ..Metadata::default() };
        resource.metadata.clone().applied(&blank).normalised().check("/metadata", &mut problems);
        check_description("/spec/comment", resource.comment.as_deref().unwrap_or_default(), &mut problems);
        let draft_comment = resource.draft.as_ref().and_then(|d| d.comment.as_deref()).unwrap_or_default();
        check_description("/spec/draft/comment", draft_comment, &mut problems);
        resource.source.judge("", &problems);
        if resource.connector_type.is_empty() {
            return;
        }
        if self.connectors().get(&resource.connector_type).is_none() {
            let known: Vec<_> = self.connectors().iter().map(|c| c.spec().name).collect();
            let message = format!("{:?} is not in this build; it has {}", resource.connector_type, known.join(", "));
            resource.source.judge("/config", &[Problem::new("/connector/type", message)]);
            return;
        }
        let kind = resource.connector_type.clone();
        if let Some(config) = resource.config.take() {
            resource.config = Some(self.checked(&kind, "/config", config, &mut resource.source));
        }
        if let Some(draft) = &mut resource.draft {
            draft.config = self.checked(&kind, "/draft", draft.config.take(), &mut resource.source);
        }
    }

    fn checked(
        &self,
        kind: &str,
        prefix: &str,
        config: serde_json::Value,
        source: &mut resource::Source,
    ) -> serde_json::Value {
        match self.check_config(kind, config.clone()) {
            Ok(checked) => checked.into_config(),
            Err(error) if error.problems().is_empty() => {
                source.judge(prefix, &[Problem::new("", error.message())]);
                config
            }
            Err(error) => {
                source.judge(prefix, error.problems());
                config
            }
        }
    }

    /// Neither now nor in the archive.
    async fn has_nothing(&self, ctx: &OpContext) -> Result<bool> {
        for archived in [false, true] {
            let filter = DatasourceFilter { archived, ..DatasourceFilter::default() };
            if self.count_datasources(ctx, &filter).await? > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Creates the datasources of a directory, if there are none at all yet. Whoever edits one then keeps it.
    pub async fn seed(&self, ctx: &OpContext, directory: &Path) -> Result<Option<Report>> {
        if !self.has_nothing(ctx).await? {
            return Ok(None);
        }
        let options = ImportOptions {
            mode: Mode::Bootstrap,
            dry_run: false,
            manager: ctx.channel.clone(),
            project: ctx.actor.default_project.to_string(),
            prune: false,
            prune_all: false,
            adopt: false,
            allow_unsupported: false,
            fail_fast: false,
        };
        self.import(ctx, &[directory.to_owned()], &options, &mut |_, _, _| {}).await.map(Some)
    }
}
