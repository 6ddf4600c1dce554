//! Tokens that end before their time.

use serde_json::json;

use super::super::change::{check, check_comment};
use super::super::{App, OpContext};
use super::administer;
use crate::domain::{FieldChange, RevokedToken, Timestamp, check_name, now};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::store::access::Revocation;

#[derive(Clone, Debug)]
pub struct RevokeToken {
    /// The name that its issuer gave the token.
    pub jti: String,
    /// When the token ends by itself: its `exp`.
    pub expires_at: Timestamp,
    pub reason: Option<String>,
}

impl App {
    /// From now on the token is refused, on every node. To revoke it again changes nothing but its end, to a later one.
    pub async fn revoke_token(&self, ctx: &OpContext, input: RevokeToken) -> Result<RevokedToken> {
        let proof = administer(ctx)?;
        if proof.scope().project_ids().is_some() {
            let message =
                "a token belongs to the whole organisation, and yours is limited to projects; ask an admin of all";
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
        let mut problems = Vec::new();
        check_name("/jti", &input.jti, &mut problems);
        if input.expires_at < self.directory.revoked_until() {
            problems
                .push(Problem::new("/expiresAt", "must not have passed: a token that has ended needs no revocation"));
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
        let reason = token.reason.clone();
        let (token, outcome) = tx.revoke_token(&proof, token).await?;
        let change = match outcome {
            Revocation::Made => {
                Some(FieldChange { field: "revokedTokens".into(), old: json!(null), new: json!(token.jti) })
            }
            Revocation::Known => None,
            Revocation::Extended { was } => {
                let field = format!("revokedTokens.{}.expiresAt", token.jti);
                Some(FieldChange { field, old: json!(was), new: json!(token.expires_at) })
            }
        };
        if let Some(change) = change {
            tx.record_audit(ctx.audit("token_revoked", reason.as_deref(), vec![change]));
        }
        tx.commit().await?;
        self.directory.read().await?;
        Ok(token)
    }
}
