//! What an operation attempts, for the audit log of what was refused.

use async_graphql::parser::types::{
    ExecutableDocument, Field, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{PathSegment, Response, ServerError, Value, Variables};
use uuid::Uuid;

use super::guard::Rules;
use crate::app::{App, Attempt, AttemptKind, OpContext};
use crate::domain::Role;
use crate::error::ErrorCode;

/// Attempts of one operation that are told apart; refusals of more are told as the first.
const MOST: usize = 50;

/// Each root field of an operation, under its response key.
#[derive(Clone)]
pub(super) struct Attempts(Vec<(String, Attempt)>);

impl Attempts {
    /// Of a document that [`cost::check`](super::cost::check) let pass: no fragment of it spreads itself.
    pub(super) fn of(
        rules: &Rules,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        variables: &Variables,
    ) -> Self {
        let mut found = Vec::new();
        collect(document, &operation.selection_set.node, &mut |field| {
            if found.len() < MOST {
                let name = field.name.node.as_str();
                let role = rules.field(rules.root(operation.ty), name).and_then(|rule| rule.role);
                let kind = match operation.ty {
                    OperationType::Mutation => AttemptKind::Change,
                    _ if role.is_some_and(|role| role > Role::Viewer) => AttemptKind::GuardedRead,
                    _ => AttemptKind::Read,
                };
                let attempt = Attempt { operation: name.to_owned(), target: target(field, variables), kind };
                found.push((field.response_key().node.to_string(), attempt));
            }
        });
        Self(found)
    }

    /// Tells the audit log of the errors that are refusals.
    pub(super) fn refused(&self, app: &App, ctx: &OpContext, response: &Response) {
        too_complex(app, ctx, response);
        let mut told: Vec<(&Attempt, ErrorCode)> = Vec::new();
        for error in &response.errors {
            let Some(code) = code_of(error) else { continue };
            // What is below a field that was done says nothing against the field, unless a role was too low for it.
            if error.path.len() > 1 && code != ErrorCode::Forbidden || code == ErrorCode::QueryTooComplex {
                continue;
            }
            let own =
                self.0.iter().find(|(key, _)| matches!(error.path.first(), Some(PathSegment::Field(f)) if f == key));
            let Some((_, attempt)) = own.or(self.0.first()) else { continue };
            if !told.contains(&(attempt, code)) {
                app.refused(ctx, attempt, code);
                told.push((attempt, code));
            }
        }
    }
}

/// Tells the audit log of a document that is too much as a whole.
pub(super) fn too_complex(app: &App, ctx: &OpContext, response: &Response) {
    if response.errors.iter().any(|error| code_of(error) == Some(ErrorCode::QueryTooComplex)) {
        let attempt = Attempt { operation: "graphql".to_owned(), target: None, kind: AttemptKind::Read };
        app.refused(ctx, &attempt, ErrorCode::QueryTooComplex);
    }
}

fn collect<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, see: &mut impl FnMut(&'a Field)) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => see(&field.node),
            Selection::InlineFragment(fragment) => collect(document, &fragment.node.selection_set.node, see),
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    collect(document, &fragment.node.selection_set.node, see);
                }
            }
        }
    }
}

/// The `id` of the field, or of its `input`.
fn target(field: &Field, variables: &Variables) -> Option<Uuid> {
    let value = |name: &str| {
        let given = &field.get_argument(name)?.node;
        given.clone().into_const_with(|variable| variables.get(&variable).cloned().ok_or(())).ok()
    };
    let id = match value("id") {
        Some(id) => Some(id),
        None => match value("input") {
            Some(Value::Object(mut input)) => input.swap_remove("id"),
            _ => None,
        },
    };
    match id {
        Some(Value::String(text)) => text.parse().ok(),
        _ => None,
    }
}

fn code_of(error: &ServerError) -> Option<ErrorCode> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(text) => ErrorCode::ALL.into_iter().find(|code| code.as_str() == text),
        _ => None,
    }
}
