//! `@hasRole`: declared on a field, printed in the SDL, and enforced from there.
//!
//! [`Rules`] is read from the finished schema, so what clients see and what is
//! enforced cannot differ. The check walks the document before it is executed;
//! a subscription is refused before its stream opens. A root field without a
//! rule does not start the server.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{
    BaseType, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet, ServiceDocument,
    TypeKind, TypeSystemDefinition,
};
use async_graphql::registry::{self, MetaDirective, MetaDirectiveInvocation, MetaInputValue, Registry};
use async_graphql::{ErrorExtensionValues, InputType, Pos, Positioned, ServerError};

use super::types::Role;
use crate::auth::{Actor, Permission, policy};
use crate::domain;
use crate::error::ErrorCode;

/// The directive on a field: `directive = HasRole::apply(Permission::Publish)`.
pub(super) struct HasRole;

impl HasRole {
    const NAME: &'static str = "hasRole";

    pub(super) fn apply(permission: Permission) -> MetaDirectiveInvocation {
        let role = Role::from(permission.role()).to_value();
        MetaDirectiveInvocation { name: Self::NAME.to_owned(), args: IndexMap::from([("role".to_owned(), role)]) }
    }
}

impl async_graphql::TypeDirective for HasRole {
    fn name(&self) -> Cow<'static, str> {
        Self::NAME.into()
    }

    fn register(&self, registry: &mut Registry) {
        let role = MetaInputValue::new("role".to_owned(), <Role as InputType>::create_type_info(registry));
        registry.add_directive(MetaDirective {
            name: Self::NAME.to_owned(),
            description: Some(
                "The field needs this role or a higher one; without it the operation is refused with FORBIDDEN."
                    .to_owned(),
            ),
            locations: vec![registry::__DirectiveLocation::FIELD_DEFINITION],
            args: IndexMap::from([("role".to_owned(), role)]),
            is_repeatable: false,
            visible: None,
            composable: None,
        });
    }
}

impl registry::location_traits::Directive_At_FIELD_DEFINITION for HasRole {
    fn check() {}
}

/// What each field of each type needs, and which type it leads to.
pub(super) struct Rules {
    types: HashMap<String, HashMap<String, Field>>,
    roots: Roots,
}

struct Roots {
    query: String,
    mutation: String,
    subscription: String,
}

pub(super) struct Field {
    pub(super) role: Option<domain::Role>,
    pub(super) leads_to: String,
    /// Whether it answers with a page: it takes `first`.
    pub(super) paged: bool,
}

impl Rules {
    pub(super) fn from_sdl(sdl: &str) -> Result<Self, String> {
        let document =
            async_graphql::parser::parse_schema(sdl).map_err(|e| format!("the schema does not parse: {e}"))?;
        let types = fields_of(&document)?;
        let roots = Roots { query: "Query".into(), mutation: "Mutation".into(), subscription: "Subscription".into() };
        for root in [&roots.query, &roots.mutation, &roots.subscription] {
            let fields = types.get(root).ok_or_else(|| format!("the schema has no type {root}"))?;
            if let Some(bare) = fields.iter().find(|(_, f)| f.role.is_none()).map(|(name, _)| name) {
                return Err(format!("{root}.{bare} declares no @hasRole: every operation needs a rule"));
            }
        }
        Ok(Self { types, roots })
    }

    pub(super) fn root(&self, ty: OperationType) -> &str {
        match ty {
            OperationType::Query => &self.roots.query,
            OperationType::Mutation => &self.roots.mutation,
            OperationType::Subscription => &self.roots.subscription,
        }
    }

    pub(super) fn field(&self, type_name: &str, name: &str) -> Option<&Field> {
        self.types.get(type_name)?.get(name)
    }

    /// Refuses an operation that touches a field for which the role is too low.
    pub(super) fn check(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
        actor: &Actor,
        introspection: bool,
    ) -> Result<(), ServerError> {
        let root = self.root(operation.ty);
        let mut walk = Walk { rules: self, document, actor, introspection, seen: HashSet::new() };
        walk.selections(root, &operation.selection_set.node)
    }
}

struct Walk<'a> {
    rules: &'a Rules,
    document: &'a ExecutableDocument,
    actor: &'a Actor,
    introspection: bool,
    /// A fragment names its type, so that one look at it tells for every place that spreads it.
    seen: HashSet<&'a str>,
}

impl<'a> Walk<'a> {
    fn selections(&mut self, type_name: &str, set: &'a SelectionSet) -> Result<(), ServerError> {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => self.field(type_name, field)?,
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|c| c.node.on.node.as_str());
                    self.selections(on.unwrap_or(type_name), &fragment.node.selection_set.node)?;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let Some((name, fragment)) = self.document.fragments.get_key_value(name) else { continue };
                    if self.seen.insert(name) {
                        let on = fragment.node.type_condition.node.on.node.as_str();
                        self.selections(on, &fragment.node.selection_set.node)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(
        &mut self,
        type_name: &str,
        field: &'a Positioned<async_graphql::parser::types::Field>,
    ) -> Result<(), ServerError> {
        let name = field.node.name.node.as_str();
        if !self.introspection && matches!(name, "__schema" | "__type") {
            let message = "the schema is not told here (--graphql-introspection)";
            let key = field.node.response_key().node.as_str();
            return Err(refused(&crate::error::Error::new(ErrorCode::Forbidden, message), field.pos, key));
        }
        // Unknown fields are validation's to refuse.
        let Some(rule) = self.rules.field(type_name, name) else { return Ok(()) };
        if let Some(needs) = rule.role
            && self.actor.highest_role() < needs
        {
            let key = field.node.response_key().node.as_str();
            return Err(refused(&policy::refusal(self.actor.highest_role(), needs), field.pos, key));
        }
        self.selections(&rule.leads_to, &field.node.selection_set.node)
    }
}

/// Whether an error comes from [`Rules::check`], which runs before anything else does.
pub(super) fn is_refusal(error: &ServerError) -> bool {
    error.source.as_ref().is_some_and(|source| source.is::<Refusal>())
}

struct Refusal;

fn refused(error: &crate::error::Error, pos: Pos, key: &str) -> ServerError {
    let mut refusal = ServerError::new(error.message(), Some(pos));
    refusal.source = Some(std::sync::Arc::new(Refusal));
    refusal.path = vec![async_graphql::PathSegment::Field(key.to_owned())];
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", ErrorCode::Forbidden.as_str());
    refusal.extensions = Some(extensions);
    refusal
}

fn fields_of(document: &ServiceDocument) -> Result<HashMap<String, HashMap<String, Field>>, String> {
    let mut types = HashMap::new();
    for definition in &document.definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = &definition.node.kind else { continue };
        let mut fields = HashMap::new();
        for field in &object.fields {
            let role = match field.node.directives.iter().find(|d| d.node.name.node == HasRole::NAME) {
                Some(directive) => Some(role_of(directive)?),
                None => None,
            };
            let leads_to = base_name(&field.node.ty.node.base).to_owned();
            let paged = field.node.arguments.iter().any(|a| a.node.name.node == "first");
            fields.insert(field.node.name.node.to_string(), Field { role, leads_to, paged });
        }
        types.insert(definition.node.name.node.to_string(), fields);
    }
    Ok(types)
}

fn role_of(directive: &Positioned<async_graphql::parser::types::ConstDirective>) -> Result<domain::Role, String> {
    let value = directive.node.get_argument("role").map(|v| v.node.to_string()).unwrap_or_default();
    value.to_lowercase().parse()
}

fn base_name(base: &BaseType) -> &str {
    match base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base_name(&inner.base),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDL: &str = r"
        enum Role { VIEWER OPERATOR ADMIN }
        directive @hasRole(role: Role!) on FIELD_DEFINITION
        type Query { open: Thing! @hasRole(role: VIEWER) }
        type Mutation { change: Thing! @hasRole(role: ADMIN) }
        type Subscription { watch: Thing! @hasRole(role: OPERATOR) }
        type Thing { name: String! inner: [Thing!]! secretish: String! @hasRole(role: ADMIN) }
    ";

    fn check(query: &str, role: domain::Role) -> Result<(), String> {
        let rules = Rules::from_sdl(SDL).expect("rules");
        let document = async_graphql::parser::parse_query(query).expect("query");
        let (_, operation) = document.operations.iter().next().expect("operation");
        let actor = Actor { role, ..Actor::system("test", "acme") };
        rules.check(&document, &operation.node, &actor, true).map_err(|e| e.message)
    }

    #[test]
    fn each_root_and_nested_field_is_checked_through_fragments() {
        use domain::Role::{Admin, Operator, Viewer};
        assert!(check("{ open { name } }", Viewer).is_ok());
        assert!(check("{ open { inner { inner { secretish } } } }", Operator).is_err());
        assert!(check("{ ...F } fragment F on Query { open { ... on Thing { secretish } } }", Operator).is_err());
        assert!(check("{ open { secretish } }", Admin).is_ok());
        assert!(check("mutation { alias: change { name } }", Operator).is_err());
        assert!(check("subscription { watch { name } }", Viewer).is_err());
        assert!(check("subscription { watch { name } }", Operator).is_ok());
    }

    #[test]
    fn circular_fragments_end() {
        assert!(
            check("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", domain::Role::Viewer).is_ok()
        );
    }

    #[test]
    fn an_operation_without_a_rule_is_never_served() {
        let bare = SDL.replace("change: Thing! @hasRole(role: ADMIN)", "change: Thing!");
        let error = Rules::from_sdl(&bare).err().unwrap_or_default();
        assert!(error.contains("Mutation.change"), "{error}");
    }
}
