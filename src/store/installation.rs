//! What tells this installation from others that share a store, or a database server.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};

use super::{Store, classify};
use crate::error::{Error, Result};

#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Installation {
    pub id: String,
    pub(super) secret: String,
}

impl Store {
    /// The same for all nodes, from the first migration on.
    pub async fn installation(&self) -> Result<Installation> {
        let tx = self.read_everything().await?;
        let statement = Statement::from_string(self.backend(), "SELECT id, secret FROM installation");
        let row = tx.db.query_one_raw(statement).await.map_err(classify)?;
        let row = row.ok_or_else(|| Error::internal("the table installation is empty"))?;
        Installation::from_query_result(&row, "").map_err(classify)
    }
}
