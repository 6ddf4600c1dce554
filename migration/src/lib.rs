//! Schema migrations for PostgreSQL and SQLite.
//!
//! A name carries its category: startup `001`-`099` (automatic, non-breaking),
//! release `100`-`199` (manual), seed `S001`-, data `DM001`-. An applied
//! migration is never edited; a change is a new one.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// The schemas that the product owns on PostgreSQL, in search-path order.
pub const SCHEMAS: [&str; 2] = ["studio", "audit"];

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(Scripted {
                name: "001_core",
                common_up: include_str!("../sql/001_core.up.sql"),
                postgres_up: include_str!("../sql/001_core.up.postgres.sql"),
                sqlite_up: include_str!("../sql/001_core.up.sqlite.sql"),
                down: include_str!("../sql/001_core.down.sql"),
                postgres_down: include_str!("../sql/001_core.down.postgres.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "002_managed_by",
                common_up: include_str!("../sql/002_managed_by.up.sql"),
                down: include_str!("../sql/002_managed_by.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "003_idempotency",
                common_up: include_str!("../sql/003_idempotency.up.sql"),
                down: include_str!("../sql/003_idempotency.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "004_jobs",
                common_up: include_str!("../sql/004_jobs.up.sql"),
                down: include_str!("../sql/004_jobs.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "005_nodes",
                common_up: include_str!("../sql/005_nodes.up.sql"),
                down: include_str!("../sql/005_nodes.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "007_tenancy",
                postgres_up: include_str!("../sql/007_tenancy.up.postgres.sql"),
                postgres_down: include_str!("../sql/007_tenancy.down.postgres.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "008_identity",
                common_up: include_str!("../sql/008_identity.up.sql"),
                postgres_up: include_str!("../sql/008_identity.up.postgres.sql"),
                down: include_str!("../sql/008_identity.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "008_access",
                common_up: include_str!("../sql/008_access.up.sql"),
                postgres_up: include_str!("../sql/008_access.up.postgres.sql"),
                down: include_str!("../sql/008_access.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "009_keys",
                common_up: include_str!("../sql/009_keys.up.sql"),
                postgres_up: include_str!("../sql/009_keys.up.postgres.sql"),
                down: include_str!("../sql/009_keys.down.sql"),
                postgres_down: include_str!("../sql/009_keys.down.postgres.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "010_audit",
                common_up: include_str!("../sql/010_audit.up.sql"),
                postgres_up: include_str!("../sql/010_audit.up.postgres.sql"),
                sqlite_up: include_str!("../sql/010_audit.up.sqlite.sql"),
                postgres_down: include_str!("../sql/010_audit.down.postgres.sql"),
                sqlite_down: include_str!("../sql/010_audit.down.sqlite.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "010_quotas",
                common_up: include_str!("../sql/010_quotas.up.sql"),
                postgres_up: include_str!("../sql/010_quotas.up.postgres.sql"),
                down: include_str!("../sql/010_quotas.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "011_key_reach",
                common_up: include_str!("../sql/011_key_reach.up.sql"),
                postgres_up: include_str!("../sql/011_key_reach.up.postgres.sql"),
                sqlite_up: include_str!("../sql/011_key_reach.up.sqlite.sql"),
                down: include_str!("../sql/011_key_reach.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "011_revocation_end",
                postgres_up: include_str!("../sql/011_revocation_end.up.postgres.sql"),
                postgres_down: include_str!("../sql/011_revocation_end.down.postgres.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "012_approvals",
                common_up: include_str!("../sql/012_approvals.up.sql"),
                postgres_up: include_str!("../sql/012_approvals.up.postgres.sql"),
                down: include_str!("../sql/012_approvals.down.sql"),
                ..Scripted::default()
            }),
            Box::new(Scripted {
                name: "013_governance",
                common_up: include_str!("../sql/013_governance.up.sql"),
                postgres_up: include_str!("../sql/013_governance.up.postgres.sql"),
                down: include_str!("../sql/013_governance.down.sql"),
                ..Scripted::default()
            }),
        ]
    }
}

/// Creates what even the table of applied migrations needs. Idempotent.
pub async fn prepare(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() == DbBackend::Postgres {
        for schema in SCHEMAS {
            db.execute_unprepared(&format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
        }
    }
    Ok(())
}

/// A migration of SQL scripts. In a common script, `{uuid}`, `{ts}`, `{json}`,
/// `{bytes}` and `{audit}` stand for each database's spelling.
#[derive(Default)]
struct Scripted {
    name: &'static str,
    common_up: &'static str,
    postgres_up: &'static str,
    sqlite_up: &'static str,
    down: &'static str,
    postgres_down: &'static str,
    sqlite_down: &'static str,
}

impl MigrationName for Scripted {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Scripted {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let own = match backend {
            DbBackend::Postgres => self.postgres_up,
            _ => self.sqlite_up,
        };
        let db = manager.get_connection();
        run(db, &spell(backend, self.common_up)).await?;
        run(db, own).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let db = manager.get_connection();
        run(db, &spell(backend, self.down)).await?;
        match backend {
            DbBackend::Postgres => run(db, self.postgres_down).await,
            _ => run(db, self.sqlite_down).await,
        }
    }
}

async fn run(db: &impl ConnectionTrait, script: &str) -> Result<(), DbErr> {
    if script.is_empty() { Ok(()) } else { db.execute_unprepared(script).await.map(drop) }
}

fn spell(backend: DbBackend, script: &str) -> String {
    let words: [(&str, &str, &str); 5] = [
        ("{uuid}", "uuid", "uuid_text"),
        ("{ts}", "timestamptz", "timestamp_with_timezone_text"),
        ("{json}", "jsonb", "jsonb_text"),
        ("{bytes}", "bytea", "blob"),
        ("{audit}", "audit.", ""),
    ];
    words.iter().fold(script.to_owned(), |text, (token, postgres, sqlite)| {
        text.replace(token, if backend == DbBackend::Postgres { postgres } else { sqlite })
    })
}
