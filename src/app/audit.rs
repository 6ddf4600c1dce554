//! Reading the audit log.

use super::{App, OpContext};
use crate::auth::policy::grant::ReadAudit;
use crate::domain::AuditEntry;
use crate::domain::AuditFilter;
use crate::domain::paging::{Page, PageRequest};
use crate::error::Result;

impl App {
    pub async fn audit_log(
        &self,
        ctx: &OpContext,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<AuditEntry>> {
        let proof = ctx.authorize::<ReadAudit>()?;
        self.store.read(proof.scope()).await?.audit_entries(&proof, filter, page).await
    }
}
