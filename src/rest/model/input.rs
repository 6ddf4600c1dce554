//! What clients send. A field that is not named here is refused by name.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::metadata::{CustomRateLimit, SlaPatch, VisibilityPatch, given_object, visibility};
use super::metadata_items::{UseTemplate, maybe_object};
use super::words::{Comment, Label, Lifecycle, Name, Tags, connector_type};
use crate::app::MetadataChanges;

/// A new datasource; with a configuration, also its first draft.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateDatasource {
    /// Unique in the project.
    #[schema(value_type = Name)]
    pub(in crate::rest) name: String,
    /// The connector type, see `GET /api/v1/connector-types`.
    #[serde(rename = "type")]
    #[schema(schema_with = connector_type)]
    pub(in crate::rest) connector_type: String,
    /// What it is for.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) description: Option<String>,
    /// Absent: the default project of the token.
    #[schema(value_type = Option<Name>)]
    pub(in crate::rest) project_id: Option<String>,
    /// Absent: the caller.
    #[schema(value_type = Option<Name>)]
    owner_id: Option<String>,
    /// The team that it belongs to.
    #[schema(value_type = Option<Label>)]
    team: Option<String>,
    /// Its category.
    #[schema(value_type = Option<Label>)]
    category: Option<String>,
    /// Its tags: at most 32, each of 1 to 50 characters.
    #[schema(value_type = Option<Tags>)]
    tags: Option<Vec<String>>,
    /// Who sees it, besides its owner and its admins. Absent: everybody within whose reach it is.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<VisibilityPatch>)]
    visibility: Option<Option<VisibilityPatch>>,
    /// What people say of it. Absent: `draft`.
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<SlaPatch>)]
    sla: Option<Option<SlaPatch>>,
    /// A limit besides that of the configuration; the smaller of both holds.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<CustomRateLimit>)]
    rate_limit: Option<Option<CustomRateLimit>>,
    /// A configuration; present, it becomes version 1, a draft.
    #[schema(value_type = Option<Object>)]
    pub(in crate::rest) config: Option<Value>,
    /// A template that makes the configuration, in the place of one.
    #[serde(default, deserialize_with = "maybe_object")]
    #[schema(value_type = Option<UseTemplate>)]
    pub(in crate::rest) template: Option<UseTemplate>,
    /// What to say of version 1.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// Changes to a datasource. What is absent stays; null clears where that is possible.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct UpdateDatasource {
    /// A new name.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Name, required = false)]
    pub(in crate::rest) name: Option<String>,
    /// A new description; null empties it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) description: Option<Option<String>>,
    /// A new owner.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Name, required = false)]
    owner_id: Option<String>,
    /// A new team; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Label>)]
    team: Option<Option<String>>,
    /// A new category; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Label>)]
    category: Option<Option<String>>,
    /// The tags from now on, all of them; null removes all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Tags>)]
    tags: Option<Option<Vec<String>>>,
    /// Who sees it from now on, besides its owner and its admins; null is everybody within whose reach it is.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<VisibilityPatch>)]
    visibility: Option<Option<VisibilityPatch>>,
    /// What people say of it from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Lifecycle, required = false)]
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect from now on; null is nothing.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<SlaPatch>)]
    sla: Option<Option<SlaPatch>>,
    /// A limit besides that of the configuration; null removes it.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<CustomRateLimit>)]
    rate_limit: Option<Option<CustomRateLimit>>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Changes to governance metadata. What is absent stays; null clears where that is possible.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct UpdateMetadata {
    /// A new owner.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Name, required = false)]
    owner_id: Option<String>,
    /// A new team; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Label>)]
    team: Option<Option<String>>,
    /// A new category; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Label>)]
    category: Option<Option<String>>,
    /// The tags from now on, all of them; null removes all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Tags>)]
    tags: Option<Option<Vec<String>>>,
    /// Who sees it from now on, besides its owner and its admins; null is everybody within whose reach it is.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<VisibilityPatch>)]
    visibility: Option<Option<VisibilityPatch>>,
    /// What people say of it from now on.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Lifecycle, required = false)]
    lifecycle: Option<Lifecycle>,
    /// What consumers may expect from now on; null is nothing.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<SlaPatch>)]
    sla: Option<Option<SlaPatch>>,
    /// A limit besides that of the configuration; null removes it.
    #[serde(default, deserialize_with = "given_object")]
    #[schema(value_type = Option<CustomRateLimit>)]
    rate_limit: Option<Option<CustomRateLimit>>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// The parts of a body that are governance metadata; both kinds of update name them alike.
macro_rules! metadata_of {
    ($body:ident) => {
        MetadataChanges {
            owner: $body.owner_id.take(),
            team: $body.team.take(),
            category: $body.category.take(),
            tags: $body.tags.take().map(Option::unwrap_or_default),
            visibility: visibility($body.visibility.take()),
            lifecycle: $body.lifecycle.map(|lifecycle| lifecycle.0),
            sla: $body.sla.take().map(|sla| sla.map(Into::into)),
            rate_limit: $body.rate_limit.take().map(|limit| limit.map(Into::into)),
        }
    };
}

impl CreateDatasource {
    /// Takes the governance metadata out.
    pub(in crate::rest) fn metadata(&mut self) -> MetadataChanges {
        MetadataChanges {
            owner: self.owner_id.take(),
            team: self.team.take().map(Some),
            category: self.category.take().map(Some),
            tags: self.tags.take(),
            visibility: visibility(self.visibility.take()),
            lifecycle: self.lifecycle.map(|lifecycle| lifecycle.0),
            sla: self.sla.take().map(|sla| sla.map(Into::into)),
            rate_limit: self.rate_limit.take().map(|limit| limit.map(Into::into)),
        }
    }
}

impl UpdateDatasource {
    /// Takes the governance metadata out.
    pub(in crate::rest) fn metadata(&mut self) -> MetadataChanges {
        metadata_of!(self)
    }
}

impl UpdateMetadata {
    /// Takes the governance metadata out.
    pub(in crate::rest) fn metadata(&mut self) -> MetadataChanges {
        metadata_of!(self)
    }
}

/// A copy of a datasource, without its secrets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CloneDatasource {
    /// The name of the copy.
    #[schema(value_type = Name)]
    pub(in crate::rest) name: String,
    /// The project of the copy. Absent: the same.
    #[schema(value_type = Option<Name>)]
    pub(in crate::rest) project_id: Option<String>,
    /// The version whose configuration becomes the copy's version 1. Absent: the published one, else the latest.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: Option<i32>,
}

/// A new draft.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CreateVersion {
    /// The configuration document, checked as a whole.
    #[schema(value_type = Object)]
    pub(in crate::rest) config: Value,
    /// What to say of it.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
    /// The same as `comment`, by the name that answers give it; send one of them.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) summary: Option<String>,
}

/// What goes live.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct Publish {
    /// Absent: the latest version.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: Option<i32>,
    /// Why; for the timeline and the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
}

/// What goes live again.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct Rollback {
    /// Absent: what was published before the current version.
    #[schema(minimum = 1)]
    pub(in crate::rest) target_version: Option<i32>,
    /// Why; for the timeline and the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) comment: Option<String>,
    /// Run with the secrets as they are today, not with those that the version was published with.
    #[serde(default)]
    pub(in crate::rest) repin_secrets: bool,
}

/// Why something is done.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct Action {
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// A value for a secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SetSecret {
    /// The key that configurations name.
    #[schema(pattern = r"^[A-Za-z0-9_.\-]{1,128}$")]
    pub(in crate::rest) key: String,
    /// The value; no answer ever has it. At most 65,536 bytes. Either this or `reference`.
    #[serde(default, deserialize_with = "secret")]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 65536, format = Password)]
    pub(in crate::rest) value: Option<SecretString>,
    /// Where the value is kept instead: `vault://path#field` or `env://NAME`, as far as this server allows it.
    /// It is fetched whenever a worker starts.
    #[schema(max_length = 512)]
    pub(in crate::rest) reference: Option<String>,
    /// Also let the published version run with it, at once.
    #[serde(default)]
    pub(in crate::rest) repin: bool,
    /// Where a policy asks for approval: the value waits, and counts as soon as somebody else agrees.
    #[serde(default)]
    pub(in crate::rest) request_approval: bool,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// What to test, and on what: one of payload, sample and fetch, or nothing for the connector's example.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct TestDatasource {
    /// The payload, as JSON. A string is taken as the raw payload.
    #[schema(value_type = Value, required = false)]
    pub(in crate::rest) payload: Option<Value>,
    /// The version. Absent: the latest one.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: Option<i32>,
    /// A configuration to test in place of a stored version.
    #[schema(value_type = Option<Object>)]
    pub(in crate::rest) config_override: Option<Value>,
    /// Use the stored sample of this name.
    pub(in crate::rest) sample: Option<String>,
    /// Fetch one sample from the source, without moving its checkpoint.
    #[serde(default)]
    pub(in crate::rest) fetch: bool,
    /// Keep the payload as a sample of this name.
    #[schema(value_type = Option<Name>)]
    pub(in crate::rest) save_sample_as: Option<String>,
}

/// A configuration to check.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CheckConfig {
    /// The configuration document, whatever it is.
    #[schema(value_type = Value)]
    pub(in crate::rest) config: Value,
}

/// Tells a field that is null from one that is absent.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A field that can be left out but not cleared.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Option::deserialize(deserializer)?;
    value.map(Some).ok_or_else(|| serde::de::Error::custom("cannot be cleared; leave it out to keep it as it is"))
}

/// The usual refusal of a wrong type repeats the value.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => Ok(Some(text.into())),
        _ => Err(serde::de::Error::custom("must be a string")),
    }
}
