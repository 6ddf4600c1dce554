//! A compiled mapping: one input document in, delivered records out.

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Map, Value};

use super::jsonpath::Path;
use super::sandbox;
use super::spec::{Form, MappingSpec, OutputSpec};
use super::template::{Cause, FieldError, ObjectTemplate, Text, compile_text, spend};
use super::transform::{Subject, Transform};
use crate::domain::StableId;
use crate::error::Problem;

const KIND_MAX: usize = 256;
const ID_MAX: usize = 1_024;
/// What a record or an error takes beside its data, at least.
const OVERHEAD: usize = 128;

/// A mapping that is ready to run, made once per version and shared by its workers.
#[derive(Debug)]
pub struct Mapping {
    input: Path,
    outputs: Vec<Output>,
    transform: Option<Transform>,
}

#[derive(Debug)]
struct Output {
    kind: Text,
    id: Id,
    when: Option<Path>,
    fields: Option<ObjectTemplate>,
    form: Form,
}

#[derive(Debug)]
enum Id {
    Hash,
    Constant(String),
    Path(Path),
}

/// What one document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Input records in one document; a document with more is refused as a whole.
    pub max_records: usize,
    /// Estimated bytes of one mapped record.
    pub max_record_bytes: usize,
    /// Estimated bytes of all that one document becomes; what comes after it is not mapped.
    pub max_total_bytes: usize,
    /// When to stop.
    pub deadline: Option<Instant>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_records: 100_000,
            max_record_bytes: 4 * 1_024 * 1_024,
            max_total_bytes: 256 * 1_024 * 1_024,
            deadline: None,
        }
    }
}

/// A mapped record.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped {
    /// Which of the input records it was made of, from 0.
    pub record: usize,
    pub kind: Arc<str>,
    pub id: String,
    pub data: Map<String, Value>,
}

/// Why a record could not be mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingError {
    /// Stable and snake_case: `kind_invalid`, `id_invalid`, `path_too_costly`, `record_too_large`,
    /// `transform_failed`, `transform_limit`, `transform_timeout`; and for what ends the document,
    /// `too_many_records`, `output_too_large`, `deadline_exceeded`.
    pub code: &'static str,
    /// JSON pointer to the part of the configuration that failed.
    pub path: String,
    /// Which of the input records, from 0.
    pub record: usize,
    /// Whether it ended the document: `record` and those after it were not mapped.
    pub ended: bool,
    pub message: String,
}

impl std::fmt::Display for MappingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {}: {}: {}", self.record, self.path, self.message)
    }
}

impl std::error::Error for MappingError {}

/// What became of a document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Matches of `input`.
    pub inputs: usize,
    pub mapped: usize,
    pub failed: usize,
    /// Outputs whose `when` did not match.
    pub skipped: usize,
    /// Records that the transform dropped.
    pub dropped: usize,
    /// Whether a limit of the document left records unmapped; its error was the last one.
    pub incomplete: bool,
    /// What the transform printed.
    pub logs: Vec<String>,
}

/// Takes each record, or what is wrong with it, in order.
pub type Receiver<'a> = dyn FnMut(Result<Mapped, MappingError>) + Send + 'a;

/// As [`Receiver`], with the index of the document.
pub type BatchReceiver<'a> = dyn FnMut(usize, Result<Mapped, MappingError>) + Send + 'a;

impl Mapping {
    /// Checks every path and the script; pointers are those of the configuration.
    pub fn compile(spec: &MappingSpec) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let input = compile_path(&spec.input, "/mapping/input", &mut problems);
        let outputs = spec.outputs.iter().filter_map(|output| Output::compile(output, &mut problems)).collect();
        let transform = match &spec.transform {
            Some(spec) => Transform::compile(spec, &mut problems),
            None => None,
        };
        match input {
            Some(input) if problems.is_empty() => Ok(Self { input, outputs, transform }),
            _ => Err(problems),
        }
    }

    /// Maps one document. One record that fails never keeps others from being mapped.
    ///
    /// Blocks for as long as a transform runs, so a caller with a transform gives a `deadline`.
    pub fn apply(&self, document: &Value, limits: &Limits, out: &mut Receiver<'_>) -> Summary {
        let mut summaries = self.apply_all(std::slice::from_ref(document), limits, &mut |_, result| out(result));
        summaries.pop().unwrap_or_default()
    }

    /// As [`Mapping::apply`] for each of `documents`, which `out` gets the index of. A transform takes
    /// a thread for each call, so many documents are cheaper together. The limits are those of one
    /// document, but for the deadline, which is that of the call.
    pub fn apply_all(&self, documents: &[Value], limits: &Limits, out: &mut BatchReceiver<'_>) -> Vec<Summary> {
        self.each(documents, limits, out, |document, run| self.map(document, run))
    }

    /// As [`Mapping::apply_all`] for input records that [`Mapping::records`] found before.
    pub fn apply_records(&self, records: &[Value], limits: &Limits, out: &mut BatchReceiver<'_>) -> Vec<Summary> {
        self.each(records, limits, out, |record, run| {
            run.summary.inputs = 1;
            self.map_record(0, record, run);
        })
    }

    /// The input records of a document, in the order that [`MappingError::record`] counts.
    pub fn records<'a>(&self, document: &'a Value) -> Result<Vec<&'a Value>, super::TooCostly> {
        self.input.all(document)
    }

    fn each(
        &self,
        documents: &[Value],
        limits: &Limits,
        out: &mut BatchReceiver<'_>,
        map: impl Fn(&Value, &mut Run<'_, '_>) + Send + Sync + Copy,
    ) -> Vec<Summary> {
        let each = |out: &mut BatchReceiver<'_>| -> Vec<Summary> {
            let one = |(i, document)| self.run(document, limits, map, &mut |result| out(i, result));
            documents.iter().enumerate().map(one).collect()
        };
        if self.transform.is_none() {
            return each(out);
        }
        sandbox::on_deep_stack(|| each(out)).unwrap_or_else(|error| {
            let message = format!("cannot start a thread for the transform: {error}");
            let refuse = |i| {
                let path = "/mapping/transform".to_owned();
                out(
                    i,
                    Err(MappingError {
                        code: "transform_failed",
                        path,
                        record: 0,
                        ended: true,
                        message: message.clone(),
                    }),
                );
                Summary { failed: 1, incomplete: true, ..Summary::default() }
            };
            (0..documents.len()).map(refuse).collect()
        })
    }

    fn run(
        &self,
        document: &Value,
        limits: &Limits,
        map: impl Fn(&Value, &mut Run<'_, '_>),
        out: &mut Receiver<'_>,
    ) -> Summary {
        let mut run = Run { limits, left: limits.max_total_bytes, summary: Summary::default(), out };
        map(document, &mut run);
        if self.transform.is_some() {
            run.summary.logs = sandbox::take_logs();
        }
        run.summary
    }

    /// Whether a script runs, which takes a thread for the time of each call of [`Mapping::apply`].
    pub fn has_transform(&self) -> bool {
        self.transform.is_some()
    }

    fn map(&self, document: &Value, run: &mut Run<'_, '_>) {
        if self.input.is_root() {
            run.summary.inputs = 1;
            self.map_record(0, document, run);
            return;
        }
        let at = |code, message| Stop { code, path: "/mapping/input", record: 0, message };
        let records = match self.input.all(document) {
            Ok(records) => records,
            Err(error) => return run.stop(at("path_too_costly", error.to_string())),
        };
        run.summary.inputs = records.len();
        if records.len() > run.limits.max_records {
            let message =
                format!("finds {} records, more than the {} of a document", records.len(), run.limits.max_records);
            return run.stop(at("too_many_records", message));
        }
        for (index, record) in records.into_iter().enumerate() {
            if !self.map_record(index, record, run) {
                return;
            }
        }
    }

    /// Whether to go on with the next record.
    fn map_record(&self, index: usize, record: &Value, run: &mut Run<'_, '_>) -> bool {
        let hash = OnceCell::new();
        for output in &self.outputs {
            if let Some(stop) = run.must_stop(index) {
                run.stop(stop);
                return false;
            }
            let result =
                output.build(index, record, &hash, run.limits.max_record_bytes).and_then(|built| match built {
                    Some(mapped) => self.transformed(mapped, record, run.limits).map(|done| done.ok_or(Gone::Dropped)),
                    None => Ok(Err(Gone::Skipped)),
                });
            match result {
                Ok(Ok((mapped, bytes))) => run.emit(mapped, bytes),
                Ok(Err(Gone::Dropped)) => run.summary.dropped += 1,
                Ok(Err(Gone::Skipped)) => run.summary.skipped += 1,
                Err(failure) => run.fail(failure, index),
            }
        }
        true
    }

    fn transformed(
        &self,
        (mut mapped, bytes): (Mapped, usize),
        record: &Value,
        limits: &Limits,
    ) -> Result<Option<(Mapped, usize)>, Failure> {
        let Some(transform) = &self.transform else { return Ok(Some((mapped, bytes))) };
        let path = || "/mapping/transform/source".to_owned();
        let subject = Subject { data: &mapped.data, input: record, kind: &mapped.kind, id: &mapped.id };
        let data = transform.run(&subject, limits.deadline).map_err(|e| Failure {
            code: e.code,
            path: path(),
            message: e.message,
        })?;
        let Some(data) = data else { return Ok(None) };
        let bytes = size_of_data(&data, limits.max_record_bytes)
            .map_err(|_| Failure::too_large(path(), limits.max_record_bytes))?;
        mapped.data = data;
        Ok(Some((mapped, bytes)))
    }
}

impl Output {
    fn compile(spec: &OutputSpec, problems: &mut Vec<Problem>) -> Option<Self> {
        let before = problems.len();
        let pointer = |key| spec.form.pointer(key);
        let kind = compile_text(&spec.kind, &pointer("kind"), problems);
        if let Text::Constant(kind) = &kind
            && kind.len() > KIND_MAX
        {
            problems.push(Problem::new(pointer("kind"), format!("must have at most {KIND_MAX} bytes")));
        }
        let id = match &spec.id {
            None | Some(Value::Null) => Id::Hash,
            Some(Value::String(text)) => match compile_text(text, &pointer("id"), problems) {
                Text::Path(path) => Id::Path(path),
                Text::Constant(id) => Id::Constant(id.to_string()),
            },
            Some(other) => Id::Constant(other.to_string()),
        };
        if let Id::Constant(id) = &id
            && id.len() > ID_MAX
        {
            problems.push(Problem::new(pointer("id"), format!("must have at most {ID_MAX} bytes")));
        }
        let when = spec.when.as_ref().and_then(|when| compile_path(when, &pointer("when"), problems));
        let fields = spec.fields.as_ref();
        let fields = fields.map(|fields| ObjectTemplate::compile(fields, &pointer("fields"), problems));
        (problems.len() == before).then_some(Self { kind, id, when, fields, form: spec.form })
    }

    /// The record and its estimated size; `None` where `when` says that there is none.
    fn build(
        &self,
        index: usize,
        record: &Value,
        hash: &OnceCell<String>,
        max_bytes: usize,
    ) -> Result<Option<(Mapped, usize)>, Failure> {
        if let Some(when) = &self.when
            && !holds(when, record).map_err(|e| self.costly("when", e))?
        {
            return Ok(None);
        }
        let kind = self.kind(record)?;
        let id = self.id(record, hash)?;
        let mut left = max_bytes;
        let data = match (&self.fields, record) {
            (Some(fields), _) => fields.fill(record, &mut left).map_err(|e| self.field_failure(e, max_bytes))?,
            (None, record) => {
                spend(record, &mut left).map_err(|_| Failure::too_large(self.form.pointer("fields"), max_bytes))?;
                match record {
                    Value::Object(map) => map.clone(),
                    other => Map::from_iter([("value".to_owned(), other.clone())]),
                }
            }
        };
        Ok(Some((Mapped { record: index, kind, id, data }, max_bytes - left)))
    }

    fn kind(&self, record: &Value) -> Result<Arc<str>, Failure> {
        let path = match &self.kind {
            Text::Constant(kind) => return Ok(kind.clone()),
            Text::Path(path) => path,
        };
        let invalid = |message: String| Failure { code: "kind_invalid", path: self.form.pointer("kind"), message };
        match path.first(record).map_err(|e| self.costly("kind", e))? {
            Some(Value::String(kind)) if (1..=KIND_MAX).contains(&kind.len()) => Ok(kind.as_str().into()),
            Some(Value::String(_)) => Err(invalid(format!("finds a string that does not have 1 to {KIND_MAX} bytes"))),
            None | Some(Value::Null) => Err(invalid("finds nothing in this record; a record needs a kind".into())),
            Some(_) => Err(invalid("finds something other than a string".into())),
        }
    }

    fn id(&self, record: &Value, hash: &OnceCell<String>) -> Result<String, Failure> {
        let stable = || hash.get_or_init(|| StableId::of(record)).clone();
        let found = match &self.id {
            Id::Hash => return Ok(stable()),
            Id::Constant(id) => return Ok(id.clone()),
            Id::Path(path) => path.first(record).map_err(|e| self.costly("id", e))?,
        };
        let invalid = |message: String| Failure { code: "id_invalid", path: self.form.pointer("id"), message };
        match found {
            None | Some(Value::Null) => Ok(stable()),
            Some(Value::String(id)) if id.is_empty() => Ok(stable()),
            Some(Value::String(id)) if id.len() > ID_MAX => {
                Err(invalid(format!("finds a string of more than {ID_MAX} bytes")))
            }
            Some(Value::String(id)) => Ok(id.clone()),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => Ok(scalar.to_string()),
            Some(_) => Err(invalid("finds an object or an array; an id is a string, a number or a boolean".into())),
        }
    }

    fn costly(&self, key: &str, error: impl ToString) -> Failure {
        Failure { code: "path_too_costly", path: self.form.pointer(key), message: error.to_string() }
    }

    fn field_failure(&self, error: FieldError, max_bytes: usize) -> Failure {
        let path = self.form.pointer("fields") + error.path.as_str();
        match error.cause {
            Cause::TooLarge => Failure::too_large(path, max_bytes),
            Cause::TooCostly(error) => Failure { code: "path_too_costly", path, message: error.to_string() },
        }
    }
}

fn compile_path(text: &str, pointer: &str, problems: &mut Vec<Problem>) -> Option<Path> {
    Path::parse(text).map_err(|message| problems.push(Problem::new(pointer, message))).ok()
}

fn holds(when: &Path, record: &Value) -> Result<bool, super::TooCostly> {
    let truthy = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    if when.is_singular() {
        return Ok(when.first(record)?.is_some_and(truthy));
    }
    Ok(when.all(record)?.into_iter().any(truthy))
}

fn size_of_data(data: &Map<String, Value>, max: usize) -> Result<usize, Cause> {
    let mut left = max;
    for (key, value) in data {
        left = left.checked_sub(key.len() + 4).ok_or(Cause::TooLarge)?;
        spend(value, &mut left)?;
    }
    Ok(max - left)
}

/// Why an output has no record, although nothing failed.
enum Gone {
    Skipped,
    Dropped,
}

struct Failure {
    code: &'static str,
    path: String,
    message: String,
}

impl Failure {
    fn too_large(path: String, max: usize) -> Self {
        let message = format!("makes the record larger than {max} bytes; map only the fields that are needed");
        Self { code: "record_too_large", path, message }
    }
}

/// What ends a document.
struct Stop {
    code: &'static str,
    path: &'static str,
    record: usize,
    message: String,
}

struct Run<'a, 'o> {
    limits: &'a Limits,
    /// Bytes that the document may still become.
    left: usize,
    summary: Summary,
    out: &'a mut Receiver<'o>,
}

impl Run<'_, '_> {
    fn must_stop(&self, record: usize) -> Option<Stop> {
        let stop = |code, message| Some(Stop { code, path: "/mapping", record, message });
        if self.left == 0 {
            let max = self.limits.max_total_bytes;
            return stop("output_too_large", format!("makes more than {max} bytes out of one document"));
        }
        if self.limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return stop("deadline_exceeded", "took longer than it may; the other records are not mapped".into());
        }
        None
    }

    fn emit(&mut self, mapped: Mapped, bytes: usize) {
        self.left = self.left.saturating_sub(bytes + OVERHEAD);
        self.summary.mapped += 1;
        (self.out)(Ok(mapped));
    }

    fn fail(&mut self, failure: Failure, record: usize) {
        self.tell(failure, record, false);
    }

    fn tell(&mut self, failure: Failure, record: usize, ended: bool) {
        self.left = self.left.saturating_sub(OVERHEAD + failure.message.len());
        self.summary.failed += 1;
        let Failure { code, path, message } = failure;
        (self.out)(Err(MappingError { code, path, record, ended, message }));
    }

    fn stop(&mut self, stop: Stop) {
        self.summary.incomplete = true;
        let Stop { code, path, record, message } = stop;
        self.tell(Failure { code, path: path.to_owned(), message }, record, true);
    }
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;
