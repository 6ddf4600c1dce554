use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Which documents are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DocumentPolicy {
    /// Whatever keeps to the limits.
    Any,
    /// Those of the manifest, and of the console that comes with the server.
    Trusted,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "GraphQL")]
pub struct GraphqlSettings {
    /// Deepest nesting of a document
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_DEPTH", value_name = "N", default_value_t = 15, global = true)]
    pub graphql_max_depth: usize,

    /// Highest cost of a document: one a field, times the page size within lists
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_COMPLEXITY", value_name = "N", default_value_t = 20_000, global = true)]
    pub graphql_max_complexity: usize,

    /// Most tokens in a document; values that are sent as variables are none of it
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_TOKENS", value_name = "N", default_value_t = 15_000, global = true)]
    pub graphql_max_tokens: usize,

    /// Most aliases in a document
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_ALIASES", value_name = "N", default_value_t = 30, global = true)]
    pub graphql_max_aliases: usize,

    /// Most directives on one field
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_DIRECTIVES", value_name = "N", default_value_t = 5, global = true)]
    pub graphql_max_directives: usize,

    /// Most operations in one batch
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_BATCH", value_name = "N", default_value_t = 10, global = true)]
    pub graphql_max_batch: usize,

    /// Largest request body in bytes
    #[arg(long, env = "STUDIO_GRAPHQL_MAX_BODY", value_name = "BYTES", default_value_t = 2_097_152, global = true)]
    pub graphql_max_body: usize,

    /// Whether clients may ask for the schema, and get its names suggested in errors
    #[arg(long, env = "STUDIO_GRAPHQL_INTROSPECTION", value_name = "BOOL", default_value_t = true,
        action = clap::ArgAction::Set, global = true)]
    pub graphql_introspection: bool,

    /// Which documents are executed
    #[arg(long, env = "STUDIO_GRAPHQL_DOCUMENTS", value_enum, default_value = "any", global = true)]
    pub graphql_documents: DocumentPolicy,

    /// JSON file of documents that clients may name by their SHA-256: {"<sha256>": "query …"}
    #[arg(long, env = "STUDIO_GRAPHQL_TRUSTED_DOCUMENTS", value_name = "FILE", global = true)]
    pub graphql_trusted_documents: Option<PathBuf>,
}
