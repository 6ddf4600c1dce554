//! The GraphQL API.
//!
//! A resolver parses, calls one use-case and shapes the answer. What a field
//! needs is declared once, in its `@hasRole` directive; [`guard`] reads the
//! finished schema and refuses an operation before anything of it runs.

mod access;
mod api;
mod approvals;
mod attempts;
mod connection;
mod cost;
mod dead_letters;
mod documents;
mod error;
mod exports;
mod governance;
mod grants;
mod graphiql;
mod guard;
mod http;
mod inputs;
mod jobs;
mod keys;
mod live;
mod loaders;
mod metadata_items;
mod mutation;
mod notifications;
mod prepare;
mod query;
mod registry;
mod runs;
mod subscription;
mod templates;
mod tokens;
mod types;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder};

pub use api::EmbeddedToken;
pub use http::{refusal, routes};

use self::connection::Plain;
use self::documents::Documents;
use self::types::{AuditEntry, DatasourceEvent, DatasourceVersion, MetadataRevision, NotificationDelivery};
use crate::app::App;
use crate::config::{DocumentPolicy, GraphqlSettings};
use crate::telemetry::Metrics;

pub type StudioSchema = Schema<Query, Mutation, Subscription>;

/// Reading.
#[derive(MergedObject, Default)]
pub struct Query(
    query::CatalogQuery,
    dead_letters::DeadLetterQuery,
    jobs::JobQuery,
    keys::KeyQuery,
    registry::RegistryQuery,
    access::AccessQuery,
    grants::GrantQuery,
    approvals::ApprovalQuery,
    governance::GovernanceQuery,
    exports::ExportQuery,
    metadata_items::MetadataItemQuery,
    notifications::NotificationQuery,
);

/// Writing.
#[derive(MergedObject, Default)]
pub struct Mutation(
    mutation::CatalogMutation,
    dead_letters::DeadLetterMutation,
    jobs::JobMutation,
    keys::KeyMutation,
    live::LiveMutation,
    access::AccessMutation,
    grants::GrantMutation,
    approvals::ApprovalMutation,
    governance::GovernanceMutation,
    exports::ExportMutation,
    metadata_items::MetadataItemMutation,
    notifications::NotificationMutation,
);

/// Watching.
#[derive(MergedSubscription, Default)]
pub struct Subscription(subscription::CatalogSubscription, jobs::JobSubscription, live::LiveSubscription);

/// Everything that the transports of the GraphQL API share; cheap to clone.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    app: App,
    schema: StudioSchema,
    rules: guard::Rules,
    documents: Documents,
    limits: GraphqlSettings,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

impl Gateway {
    /// `shipped` is the manifest of the documents that the console sends; `timeout` bounds an operation.
    /// Fails when a root field declares no role: such a schema is never served.
    pub fn new(
        app: App,
        limits: GraphqlSettings,
        shipped: Option<&[u8]>,
        timeout: Duration,
        metrics: Arc<Metrics>,
    ) -> Result<Self, String> {
        let only_known = limits.graphql_documents == DocumentPolicy::Trusted;
        let documents = Documents::read(limits.graphql_trusted_documents.as_deref(), shipped, only_known)?;
        let mut builder = builder();
        if !limits.graphql_introspection {
            builder = builder.disable_introspection().disable_suggestions();
        }
        let schema = builder
            .limit_depth(limits.graphql_max_depth)
            .limit_aliases(limits.graphql_max_aliases)
            .limit_directives(limits.graphql_max_directives)
            .data(app.clone())
            .finish();
        let rules = guard::Rules::from_sdl(&schema.sdl())?;
        Ok(Self(Arc::new(Inner { app, schema, rules, documents, limits, timeout, metrics })))
    }
}

/// The schema as `schema.graphql` has it.
pub fn sdl() -> String {
    builder().finish().sdl_with_options(SDLExportOptions::new().sorted_fields().sorted_arguments().sorted_enum_items())
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    let builder = Schema::build(Query::default(), Mutation::default(), Subscription::default());
    // The engine's own types of a connection come without a description.
    builder
        .override_output_type_description::<query::DatasourceConnection>("A page of datasources.")
        .override_output_type_description::<Plain<DatasourceVersion>>("A page of versions.")
        .override_output_type_description::<Plain<DatasourceEvent>>("A page of the timeline.")
        .override_output_type_description::<Plain<AuditEntry>>("A page of the audit log.")
        .override_output_type_description::<dead_letters::DeadLetterConnection>("A page of dead letters.")
        .override_output_type_description::<Plain<approvals::Approval>>("A page of requests for approval.")
        .override_output_type_description::<Plain<MetadataRevision>>("A page of earlier metadata.")
        .override_output_type_description::<Plain<governance::GovernanceViolation>>("A page of what is against rules.")
        .override_output_type_description::<Plain<NotificationDelivery>>("A page of notifications.")
        .override_output_type_description::<Plain<jobs::Job>>("A page of jobs.")
        .override_output_type_description::<metadata_items::MetadataItemConnection>(
            "A page of templates or saved views.",
        )
        .override_output_type_description::<Plain<metadata_items::MetadataItemVersion>>(
            "A page of the history of an item.",
        )
        .override_output_type_description::<Plain<registry::Worker>>("A page of workers.")
}
