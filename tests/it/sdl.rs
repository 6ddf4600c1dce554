//! The schema as a document, and minimal operations that are generated from it.

use std::collections::HashMap;

use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, ServiceDocument, Type, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use serde_json::{Map, Value, json};

pub const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

pub struct Sdl {
    pub types: HashMap<String, TypeDefinition>,
    pub document: ServiceDocument,
}

/// A minimal valid operation for one root field.
pub struct Operation {
    /// Such as `Mutation.publishDatasource`.
    pub name: String,
    /// The role that the schema asks for, in the spelling of tokens.
    pub role: String,
    pub query: String,
    pub variables: Value,
}

impl Sdl {
    pub fn of_this_build() -> Self {
        let document = async_graphql::parser::parse_schema(datasource_studio::graphql::sdl()).expect("the SDL parses");
        let types = document.definitions.iter().filter_map(|definition| match definition {
            TypeSystemDefinition::Type(t) => Some((t.node.name.node.to_string(), t.node.clone())),
            _ => None,
        });
        Self { types: types.collect(), document }
    }

    pub fn fields(&self, type_name: &str) -> Vec<&FieldDefinition> {
        match &self.types[type_name].kind {
            TypeKind::Object(object) => object.fields.iter().map(|f| &f.node).collect(),
            TypeKind::Interface(interface) => interface.fields.iter().map(|f| &f.node).collect(),
            _ => Vec::new(),
        }
    }

    /// One operation for every root field. `value` may give an argument or an input field a value of
    /// its own, by the operation and the pointer of the value; the rest is made from the types.
    pub fn operations(&self, value: &dyn Fn(&str, &str) -> Option<Value>) -> Vec<Operation> {
        let all = ROOTS.iter().flat_map(|root| self.fields(root).into_iter().map(move |field| (*root, field)));
        all.map(|(root, field)| self.operation(root, field, value)).collect()
    }

    fn operation(&self, root: &str, field: &FieldDefinition, value: &dyn Fn(&str, &str) -> Option<Value>) -> Operation {
        let name = format!("{root}.{}", field.name.node);
        let arguments = field.arguments.iter().map(|a| &a.node);
        let given = self.inputs(arguments, &|pointer| value(&name, pointer), "");
        let declare = |a: &InputValueDefinition| format!("${}: {}", a.name.node, a.ty.node);
        let used: Vec<_> =
            field.arguments.iter().map(|a| &a.node).filter(|a| given.contains_key(a.name.node.as_str())).collect();
        let list =
            |parts: Vec<String>| if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) };
        let declared = list(used.iter().map(|a| declare(a)).collect());
        let passed = list(used.iter().map(|a| format!("{0}: ${0}", a.name.node)).collect());
        let selection = self.selection(base_name(&field.ty.node));
        let query =
            format!("{} Generated{declared} {{ {}{passed} {selection} }}", root.to_lowercase(), field.name.node);
        let role = role_of(field).unwrap_or_else(|| panic!("{name} declares no @hasRole"));
        Operation { name, role, query, variables: Value::Object(given) }
    }

    /// A value for everything that must be there, and for whatever has a value of its own.
    fn inputs<'a>(
        &self,
        inputs: impl Iterator<Item = &'a InputValueDefinition>,
        value: &dyn Fn(&str) -> Option<Value>,
        at: &str,
    ) -> Map<String, Value> {
        let mut given = Map::new();
        for input in inputs {
            let name = input.name.node.as_str();
            let pointer = format!("{at}/{name}");
            let required = !input.ty.node.nullable && input.default_value.is_none();
            match value(&pointer) {
                Some(own) => drop(given.insert(name.to_owned(), own)),
                None if required => drop(given.insert(name.to_owned(), self.example(&input.ty.node, value, &pointer))),
                None => {}
            }
        }
        given
    }

    fn example(&self, ty: &Type, value: &dyn Fn(&str) -> Option<Value>, at: &str) -> Value {
        let name = match &ty.base {
            BaseType::List(inner) => return json!([self.example(inner, value, &format!("{at}/0"))]),
            BaseType::Named(name) => name.as_str(),
        };
        if let Some(own) = value(at) {
            return own;
        }
        match name {
            "Int" => json!(1),
            "Float" => json!(1.0),
            "Boolean" => json!(true),
            "ID" => json!(uuid::Uuid::nil()),
            "DateTime" => json!("2026-01-01T00:00:00Z"),
            "JSON" => json!({}),
            "String" => json!("sample"),
            other => match &self.types[other].kind {
                TypeKind::Enum(values) => json!(values.values[0].node.value.node.as_str()),
                TypeKind::InputObject(object) => {
                    Value::Object(self.inputs(object.fields.iter().map(|f| &f.node), value, at))
                }
                _ => panic!("{at}: no example for {other}; add one here"),
            },
        }
    }

    /// The first leaf that takes no arguments and needs no role of its own, however deep it is.
    fn selection(&self, type_name: &str) -> String {
        if !matches!(self.types.get(type_name).map(|t| &t.kind), Some(TypeKind::Object(_))) {
            return String::new();
        }
        let open = |f: &&FieldDefinition| {
            role_of(f).is_none()
                && f.arguments.iter().all(|a| a.node.ty.node.nullable || a.node.default_value.is_some())
        };
        let fields: Vec<_> = self.fields(type_name).into_iter().filter(open).collect();
        let leaf = |f: &&&FieldDefinition| self.selection(base_name(&f.ty.node)).is_empty();
        let field = fields.iter().find(leaf).or(fields.first()).expect("a field to select");
        format!("{{ {} {} }}", field.name.node, self.selection(base_name(&field.ty.node)))
    }
}

/// What `@hasRole` asks for, in lower case.
pub fn role_of(field: &FieldDefinition) -> Option<String> {
    let directive = field.directives.iter().find(|d| d.node.name.node == "hasRole")?;
    Some(directive.node.get_argument("role")?.node.to_string().to_lowercase())
}

fn base_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base_name(inner),
    }
}
