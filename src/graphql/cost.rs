//! What a document costs, before anything walks it.
//!
//! A field costs one, and a page its size times what is selected of a row.
//! Thirty fragments of which each spreads the next one twice are a few lines
//! that stand for a thousand million fields: whatever walks a document with its
//! fragments spread, here or in the engine, may do so only after this check,
//! which looks at each fragment once.
//!
//! The engine counts too, but it refuses a document for a variable that was
//! declared and left out.

use std::collections::HashMap;

use async_graphql::parser::types::{ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet};
use async_graphql::{ServerError, Value, Variables};

use super::error::refusal;
use super::guard::Rules;
use crate::domain::paging::{PAGE_DEFAULT, PAGE_MAX};
use crate::error::ErrorCode;

/// The engine stops at half of it; this one bounds our own recursion.
const NESTING_MAX: usize = 64;

/// The most fields that an answer about the schema may have, by what schemas are like: what tools ask for is under
/// 180,000, and each further round through types and their fields is eight times as much.
const INTROSPECTION_MAX: usize = 250_000;

/// How many there usually are of what introspection lists.
const LISTS: [(&str, usize); 4] = [("types", 250), ("fields", 8), ("inputFields", 3), ("enumValues", 2)];

/// What an operation costs. Refuses one that costs more than `most`, and a document that is nested out of all
/// proportion, spreads to more than `most` selections, or has a fragment that spreads itself.
pub(super) fn check(
    rules: &Rules,
    document: &ExecutableDocument,
    operation: &OperationDefinition,
    variables: &Variables,
    most: usize,
) -> Result<usize, ServerError> {
    let mut measure = Measure { rules, document, operation, variables, fragments: HashMap::new() };
    let fragments = document.fragments.keys().map(|name| measure.fragment(name, 0)).collect::<Vec<_>>();
    let operations = document.operations.iter().map(|(_, o)| measure.operation(&o.node)).collect::<Vec<_>>();
    for size in fragments.into_iter().chain(operations) {
        if size.map_err(|problem| problem.refusal(most))?.selections > most {
            return Err(Problem::TooLarge.refusal(most));
        }
    }
    match measure.operation(operation).map_err(|problem| problem.refusal(most))? {
        Size { introspection, .. } if introspection > INTROSPECTION_MAX => Err(Problem::GoesRound.refusal(most)),
        Size { cost, .. } if cost > most => Err(Problem::TooCostly(cost).refusal(most)),
        Size { cost, .. } => Ok(cost),
    }
}

#[derive(Clone, Copy, Default)]
struct Size {
    selections: usize,
    cost: usize,
    introspection: usize,
    height: usize,
}

#[derive(Clone, Copy)]
enum Problem {
    TooLarge,
    TooCostly(usize),
    TooDeep,
    GoesRound,
    Cycle,
}

impl Problem {
    fn refusal(self, most: usize) -> ServerError {
        let (code, message) = match self {
            Self::TooLarge => (
                ErrorCode::QueryTooComplex,
                format!("the document is too complex: with its fragments spread it has more than {most} selections"),
            ),
            Self::TooCostly(cost) => (
                ErrorCode::QueryTooComplex,
                format!(
                    "the document is too complex: it costs {cost}, and {most} is the most; \
                     select fewer fields or smaller pages"
                ),
            ),
            Self::TooDeep => (
                ErrorCode::QueryTooComplex,
                format!("the document is nested too deep: {NESTING_MAX} levels are the most"),
            ),
            Self::GoesRound => (
                ErrorCode::QueryTooComplex,
                "the document is too complex: its introspection goes through types and their fields too often"
                    .to_owned(),
            ),
            Self::Cycle => (ErrorCode::ValidationFailed, "a fragment of the document spreads itself".to_owned()),
        };
        refusal(code, message)
    }
}

struct Measure<'a> {
    rules: &'a Rules,
    document: &'a ExecutableDocument,
    /// Whose variables the values are of.
    operation: &'a OperationDefinition,
    variables: &'a Variables,
    /// `None` while the fragment is being measured: to meet it then is a cycle.
    fragments: HashMap<&'a str, Option<Size>>,
}

impl<'a> Measure<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<Size, Problem> {
        let root = self.rules.root(operation.ty);
        self.set(root, &operation.selection_set.node, 0)
    }

    fn fragment(&mut self, name: &str, depth: usize) -> Result<Size, Problem> {
        // An unknown fragment is validation's to refuse.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { return Ok(Size::default()) };
        match self.fragments.get(name.as_str()) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(Problem::Cycle),
            None => {}
        }
        self.fragments.insert(name, None);
        let on = fragment.node.type_condition.node.on.node.as_str();
        let size = self.set(on, &fragment.node.selection_set.node, depth)?;
        self.fragments.insert(name, Some(size));
        Ok(size)
    }

    fn set(&mut self, on: &'a str, set: &'a SelectionSet, depth: usize) -> Result<Size, Problem> {
        if depth > NESTING_MAX {
            return Err(Problem::TooDeep);
        }
        let mut total = Size::default();
        for selection in &set.items {
            let inner = match &selection.node {
                Selection::Field(field) => self.field(on, &field.node, depth)?,
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref().map(|c| c.node.on.node.as_str());
                    self.set(condition.unwrap_or(on), &fragment.node.selection_set.node, depth + 1)?
                }
                Selection::FragmentSpread(spread) => self.fragment(&spread.node.fragment_name.node, depth + 1)?,
            };
            total.selections = total.selections.saturating_add(inner.selections).saturating_add(1);
            total.cost = total.cost.saturating_add(inner.cost);
            total.introspection = total.introspection.saturating_add(inner.introspection);
            total.height = total.height.max(inner.height + 1);
        }
        if total.height > NESTING_MAX { Err(Problem::TooDeep) } else { Ok(total) }
    }

    fn field(&mut self, on: &str, field: &'a Field, depth: usize) -> Result<Size, Problem> {
        let rules = self.rules;
        // Of a field that nobody knows, such as those of introspection, each selection costs one.
        let known = rules.field(on, &field.name.node);
        let inner = self.set(known.map_or("", |f| f.leads_to.as_str()), &field.selection_set.node, depth + 1)?;
        let times = if known.is_some_and(|f| f.paged) { self.page_size(field) } else { 1 };
        let listed = LISTS.iter().find(|(name, _)| known.is_none() && field.name.node == *name).map_or(1, |(_, n)| *n);
        Ok(Size {
            cost: inner.cost.saturating_mul(times).saturating_add(1),
            introspection: inner.introspection.saturating_mul(listed).saturating_add(usize::from(known.is_none())),
            ..inner
        })
    }

    /// As the page will be read; a size that is none is refused when it is.
    fn page_size(&self, field: &Field) -> usize {
        let size = ["first", "last"].into_iter().find_map(|name| self.number(field, name));
        let size = size.map_or(PAGE_DEFAULT, |n| u64::try_from(n).unwrap_or(0).min(PAGE_MAX));
        usize::try_from(size).unwrap_or(usize::MAX)
    }

    /// The number that an argument has, be it written out, in a variable, or a variable's default.
    fn number(&self, field: &Field, argument: &str) -> Option<i64> {
        let value = field.get_argument(argument)?.node.clone();
        let value = value.into_const_with(|name| {
            let declared = || self.operation.variable_definitions.iter().find(|d| d.node.name.node == name);
            let given = self.variables.get(&name).or_else(|| Some(&declared()?.node.default_value.as_ref()?.node));
            given.cloned().ok_or(())
        });
        match value {
            Ok(Value::Number(number)) => number.as_i64(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SDL: &str = r"
        enum Role { VIEWER OPERATOR ADMIN }
        directive @hasRole(role: Role!) on FIELD_DEFINITION
        type Query {
            things(first: Int, last: Int): Things! @hasRole(role: VIEWER)
            thing: Thing! @hasRole(role: VIEWER)
        }
        type Mutation { change: Thing! @hasRole(role: ADMIN) }
        type Subscription { watch: Thing! @hasRole(role: OPERATOR) }
        type Things { nodes: [Thing!]! }
        type Thing { name: String! things(first: Int): Things! }
    ";

    fn refused(text: &str, variables: serde_json::Value) -> Option<String> {
        let rules = Rules::from_sdl(SDL).expect("rules");
        let document = async_graphql::parser::parse_query(text).expect("a document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        let variables = Variables::from_json(variables);
        check(&rules, &document, &operation.node, &variables, 100).err().map(|e| e.message)
    }

    /// The first fragment spreads the second, which spreads the third, …, each as often as `times`.
    fn chain(length: usize, times: usize) -> String {
        let spread = |i: usize| format!("...F{i} ").repeat(times);
        let fragments: String =
            (1..length).map(|i| format!("fragment F{i} on Query {{ {} }} ", spread(i + 1))).collect();
        format!("{{ {} }} {fragments} fragment F{length} on Query {{ a }}", spread(1))
    }

    #[test]
    fn counts_what_fragments_spread_to() {
        assert_eq!(refused(&chain(5, 2), json!({})), None);
        assert!(refused(&chain(6, 2), json!({})).expect("refused").contains("more than 100 selections"));
        assert!(refused(&chain(60, 2), json!({})).expect("refused").contains("more than 100 selections"));
        let fields = "a ".repeat(100);
        assert_eq!(refused(&format!("{{ {fields} }}"), json!({})), None);
        assert!(refused(&format!("{{ {fields} a }}"), json!({})).is_some());
    }

    #[test]
    fn a_page_costs_its_size_times_its_row() {
        let page = |arguments: &str| format!("{{ things{arguments} {{ nodes {{ name }} }} }}");
        assert_eq!(refused(&page("(first: 49)"), json!({})), None);
        assert!(refused(&page(""), json!({})).expect("refused").contains("costs 101, and 100 is the most"));
        assert!(refused(&page("(first: 1000000)"), json!({})).expect("refused").contains("costs 401"));
        assert!(refused(&page("(last: 60)"), json!({})).is_some());
        let nested = "{ thing { things(first: 10) { nodes { things(first: 10) { nodes { name } } } } } }";
        assert!(refused(nested, json!({})).expect("refused").contains("costs 222"));
        let spread = "{ things(first: 60) { ...Rows } } fragment Rows on Things { nodes { name } }";
        assert!(refused(spread, json!({})).expect("refused").contains("costs 121"));
    }

    #[test]
    fn a_page_may_take_its_size_from_a_variable() {
        let declared = "query($n: Int, $m: Int = 60) { things(first: $n, last: $m) { nodes { name } } }";
        assert_eq!(refused(declared, json!({ "n": 5 })), None);
        assert!(refused(declared, json!({ "n": 70 })).expect("refused").contains("costs 141"));
        // What was left out takes its default; without one the page is as large as pages are.
        assert!(refused(declared, json!({})).expect("refused").contains("costs 121"));
        let bare = "query($n: Int) { things(first: $n) { nodes { name } } }";
        assert!(refused(bare, json!({})).expect("refused").contains("costs 101"));
    }

    #[test]
    fn bounds_the_nesting_in_whatever_order_fragments_are_met() {
        assert_eq!(refused(&chain(62, 1), json!({})), None);
        assert!(refused(&chain(65, 1), json!({})).expect("refused").contains("too deep"));
        assert!(refused(&chain(5_000, 1), json!({})).expect("refused").contains("too deep"));
    }

    #[test]
    fn finds_cycles_also_where_nothing_uses_them() {
        for text in [
            "{ ...A } fragment A on Query { ...A }",
            "{ ...A } fragment A on Query { b { ...B } } fragment B on Query { ... { ...A } }",
            "{ a } fragment A on Query { ...B ...B } fragment B on Query { ...A ...A }",
        ] {
            assert!(refused(text, json!({})).expect("refused").contains("spreads itself"), "{text}");
        }
    }

    #[test]
    fn what_tools_ask_of_a_schema_passes_and_what_goes_round_does_not() {
        let of_type = |n: usize| format!("{}kind name{}", "kind name ofType { ".repeat(n), " }".repeat(n));
        let types = "kind name description fields(includeDeprecated: true) { name description args { ...V } type { ...R } } \
            inputFields { ...V } interfaces { ...R } enumValues(includeDeprecated: true) { name } possibleTypes { ...R }";
        let tools = format!(
            "{{ __schema {{ queryType {{ name }} types {{ {types} }} directives {{ name args {{ ...V }} }} }} }} \
             fragment V on __InputValue {{ name type {{ ...R }} defaultValue }} fragment R on __Type {{ {} }}",
            of_type(9)
        );
        let rules = Rules::from_sdl(SDL).expect("rules");
        let refused = |text: &str| {
            let document = async_graphql::parser::parse_query(text).expect("a document");
            let (_, operation) = document.operations.iter().next().expect("an operation");
            check(&rules, &document, &operation.node, &Variables::default(), 20_000).err().map(|e| e.message)
        };
        assert_eq!(refused(&tools), None);
        let round = |n: usize| format!("{}name{}", "fields { type { ".repeat(n), " } }".repeat(n));
        assert_eq!(refused(&format!("{{ __schema {{ types {{ {} }} }} }}", round(2))), None);
        let refusals = [
            format!("{{ __schema {{ types {{ {} }} }} }}", round(4)),
            format!(
                "{{ {} }} fragment F on __Schema {{ types {{ {} }} }}",
                (0..10).map(|i| format!("a{i}: __schema {{ ...F }} ")).collect::<String>(),
                round(2)
            ),
            format!("{{ __type(name: \"Query\") {{ {} }} }}", round(6)),
        ];
        for text in refusals {
            assert!(refused(&text).expect("refused").contains("introspection"), "{text}");
        }
    }

    #[test]
    fn leaves_unknown_fragments_to_validation() {
        assert_eq!(refused("{ ...Unknown }", json!({})), None);
    }
}
