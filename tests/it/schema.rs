//! What is printed from the code: the schema and the reference of the settings.

use async_graphql::parser::types::{InputValueDefinition, TypeKind, TypeSystemDefinition};
use async_graphql::parser::{Positioned, types::DirectiveDefinition};

use crate::sdl::Sdl;

/// `make schema` writes these files anew.
#[test]
fn the_committed_files_are_what_the_program_prints() {
    for (file, command) in [
        ("schema.graphql", "print-schema"),
        ("docs/openapi.json", "openapi"),
        ("docs/configuration.md", "print-settings"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let committed = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{file}: {e}; run `make schema`"));
        let run = std::process::Command::new(env!("CARGO_BIN_EXE_datasource-studio")).arg(command).output();
        let printed = String::from_utf8(run.expect("the program runs").stdout).expect("UTF-8");
        // Not assert_eq: the two texts are long, the first difference is what helps.
        let differs = committed.lines().zip(printed.lines()).enumerate().find(|(_, (a, b))| a != b);
        assert!(committed == printed, "{file} is not what {command} prints; run `make schema`. First: {differs:?}");
    }
}

#[test]
fn the_schema_describes_every_type_field_argument_and_value() {
    let sdl = Sdl::of_this_build();
    let mut bare = Vec::new();
    let mut see = |name: String, description: Option<&str>| {
        if description.is_none_or(|d| d.trim().is_empty()) {
            bare.push(name);
        }
    };
    for definition in sdl.types.values() {
        let name = definition.name.node.as_str();
        see(name.to_owned(), text(definition.description.as_ref()));
        match &definition.kind {
            TypeKind::Object(_) | TypeKind::Interface(_) => {
                for field in sdl.fields(name) {
                    let at = format!("{name}.{}", field.name.node);
                    for argument in &field.arguments {
                        see(format!("{at}({})", argument.node.name.node), described(&argument.node));
                    }
                    see(at, text(field.description.as_ref()));
                }
            }
            TypeKind::InputObject(object) => {
                for field in &object.fields {
                    see(format!("{name}.{}", field.node.name.node), described(&field.node));
                }
            }
            TypeKind::Enum(values) => {
                for value in &values.values {
                    see(format!("{name}.{}", value.node.value.node), text(value.node.description.as_ref()));
                }
            }
            TypeKind::Scalar | TypeKind::Union(_) => {}
        }
    }
    for directive in own_directives(&sdl) {
        see(format!("@{}", directive.name.node), text(directive.description.as_ref()));
    }
    bare.sort();
    assert!(bare.is_empty(), "without a description: {bare:#?}");
}

/// The directives that the specification does not describe itself.
fn own_directives(sdl: &Sdl) -> impl Iterator<Item = &DirectiveDefinition> {
    const SPECIFIED: [&str; 5] = ["include", "skip", "deprecated", "specifiedBy", "oneOf"];
    sdl.document.definitions.iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Directive(d) if !SPECIFIED.contains(&d.node.name.node.as_str()) => Some(&d.node),
        _ => None,
    })
}

fn described(input: &InputValueDefinition) -> Option<&str> {
    text(input.description.as_ref())
}

fn text(description: Option<&Positioned<String>>) -> Option<&str> {
    description.map(|d| d.node.as_str())
}
