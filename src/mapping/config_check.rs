//! The settings of a connector or a sink against their JSON Schema, in words that help and never repeat a value.

use std::collections::HashSet;

use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::{is_secret_template, literal_secrets};
use crate::error::Problem;

/// A hostile document gets an answer of bounded length.
pub(super) const MOST_PROBLEMS: usize = 100;
const LONGEST_NAME: usize = 64;
/// What a compiled regular expression of a user may take, in bytes.
const PATTERN_MAX: usize = 256 * 1024;

/// The JSON Schema of a settings struct, without references, so that a form can be drawn from it directly.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The text for messages: whole names are the author's own, but not without end.
pub fn shorten(name: &str) -> String {
    if name.chars().count() <= LONGEST_NAME {
        return name.to_owned();
    }
    name.chars().take(LONGEST_NAME).chain(['…']).collect()
}

/// A schema, compiled once.
pub struct ConfigCheck {
    schema: Value,
    validator: Validator,
}

impl ConfigCheck {
    /// # Panics
    /// When the schema is not one; it comes from a type of this build, and a test compiles them all.
    pub fn new(schema: &Value) -> Self {
        let validator = jsonschema::draft202012::options().build(schema).expect("the schema of a built-in type");
        Self { schema: schema.clone(), validator }
    }

    /// Of a schema that a user wrote. Its regular expressions are matched in linear time, and are bounded.
    pub fn of_user(schema: &Value) -> Result<Self, String> {
        let patterns = jsonschema::PatternOptions::regex().size_limit(PATTERN_MAX).dfa_size_limit(PATTERN_MAX);
        let options = jsonschema::draft202012::options().with_pattern_options(patterns);
        match options.build(schema) {
            Ok(validator) => Ok(Self { schema: schema.clone(), validator }),
            Err(error) => Err(format!("is not a JSON Schema that can be used: {}", error.masked())),
        }
    }

    /// All that the schema finds wrong, then literal secrets; pointers are relative to `config`.
    pub fn problems(&self, config: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        for error in self.validator.iter_errors(config) {
            self.explain(config, &error, &mut problems);
            if problems.len() >= MOST_PROBLEMS {
                break;
            }
        }
        problems.extend(literal_secrets(&self.schema, config));
        problems.truncate(MOST_PROBLEMS);
        problems
    }

    /// Also what `more` finds, as far as it could read settings that the schema found faults in.
    pub fn problems_and(&self, config: &Value, more: impl FnOnce(&Value) -> Vec<Problem>) -> Vec<Problem> {
        let mut problems = self.problems(config);
        let known: HashSet<String> = problems.iter().map(|p| p.pointer.clone()).collect();
        // At the root stands only that the settings could not be read at all, for which the schema has better words.
        let adds = |p: &Problem| problems.is_empty() || !(p.pointer.is_empty() || known.contains(&p.pointer));
        let found: Vec<_> = more(config).into_iter().filter(adds).collect();
        problems.extend(found);
        problems
    }

    fn explain(&self, config: &Value, error: &ValidationError<'_>, problems: &mut Vec<Problem>) {
        let at = error.instance_path().as_str();
        let mut add = |pointer: String, message: String| problems.push(Problem::new(pointer, message));
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let known = self.known_properties(error);
                for name in unexpected.iter().take(MOST_PROBLEMS) {
                    let name = shorten(name);
                    add(join(at, &name), format!("is not a known field; known: {known}"));
                }
            }
            // An object without any known field: the error stands at the object and does not say which.
            ValidationErrorKind::FalseSchema => {
                let fields = config.pointer(at).and_then(Value::as_object).filter(|object| !object.is_empty());
                match fields {
                    Some(fields) => fields.keys().take(MOST_PROBLEMS).for_each(|name| {
                        add(join(at, &shorten(name)), "is not a known field; there are none".into());
                    }),
                    None => add(at.into(), "is not allowed here; leave it out".into()),
                }
            }
            ValidationErrorKind::Required { property } => {
                add(join(at, property.as_str().unwrap_or_default()), "is required".into());
            }
            ValidationErrorKind::Type { kind } => add(at.into(), format!("must be {}", type_names(kind))),
            ValidationErrorKind::Enum { options } => {
                let options: Vec<_> = options.as_array().into_iter().flatten().map(plain).collect();
                add(at.into(), format!("must be one of: {}", options.join(", ")));
            }
            ValidationErrorKind::Constant { expected_value } => {
                add(at.into(), format!("must be {}", plain(expected_value)));
            }
            ValidationErrorKind::Minimum { limit } => add(at.into(), format!("must be at least {limit}")),
            ValidationErrorKind::Maximum { limit } => add(at.into(), format!("must be at most {limit}")),
            ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } => {
                self.explain_choice(config, error, context, problems);
            }
            ValidationErrorKind::Pattern { .. }
            | ValidationErrorKind::Format { .. }
            | ValidationErrorKind::MinLength { .. }
            | ValidationErrorKind::MaxLength { .. }
                if error.instance().as_str().is_some_and(is_secret_template) => {}
            ValidationErrorKind::Pattern { pattern } => {
                let example = self.parent(error).and_then(|s| s.pointer("/examples/0")).map(plain);
                let hint = example.map(|e| format!(", like {e}")).unwrap_or_default();
                add(at.into(), format!("must match {pattern}{hint}"));
            }
            _ => add(at.into(), error.masked().to_string()),
        }
    }

    /// A failed choice says little; the branch that the author meant says all.
    fn explain_choice(
        &self,
        config: &Value,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        problems: &mut Vec<Problem>,
    ) {
        let at = error.instance_path().as_str();
        let branches = self.schema.pointer(error.schema_path().as_str()).and_then(Value::as_array);
        let branches = branches.map(Vec::as_slice).unwrap_or_default();

        let constants: Vec<_> = branches.iter().filter_map(|b| b.get("const")).map(plain).collect();
        if !constants.is_empty() && constants.len() == branches.len() {
            problems.push(Problem::new(at, format!("must be one of: {}", constants.join(", "))));
            return;
        }

        let tags: Vec<_> = branches.iter().filter_map(tag_of).collect();
        if !tags.is_empty() && tags.len() == branches.len() {
            let known = tags.join(", ");
            let instance = error.instance();
            match (instance.as_object(), instance.get("type")) {
                (None, _) => problems.push(Problem::new(at, format!("must be an object with a type of: {known}"))),
                (_, None) => problems.push(Problem::new(join(at, "type"), format!("is required; one of: {known}"))),
                (_, Some(tag)) => match tags.iter().position(|t| Some(*t) == tag.as_str()) {
                    Some(meant) => self.explain_all(config, context.get(meant), problems),
                    None => problems.push(Problem::new(join(at, "type"), format!("must be one of: {known}"))),
                },
            }
            return;
        }

        // An optional value: the branch that the value comes closest to.
        let closest = context.iter().min_by_key(|errors| errors.iter().filter(|e| is_type_error(e, at)).count());
        self.explain_all(config, closest, problems);
    }

    fn explain_all(&self, config: &Value, errors: Option<&Vec<ValidationError<'static>>>, problems: &mut Vec<Problem>) {
        for error in errors.into_iter().flatten() {
            self.explain(config, error, problems);
        }
    }

    /// The schema that holds the keyword which failed.
    fn parent(&self, error: &ValidationError<'_>) -> Option<&Value> {
        let (parent, _keyword) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(parent)
    }

    fn known_properties(&self, error: &ValidationError<'_>) -> String {
        let properties = self.parent(error).and_then(|s| s.get("properties")).and_then(Value::as_object);
        properties.map(|p| p.keys().map(String::as_str).collect::<Vec<_>>().join(", ")).unwrap_or_default()
    }
}

/// The value of `type` that a branch of a tagged choice stands for.
fn tag_of(branch: &Value) -> Option<&str> {
    branch.pointer("/properties/type/const")?.as_str()
}

fn is_type_error(error: &ValidationError<'_>, at: &str) -> bool {
    matches!(error.kind(), ValidationErrorKind::Type { .. }) && error.instance_path().as_str() == at
}

fn type_names(kind: &TypeKind) -> String {
    let name = |t: &jsonschema::JsonType| match t.to_string().as_str() {
        "null" => "null".to_owned(),
        name @ ("array" | "object" | "integer") => format!("an {name}"),
        name => format!("a {name}"),
    };
    match kind {
        TypeKind::Single(one) => name(one),
        TypeKind::Multiple(set) => set.iter().map(|t| name(&t)).collect::<Vec<_>>().join(" or "),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn join(at: &str, name: &str) -> String {
    format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
#[path = "config_check_tests.rs"]
mod tests;
