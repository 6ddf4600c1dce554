//! What a request attempts, for the audit log of what was refused.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock, OnceLock};

use axum::extract::{ConnectInfo, MatchedPath, Request};
use axum::http::Method;
use axum::http::request::Parts;

use super::MOUNT;
use crate::app::{App, Attempt, AttemptKind, OpContext};
use crate::auth::Permission;
use crate::domain::Role;
use crate::error::ErrorCode;

/// Method and path of every operation -> its name, as the document has it.
static OPERATIONS: LazyLock<HashMap<(String, String), String>> = LazyLock::new(|| {
    let document = super::document();
    let paths = document["paths"].as_object().into_iter().flatten();
    let operations = paths.flat_map(|(path, methods)| {
        methods.as_object().into_iter().flatten().filter_map(move |(method, operation)| {
            let name = operation["operationId"].as_str()?;
            Some(((method.to_uppercase(), path.clone()), name.to_owned()))
        })
    });
    operations.collect()
});

/// Who calls, as soon as that is known.
#[derive(Clone, Default)]
pub(super) struct Attempted {
    by: Arc<OnceLock<(OpContext, Attempt)>>,
    from: Option<IpAddr>,
}

impl Attempted {
    pub(super) fn begin(request: &mut Request) -> Self {
        let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let attempted = Self { from, ..Self::default() };
        request.extensions_mut().insert(attempted.clone());
        attempted
    }

    /// The caller of an operation that needs `permission`.
    pub(super) fn by(parts: &Parts, ctx: &OpContext, permission: Permission) {
        let Some(attempted) = parts.extensions.get::<Self>() else { return };
        let kind = match permission.role() {
            // Views are everybody's to save, and saving one is no reading.
            Role::Viewer if permission != Permission::SaveViews => AttemptKind::Read,
            _ if parts.method == Method::GET => AttemptKind::GuardedRead,
            _ => AttemptKind::Change,
        };
        let target = parts.uri.path().split('/').find_map(|part| part.parse().ok());
        let attempt = Attempt { operation: operation(parts), target, kind };
        let _ = attempted.by.set((ctx.clone(), attempt));
    }

    /// Tells the audit log of a refusal.
    pub(super) fn refused(&self, app: &App, code: ErrorCode, request_id: &str) {
        match self.by.get() {
            Some((ctx, attempt)) => app.refused(ctx, attempt, code),
            None => app.refused_stranger(code, self.from, request_id),
        }
    }
}

fn operation(parts: &Parts) -> String {
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str).unwrap_or_default();
    let path = if route.starts_with(MOUNT) { route.to_owned() } else { format!("{MOUNT}{route}") };
    let method = parts.method.as_str().to_owned();
    OPERATIONS.get(&(method, path)).cloned().unwrap_or_else(|| "unknown".to_owned())
}
