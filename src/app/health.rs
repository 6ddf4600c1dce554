//! Whether everything that the process needs does its part.

use std::time::Duration;

use super::App;
use crate::store::MigrationInfo;

/// What was asked, and why it is not as it should be.
#[derive(Debug)]
pub struct Check {
    pub name: &'static str,
    pub problem: Option<String>,
    /// It does its part all the same, for a while.
    pub passing: bool,
}

impl App {
    /// Asks the database, the migrations and the registry, which may be silent for so long.
    pub async fn readiness(&self, registry_silence: Duration) -> Vec<Check> {
        let (database, migrations, missing) =
            tokio::join!(self.database_problem(), self.migrations_problem(), self.missing_master_key());
        let registry = match self.registry.since_reconciled() {
            None => Some("has not compared desired and running workers yet".to_owned()),
            Some(silence) if silence > registry_silence => Some(format!("silent for {} s", silence.as_secs())),
            Some(_) => None,
        };
        let keys = self.keyring.trouble();
        let check = |name, problem| Check { name, problem, passing: false };
        vec![
            check("database", database),
            check("migrations", migrations),
            check("registry", registry),
            Check {
                name: "keys",
                passing: missing.is_none() && keys.as_ref().is_some_and(|trouble| trouble.passing),
                problem: missing.or(keys.map(|trouble| trouble.reason)),
            },
        ]
    }

    /// The metrics in the Prometheus text format.
    pub fn render_metrics(&self) -> String {
        let (in_use, idle) = self.store.pool_usage();
        self.metrics.db_pool(in_use, idle);
        self.metrics.db_statements(self.store.statements());
        self.metrics.render()
    }

    async fn database_problem(&self) -> Option<String> {
        match tokio::time::timeout(Duration::from_secs(2), self.store.ping()).await {
            Ok(answer) => answer.err().map(|error| error.message().to_owned()),
            Err(_) => Some("does not answer within 2 seconds".to_owned()),
        }
    }

    async fn migrations_problem(&self) -> Option<String> {
        let all = match self.store.migrations().await {
            Ok(all) => all,
            Err(error) => return Some(error.message().to_owned()),
        };
        if let Some(why) = all.iter().find_map(MigrationInfo::refusal) {
            return Some(why);
        }
        let names = |which: fn(&MigrationInfo) -> bool| -> String {
            all.iter().filter(|m| which(m)).map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let (due, release) = (names(MigrationInfo::is_due), names(MigrationInfo::waits_for_release));
        if !due.is_empty() {
            return Some(format!("pending: {due}; run datasource-studio migrate up"));
        }
        (!release.is_empty()).then(|| {
            format!(
                "pending release migration: {release}; stop the servers of older builds, then run datasource-studio \
                 migrate up --release"
            )
        })
    }
}
