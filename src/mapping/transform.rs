//! An optional program that runs on each mapped record, in a sandbox.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rhai::{AST, Dynamic, EvalAltResult, ParseError, Scope};
use serde_json::{Map, Value};

use super::convert::{map_from_dynamic, map_to_dynamic, to_dynamic};
use super::sandbox::{ENGINE, OPERATIONS_MAX, on_deep_stack, set_deadline};
use super::spec::TransformSpec;
use crate::error::Problem;

const SOURCE: &str = "/mapping/transform/source";
/// For one record; a program that uses all its operations takes a small part of it.
const TIME_MAX: Duration = Duration::from_millis(500);
const MESSAGE_MAX: usize = 500;

/// A compiled program.
#[derive(Debug)]
pub(super) struct Transform {
    program: AST,
    /// The input record is only converted for programs that mention it.
    reads_input: bool,
}

/// What a program sees of one record.
pub(super) struct Subject<'a> {
    pub(super) data: &'a Map<String, Value>,
    pub(super) input: &'a Value,
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Transform {
    pub(super) fn compile(spec: &TransformSpec, problems: &mut Vec<Problem>) -> Option<Self> {
        let compiled = on_deep_stack(|| {
            let mut scope = Scope::new();
            for name in ["record", "input", "kind", "id"] {
                scope.push_dynamic(name, Dynamic::UNIT);
            }
            catch_unwind(AssertUnwindSafe(|| ENGINE.compile_with_scope(&scope, &spec.source)))
        });
        let problem = match compiled {
            Ok(Ok(Ok(program))) => return Some(Self { program, reads_input: spec.source.contains("input") }),
            Ok(Ok(Err(error))) => explain(&error),
            Ok(Err(_)) => "cannot be compiled; simplify the program".to_owned(),
            Err(error) => format!("cannot be compiled now: {error}"),
        };
        problems.push(Problem::new(SOURCE, problem));
        None
    }

    /// The new data, or `None` to drop the record. To be called on a deep stack.
    pub(super) fn run(
        &self,
        subject: &Subject<'_>,
        deadline: Option<Instant>,
    ) -> Result<Option<Map<String, Value>>, Failure> {
        let latest = Instant::now() + TIME_MAX;
        set_deadline(deadline.map_or(latest, |deadline| deadline.min(latest)));
        // A library function may panic, for instance when a comparison for `sort` contradicts itself.
        catch_unwind(AssertUnwindSafe(|| self.evaluate(subject)))
            .unwrap_or_else(|_| Err(Failure::failed("the program made a library function fail; check what it sorts")))
    }

    fn evaluate(&self, subject: &Subject<'_>) -> Result<Option<Map<String, Value>>, Failure> {
        let mut scope = Scope::new();
        scope.push_dynamic("record", map_to_dynamic(subject.data));
        if self.reads_input {
            scope.push_constant_dynamic("input", to_dynamic(subject.input));
        }
        scope.push_constant("kind", subject.kind.to_owned()).push_constant("id", subject.id.to_owned());
        let result: Dynamic = ENGINE.eval_ast_with_scope(&mut scope, &self.program).map_err(|e| Failure::from(&*e))?;
        if result.is_unit() {
            return Ok(None);
        }
        let map = result.read_lock::<rhai::Map>().ok_or_else(|| {
            let found = ENGINE.map_type_name(result.type_name());
            Failure::failed(format!(
                "the program must end with the new data as an object map (usually `record`), or () to drop the record, \
                 not {found}"
            ))
        })?;
        let data = map_from_dynamic(&map);
        data.map(Some).map_err(|e| Failure::failed(format!("the value at {:?} {}", e.path, e.message)))
    }
}

fn explain(error: &ParseError) -> String {
    let at = error.position();
    let place = match (at.line(), at.position()) {
        (Some(line), Some(column)) => format!("at line {line}, column {column}: "),
        _ => String::new(),
    };
    shorten(format!("{place}{}", error.err_type()))
}

fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_MAX));
        text.push('…');
    }
    text
}

impl Failure {
    fn failed(message: impl Into<String>) -> Self {
        Self { code: "transform_failed", message: shorten(message.into()) }
    }
}

impl From<&EvalAltResult> for Failure {
    fn from(error: &EvalAltResult) -> Self {
        use EvalAltResult as E;
        let mut inner = error;
        while let E::ErrorInFunctionCall(_, _, deeper, _) = inner {
            inner = deeper;
        }
        let limit = |message: String| Self { code: "transform_limit", message };
        match inner {
            E::ErrorTooManyOperations(_) => limit(format!("the program takes more than {OPERATIONS_MAX} steps")),
            E::ErrorTerminated(..) => Self {
                code: "transform_timeout",
                message: format!("the program was stopped: it may take {} ms for a record", TIME_MAX.as_millis()),
            },
            E::ErrorDataTooLarge(..) | E::ErrorStackOverflow(_) | E::ErrorTooManyVariables(_) => {
                limit(shorten(format!("the program exceeds a limit: {inner}")))
            }
            _ => Self::failed(inner.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "transform_tests.rs"]
mod tests;
