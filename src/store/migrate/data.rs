//! Migrations of data: batches of one organisation each, within the wall around it, by one node at a time.
//!
//! What is left to do is read from the rows themselves, so that whoever takes over goes on where the last one ended.

use std::time::Duration;

use migration::Steps;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    UpdateMany,
};

use super::super::entity::data_migration::{ActiveModel, Column, Entity};
use super::super::entity::org;
use super::super::worker::Fenced;
use super::super::{Store, Tx, classify};
use super::{MigrationState, ledger, run};
use crate::auth::Actor;
use crate::domain::{Scope, Timestamp, now};
use crate::error::Result;

/// Which data migrations are not done.
pub enum OpenData {
    /// None of this build, now and later.
    None,
    /// What they need is not applied yet.
    NotYet,
    These(Vec<&'static str>),
}

/// A data migration that this node has taken.
pub struct DataRun {
    pub name: &'static str,
    pub total: u64,
    pub done: u64,
    steps: Steps,
    migration: &'static migration::Migration,
    node: String,
    epoch: i64,
    ttl: Duration,
    began: std::time::Instant,
}

impl Store {
    pub async fn open_data_migrations(&self) -> Result<OpenData> {
        let all = self.migrations().await?;
        let open = |name: &str| {
            all.iter()
                .any(|m| m.name == name && matches!(m.state, MigrationState::Pending | MigrationState::Running { .. }))
        };
        let these: Vec<_> = run::of_data().map(|(migration, _)| migration.name).filter(|name| open(name)).collect();
        Ok(match these.is_empty() {
            true => OpenData::None,
            false if all.iter().any(super::MigrationInfo::is_due) => OpenData::NotYet,
            false => OpenData::These(these),
        })
    }

    /// Takes an open data migration whose node has not been heard of in time, or that nobody has.
    pub async fn claim_data_migration(&self, name: &str, node: &str, ttl: Duration) -> Result<Option<DataRun>> {
        let Some((migration, steps)) = run::of_data().find(|(migration, _)| migration.name == name) else {
            return Ok(None);
        };
        let tx = self.begin_everything().await?;
        let fresh = ActiveModel {
            name: Set(name.to_owned()),
            total: Set(0),
            done: Set(0),
            error_message: Set(None),
            node: Set(None),
            epoch: Set(0),
            lease_until: Set(None),
            started_at: Set(now()),
            updated_at: Set(now()),
        };
        Entity::insert(fresh)
            .on_conflict(OnConflict::column(Column::Name).do_nothing().to_owned())
            .exec_without_returning(&tx.db)
            .await
            .map_err(classify)?;
        let taken = Entity::update_many()
            .filter(Column::Name.eq(name))
            .filter(self.is_free(Expr::col(Column::LeaseUntil)))
            .col_expr(Column::Node, Expr::value(Some(node)))
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .exec_with_returning(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        let Some(row) = taken.into_iter().next() else { return Ok(None) };
        let mut claimed = DataRun {
            name: migration.name,
            total: 0,
            done: u64::try_from(row.done).unwrap_or(0),
            steps,
            migration,
            node: node.to_owned(),
            epoch: row.epoch,
            ttl,
            began: std::time::Instant::now(),
        };
        let mut left = 0;
        for org in self.orgs().await? {
            left += self.left_of(&claimed, &org).await?;
        }
        claimed.total = claimed.done + left;
        Ok(Some(claimed))
    }

    /// Every organisation that ever had anything.
    pub async fn orgs(&self) -> Result<Vec<String>> {
        let tx = self.read_everything().await?;
        let query = org::Entity::find().select_only().column(org::Column::OrgId).order_by_asc(org::Column::OrgId);
        query.into_tuple().all(&tx.db).await.map_err(classify)
    }

    /// One batch in one organisation; answers with how many rows it changed.
    pub async fn run_data_batch(&self, run: &DataRun, org: &str, most: u32) -> Result<u64> {
        let tx = self.write_as_system(&Actor::system("migration", org)).await?;
        let values = [org.into(), i64::from(most).into()];
        let statement = Statement::from_sql_and_values(self.backend(), run.steps.batch, values);
        let changed = tx.db.execute_raw(statement).await.map_err(classify)?.rows_affected();
        tx.commit().await?;
        Ok(changed)
    }

    /// Says how far it is, and keeps it.
    pub async fn advance_data_migration(&self, run: &DataRun) -> Result<Result<(), Fenced>> {
        let tx = self.begin_everything().await?;
        let update = held(run)
            .col_expr(Column::Total, Expr::value(count(run.total)))
            .col_expr(Column::Done, Expr::value(count(run.done)))
            .col_expr(Column::ErrorMessage, Expr::value(Option::<String>::None))
            .col_expr(Column::LeaseUntil, self.lease_end(run.ttl))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        settle(tx, update).await
    }

    /// Gives it back to be gone on with later, and says why.
    pub async fn postpone_data_migration(&self, run: &DataRun, why: &str) -> Result<Result<(), Fenced>> {
        let tx = self.begin_everything().await?;
        let update = held(run)
            .col_expr(Column::ErrorMessage, Expr::value(Some(why)))
            .col_expr(Column::LeaseUntil, self.lease_end(run.ttl))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        settle(tx, update).await
    }

    /// Notes it as applied, together with the end of the run.
    pub async fn end_data_migration(&self, run: &DataRun) -> Result<Result<(), Fenced>> {
        let tx = self.begin_everything().await?;
        let update = held(run)
            .col_expr(Column::Total, Expr::value(count(run.done)))
            .col_expr(Column::Done, Expr::value(count(run.done)))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .col_expr(Column::Node, Expr::value(Option::<String>::None))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        if update.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(Err(Fenced));
        }
        let took = i64::try_from(run.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        ledger::note(&tx.db, run.migration, took).await?;
        tx.commit().await.map(Ok)
    }

    async fn left_of(&self, run: &DataRun, org: &str) -> Result<u64> {
        let tx = self.read(&Scope::org(org)).await?;
        let statement = Statement::from_sql_and_values(self.backend(), run.steps.remaining, [org.into()]);
        let row = tx.db.query_one_raw(statement).await.map_err(classify)?;
        let left: i64 = row.map_or(Ok(0), |row| row.try_get_by_index(0)).map_err(classify)?;
        Ok(u64::try_from(left).unwrap_or(0))
    }
}

/// The row, while nobody else has taken it.
fn held(run: &DataRun) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Name.eq(run.name))
        .filter(Column::Epoch.eq(run.epoch))
        .filter(Column::Node.eq(run.node.as_str()))
}

async fn settle(tx: Tx, update: UpdateMany<Entity>) -> Result<Result<(), Fenced>> {
    let saved = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
    tx.commit().await?;
    Ok(if saved { Ok(()) } else { Err(Fenced) })
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
