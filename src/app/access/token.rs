//! Tokens that end before their time.

use serde_json::json;

use super::super::change::{check, check_comment};
use super::super::{App, OpContext};
use super::{administer, audit};
use crate::domain::{FieldChange, RevokedToken, Timestamp, check_name, now};
use crate::error::{Error, ErrorCode, Problem, Result};

#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// The name that its issuer gave the token.
    pub jti: String,
    /// When the token ends by itself: its `exp`.
    pub expires_at: Timestamp,
    pub reason: Option<String>,
}

impl App {
    /// From now on the token is refused, on every node. To revoke it again changes nothing.
    pub async fn revoke_token(&self, ctx: &OpContext, input: RevokeToken) -> Result<RevokedToken> {
        let proof = administer(ctx)?;
        if proof.scope().project_ids().is_some() {
            let message =
                "a token belongs to the whole organisation, and yours is limited to projects; ask an admin of all";
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        let mut problems = Vec::new();
        check_name("/jti", &input.jti, &mut problems);
        if input.expires_at <= now() {
            problems
                .push(Problem::new("/expiresAt", "must be in the future: a token that has ended needs no revocation"));
        }
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let token = RevokedToken {
            jti: input.jti,
            expires_at: input.expires_at,
            reason: input.reason,
            revoked_at: now(),
            revoked_by: ctx.actor.subject.to_string(),
        };
        let (token, made) = tx.revoke_token(&proof, token).await?;
        if made {
            let change = FieldChange { field: "revokedTokens".into(), old: json!(null), new: json!(token.jti) };
            tx.record_audit(audit(ctx, "token_revoked", token.reason.as_deref(), vec![change]));
        }
        tx.commit().await?;
        self.directory.read().await?;
        Ok(token)
    }
}
