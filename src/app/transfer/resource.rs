//! A datasource as a file describes it, and what is wrong with the description.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::yaml::{Document, Position};
use crate::app::MetadataChanges;
use crate::error::Problem;

/// What kind of thing was found in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The resource cannot be applied as it is written.
    Invalid,
    /// The file asks for something that this product has no place for.
    Unsupported,
    /// Worth knowing; nothing is in the way.
    Note,
}

/// Something that was found in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub kind: FindingKind,
    pub file: Arc<str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// RFC 6901, within the document; empty for all of it.
    pub pointer: String,
    pub message: String,
}

impl Finding {
    /// About a file as a whole.
    pub(super) fn of_file(file: &Arc<str>, position: Option<Position>, message: impl Into<String>) -> Self {
        let kind = FindingKind::Invalid;
        Self { kind, file: Arc::clone(file), position, pointer: String::new(), message: message.into() }
    }
}

/// `file:line:column`, as editors and compilers write it.
impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        f.write_str(": ")?;
        if !self.pointer.is_empty() {
            write!(f, "{} ", self.pointer)?;
        }
        f.write_str(&self.message)
    }
}

/// A draft that is newer than the published configuration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    pub(super) comment: Option<String>,
    pub(super) config: Value,
}

/// What a file says of one datasource. What is absent in an `Option` is not the file's to say.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) project: Option<String>,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) metadata: MetadataChanges,
    pub(super) connector_type: String,
    pub(super) publish: bool,
    pub(super) enabled: Option<bool>,
    pub(super) comment: Option<String>,
    pub(super) config: Option<Value>,
    pub(super) draft: Option<Draft>,
    pub(super) source: Source,
}

/// Where a resource was read, and what was found there.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: Arc<str>,
    pub(super) document: Arc<Document>,
    /// Places of a configuration, by their prefixes, and the places in the document that they were made from.
    pub(super) origins: Vec<(String, String)>,
    /// Where the resource begins in the document.
    pub(super) root: String,
    pub(super) findings: Vec<Finding>,
}

impl Source {
    pub(super) fn new(file: &Arc<str>, document: &Arc<Document>) -> Self {
        Self {
            file: Arc::clone(file),
            document: Arc::clone(document),
            origins: Vec::new(),
            root: String::new(),
            findings: Vec::new(),
        }
    }

    /// Where the resource begins.
    pub(super) fn position(&self) -> Position {
        self.document.position(&self.root)
    }

    pub(super) fn find(&mut self, kind: FindingKind, pointer: impl Into<String>, message: impl Into<String>) {
        let pointer = pointer.into();
        let position = Some(self.document.position(&pointer));
        self.findings.push(Finding { kind, file: Arc::clone(&self.file), position, pointer, message: message.into() });
    }

    pub(super) fn invalid(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.find(FindingKind::Invalid, pointer, message);
    }

    /// Two places that say the same thing.
    pub(super) fn clash(&mut self, first: &str, second: &str) {
        let [one, two] = [first, second].map(|at| self.document.position(at).line);
        let message = format!("in line {two} is for the same as {first} in line {one}; keep one of them");
        self.invalid(second, message);
    }

    /// Problems of a configuration, said of the document that it was made from. Where a place is known to be wrong,
    /// they are only what follows from that.
    pub(super) fn judge(&mut self, prefix: &str, problems: &[Problem]) {
        let known = self.findings.len();
        for problem in problems {
            let pointer = self.origin(&format!("{prefix}{}", problem.pointer));
            if !self.findings[..known].iter().any(|f| f.kind == FindingKind::Invalid && f.pointer == pointer) {
                self.invalid(pointer, problem.message.clone());
            }
        }
    }

    fn origin(&self, pointer: &str) -> String {
        let within =
            |prefix: &str| pointer.strip_prefix(prefix).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let best = self.origins.iter().filter_map(|(from, to)| Some((from.len(), to, within(from)?)));
        match best.max_by_key(|(length, ..)| *length) {
            Some((_, to, rest)) => format!("{to}{rest}"),
            None => self.root.clone(),
        }
    }

    pub(super) fn has(&self, kind: FindingKind) -> bool {
        self.findings.iter().any(|f| f.kind == kind)
    }
}
