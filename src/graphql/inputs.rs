//! What clients send.

use async_graphql::{Enum, ID, InputObject, Json, MaybeUndefined};
use serde_json::Value;
use uuid::Uuid;

use super::governance::{RateLimitInput, SlaInput, VisibilityInput, clearable, visibility};
use super::templates::UseTemplateInput;
use super::types::{AuditOutcome, DatasourceStatus, EventType, Lifecycle};
use crate::app::MetadataChanges;
use crate::domain::{DatasourceFilter, DatasourceOrder, DatasourceOrderField};
use crate::error::{Error, Result};

/// An id that is no id cannot be found either.
pub(super) fn uuid(pointer: &str, id: &ID) -> Result<Uuid> {
    id.parse().map_err(|_| Error::invalid(pointer, "must be a UUID"))
}

/// Narrows a list of datasources. What is absent does not narrow.
#[derive(InputObject, Default)]
pub(super) struct DatasourceFilterInput {
    /// In one of these states.
    status: Option<Vec<DatasourceStatus>>,
    /// Of one of these connector types.
    #[graphql(name = "type")]
    types: Option<Vec<String>>,
    /// Of this owner.
    owner: Option<String>,
    /// With this tag.
    tag: Option<String>,
    /// With all of these tags.
    tags: Option<Vec<String>>,
    /// With all of these words in name, description, owner, team, category, type or tags, whatever the case.
    search: Option<String>,
    /// In this project.
    project: Option<String>,
    /// Kept by this channel: `ui`, `api`, or `git:` and the name of a source.
    managed_by: Option<String>,
    /// Only what is archived. Otherwise only what is not.
    #[graphql(default = false)]
    archived: bool,
}

impl From<DatasourceFilterInput> for DatasourceFilter {
    fn from(input: DatasourceFilterInput) -> Self {
        Self {
            status: input.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            types: input.types.unwrap_or_default(),
            owner: input.owner,
            tags: input.tags.unwrap_or_default().into_iter().chain(input.tag).collect(),
            search: input.search,
            project: input.project,
            managed_by: input.managed_by,
            archived: input.archived,
        }
    }
}

/// What a list is sorted by.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum DatasourceOrderFieldInput {
    /// By name.
    Name,
    /// By the time of creation.
    CreatedAt,
    /// By the time of the last change.
    UpdatedAt,
}

/// Which way a list is sorted.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderDirection {
    /// Smallest, or oldest, first.
    Asc,
    /// Greatest, or newest, first.
    Desc,
}

/// How a list of datasources is sorted.
#[derive(InputObject)]
pub(super) struct DatasourceOrderInput {
    /// By what.
    field: DatasourceOrderFieldInput,
    /// Which way.
    #[graphql(default_with = "OrderDirection::Asc")]
    direction: OrderDirection,
}

impl DatasourceOrderInput {
    pub(super) fn or_default(order: Option<Self>) -> DatasourceOrder {
        let (field, direction) = match order {
            Some(order) => (order.field, order.direction),
            None => (DatasourceOrderFieldInput::CreatedAt, OrderDirection::Desc),
        };
        DatasourceOrder {
            field: match field {
                DatasourceOrderFieldInput::Name => DatasourceOrderField::Name,
                DatasourceOrderFieldInput::CreatedAt => DatasourceOrderField::CreatedAt,
                DatasourceOrderFieldInput::UpdatedAt => DatasourceOrderField::UpdatedAt,
            },
            descending: direction == OrderDirection::Desc,
        }
    }
}

/// Narrows the audit log.
#[derive(InputObject, Default)]
pub(super) struct AuditFilterInput {
    /// About this datasource.
    pub(super) datasource_id: Option<ID>,
    /// By this actor.
    pub(super) actor: Option<String>,
    /// Of this action, by the name of its event (such as `publish`); for what was refused, of its operation
    /// (such as `publishDatasource`).
    pub(super) action: Option<String>,
    /// That ended so.
    pub(super) outcome: Option<AuditOutcome>,
}

/// The arguments of a page of events.
pub(super) struct EventPageArgs {
    pub(super) types: Option<Vec<EventType>>,
    pub(super) first: Option<i64>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i64>,
    pub(super) before: Option<String>,
}

/// A new datasource.
#[derive(InputObject)]
pub(super) struct CreateDatasourceInput {
    /// Unique in the project.
    pub(super) name: String,
    /// The connector type, see `connectorTypes`.
    #[graphql(name = "type")]
    pub(super) connector_type: String,
    /// Absent: the default project of the token.
    pub(super) project: Option<String>,
    /// What it is for.
    pub(super) description: Option<String>,
    /// Absent: the caller.
    owner: Option<String>,
    /// The team that it belongs to.
    team: Option<String>,
    /// Its category.
    category: Option<String>,
    /// Its tags.
    tags: Option<Vec<String>>,
    /// Who sees it, besides its owner and its admins. Absent: everybody within whose reach it is.
    visibility: MaybeUndefined<VisibilityInput>,
    /// What people say of it. Absent: DRAFT.
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect.
    sla: MaybeUndefined<SlaInput>,
    /// A limit besides that of the configuration; the smaller of both holds.
    rate_limit: MaybeUndefined<RateLimitInput>,
    /// A configuration; present, it becomes version 1, a draft.
    pub(super) config: Option<Json<Value>>,
    /// A template that makes the configuration, in the place of one.
    pub(super) template: Option<UseTemplateInput>,
    /// What to say of version 1.
    pub(super) comment: Option<String>,
}

/// Changes to a datasource. What is absent stays; null clears.
#[derive(InputObject)]
pub(super) struct UpdateDatasourceInput {
    /// Which one.
    pub(super) id: ID,
    /// Refuse with CONFLICT when this is not its revision any more.
    pub(super) expected_revision: Option<i64>,
    /// A new name.
    pub(super) name: Option<String>,
    /// A new description.
    pub(super) description: Option<String>,
    /// A new owner.
    owner: Option<String>,
    /// A new team.
    team: MaybeUndefined<String>,
    /// A new category.
    category: MaybeUndefined<String>,
    /// The tags from now on, all of them.
    tags: Option<Vec<String>>,
    /// Who sees it from now on, besides its owner and its admins; null is everybody within whose reach it is.
    visibility: MaybeUndefined<VisibilityInput>,
    /// What people say of it from now on.
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect from now on; null is nothing.
    sla: MaybeUndefined<SlaInput>,
    /// A limit besides that of the configuration; null removes it.
    rate_limit: MaybeUndefined<RateLimitInput>,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
}

/// Changes to governance metadata. What is absent stays; null clears.
#[derive(InputObject)]
pub(super) struct UpdateDatasourceMetadataInput {
    /// Which one.
    pub(super) id: ID,
    /// Refuse with CONFLICT when this is not its revision any more.
    pub(super) expected_revision: Option<i64>,
    /// A new owner.
    owner: Option<String>,
    /// A new team.
    team: MaybeUndefined<String>,
    /// A new category.
    category: MaybeUndefined<String>,
    /// The tags from now on, all of them.
    tags: Option<Vec<String>>,
    /// Who sees it from now on, besides its owner and its admins; null is everybody within whose reach it is.
    visibility: MaybeUndefined<VisibilityInput>,
    /// What people say of it from now on.
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect from now on; null is nothing.
    sla: MaybeUndefined<SlaInput>,
    /// A limit besides that of the configuration; null removes it.
    rate_limit: MaybeUndefined<RateLimitInput>,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
}

/// The parts of an input that are governance metadata; both kinds of update name them alike.
macro_rules! metadata_of {
    ($input:ident) => {
        MetadataChanges {
            owner: $input.owner.take(),
            team: clearable(std::mem::take(&mut $input.team)),
            category: clearable(std::mem::take(&mut $input.category)),
            tags: $input.tags.take(),
            visibility: visibility(std::mem::take(&mut $input.visibility)),
            lifecycle: $input.lifecycle.map(Into::into),
            sla: clearable(std::mem::take(&mut $input.sla)),
            rate_limit: clearable(std::mem::take(&mut $input.rate_limit)),
        }
    };
}

impl CreateDatasourceInput {
    /// Takes the governance metadata out.
    pub(super) fn metadata(&mut self) -> MetadataChanges {
        MetadataChanges {
            owner: self.owner.take(),
            team: self.team.take().map(Some),
            category: self.category.take().map(Some),
            tags: self.tags.take(),
            visibility: visibility(std::mem::take(&mut self.visibility)),
            lifecycle: self.lifecycle.map(Into::into),
            sla: clearable(std::mem::take(&mut self.sla)),
            rate_limit: clearable(std::mem::take(&mut self.rate_limit)),
        }
    }
}

impl UpdateDatasourceInput {
    /// Takes the governance metadata out.
    pub(super) fn metadata(&mut self) -> MetadataChanges {
        metadata_of!(self)
    }
}

impl UpdateDatasourceMetadataInput {
    /// Takes the governance metadata out.
    pub(super) fn metadata(&mut self) -> MetadataChanges {
        metadata_of!(self)
    }
}

/// Names a datasource, and says why.
#[derive(InputObject)]
pub(super) struct DatasourceActionInput {
    /// Which one.
    pub(super) id: ID,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
    /// Refuse with CONFLICT when this is not the datasource's revision any more.
    pub(super) expected_revision: Option<i64>,
}

/// What to archive.
#[derive(InputObject)]
pub(super) struct ArchiveDatasourceInput {
    /// Which one.
    pub(super) id: ID,
    /// Refuse with CONFLICT when this is not its revision any more.
    pub(super) expected_revision: Option<i64>,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
}

/// What to copy. Secrets are not copied.
#[derive(InputObject)]
pub(super) struct CloneDatasourceInput {
    /// Which one.
    pub(super) id: ID,
    /// The name of the copy.
    pub(super) name: String,
    /// The project of the copy. Absent: the same.
    pub(super) project: Option<String>,
    /// The version whose configuration becomes the copy's version 1. Absent: the published one, else the latest.
    pub(super) version: Option<i32>,
}

/// A new draft.
#[derive(InputObject)]
pub(super) struct CreateDatasourceVersionInput {
    /// The datasource.
    pub(super) id: ID,
    /// The configuration document, checked as a whole.
    pub(super) config: Json<Value>,
    /// What to say of it.
    pub(super) comment: Option<String>,
    /// Refuse with CONFLICT when this is not the datasource's revision any more.
    pub(super) expected_revision: Option<i64>,
}

/// What goes live.
#[derive(InputObject)]
pub(super) struct PublishDatasourceInput {
    /// The datasource.
    pub(super) id: ID,
    /// Absent: the latest version.
    pub(super) version: Option<i32>,
    /// Why; for the timeline and the audit log.
    pub(super) comment: Option<String>,
    /// Refuse with CONFLICT when this is not the datasource's revision any more.
    pub(super) expected_revision: Option<i64>,
}

/// What goes live again.
#[derive(InputObject)]
pub(super) struct RollbackDatasourceInput {
    /// The datasource.
    pub(super) id: ID,
    /// Absent: what was published before the current version.
    pub(super) target_version: Option<i32>,
    /// Why; for the timeline and the audit log.
    pub(super) comment: Option<String>,
    /// Refuse with CONFLICT when this is not the datasource's revision any more.
    pub(super) expected_revision: Option<i64>,
    /// Run with the secrets as they are today, not with those that the version was published with.
    #[graphql(default = false)]
    pub(super) repin_secrets: bool,
}

/// A value for a secret.
#[derive(InputObject)]
pub(super) struct SetDatasourceSecretInput {
    /// The datasource.
    pub(super) id: ID,
    /// The key that configurations name.
    pub(super) key: String,
    /// The value; it can never be read back. Either this or `reference`.
    #[graphql(secret)]
    pub(super) value: Option<String>,
    /// Where the value is kept instead: `vault://path#field` or `env://NAME`, as far as this server allows it.
    /// It is fetched whenever a worker starts.
    pub(super) reference: Option<String>,
    /// Also let the published version run with it, at once. Otherwise that version keeps the value that it was published with.
    #[graphql(default = false)]
    pub(super) repin: bool,
    /// Where a policy asks for approval: the value waits, and counts as soon as somebody else agrees.
    #[graphql(default = false)]
    pub(super) request_approval: bool,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
}

/// A secret to forget.
#[derive(InputObject)]
pub(super) struct DeleteDatasourceSecretInput {
    /// The datasource.
    pub(super) id: ID,
    /// Its key.
    pub(super) key: String,
    /// Also when the published version runs with it: its next start will fail.
    #[graphql(default = false)]
    pub(super) force: bool,
    /// Why; for the audit log.
    pub(super) reason: Option<String>,
}

/// What to test, and on what.
#[derive(InputObject)]
pub(super) struct TestDatasourceInput {
    /// The datasource.
    pub(super) id: ID,
    /// The version. Absent: the latest one.
    pub(super) version: Option<i32>,
    /// A configuration to test in place of a stored version.
    pub(super) config_override: Option<Json<Value>>,
    /// The payload, as JSON. A string is taken as the raw payload.
    pub(super) payload: Option<Json<Value>>,
    /// Use the stored sample of this name.
    pub(super) sample: Option<String>,
    /// Fetch one sample from the source, without moving its checkpoint. With secrets, only an admin may fetch by what is not published.
    #[graphql(default = false)]
    pub(super) fetch: bool,
    /// Keep the payload as a sample of this name.
    pub(super) save_sample_as: Option<String>,
}

/// Which version to look at the source with.
#[derive(InputObject)]
pub(super) struct CheckDatasourceInput {
    /// The datasource.
    pub(super) id: ID,
    /// The version. Absent: the latest one. With secrets, only an admin may check what is not published.
    pub(super) version: Option<i32>,
}
