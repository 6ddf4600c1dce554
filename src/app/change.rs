//! What every change has in common: what it checks, and what it leaves behind.

use serde_json::Value;
use uuid::Uuid;

use super::OpContext;
use crate::domain::{Datasource, EventType, FieldChange, Tenant, check_description, now};
use crate::error::{Error, Problem, Result};

/// What a change leaves behind: one event, and one audit entry a changed field.
pub(super) struct Journal<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) datasource_id: Uuid,
    pub(super) version: Option<i32>,
    pub(super) event: EventType,
    pub(super) payload: Value,
    pub(super) changes: Vec<FieldChange>,
    pub(super) reason: Option<&'a str>,
}

pub(super) fn journal(row: &Datasource, event: EventType, payload: Value) -> Journal<'_> {
    Journal {
        tenant: &row.tenant,
        datasource_id: row.id,
        version: None,
        event,
        payload,
        changes: Vec::new(),
        reason: None,
    }
}

pub(super) fn touch(ctx: &OpContext, mut row: Datasource) -> Datasource {
    row.updated_at = now();
    row.updated_by = ctx.actor.subject.to_string();
    row
}

pub(super) fn check_revision(row: &Datasource, expected: Option<i64>) -> Result<()> {
    match expected {
        Some(revision) if revision != row.revision => Err(Error::stale(format!(
            "{} changed it meanwhile (revision {}, you have {revision}); read it again and repeat your change",
            row.updated_by, row.revision
        ))),
        _ => Ok(()),
    }
}

pub(super) fn check_not_archived(row: &Datasource) -> Result<()> {
    if row.archived_at.is_some() {
        return Err(Error::conflict("the datasource is archived; restore it first"));
    }
    Ok(())
}

/// A field change, unless nothing changed.
pub(super) fn change(field: &str, old: impl Into<Value>, new: impl Into<Value>) -> Option<FieldChange> {
    let (old, new) = (old.into(), new.into());
    (old != new).then(|| FieldChange { field: field.to_owned(), old, new })
}

pub(super) fn check(problems: Vec<Problem>) -> Result<()> {
    if problems.is_empty() { Ok(()) } else { Err(Error::validation(problems)) }
}

/// A comment or reason as people give one; it ends in the audit log.
pub(super) fn check_comment(pointer: &str, text: Option<&str>) -> Result<()> {
    let mut problems = Vec::new();
    check_description(pointer, text.unwrap_or_default(), &mut problems);
    check(problems)
}
