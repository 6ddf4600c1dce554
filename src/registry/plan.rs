use serde_json::Value;

use crate::connectors::Catalog;
use crate::error::Problem;
use crate::mapping::{Document, Mapping};
use crate::sinks::SinkCatalog;

/// A configuration that was checked as a whole, and its mapping, compiled.
pub struct Plan {
    pub document: Document,
    pub mapping: Mapping,
}

impl Plan {
    /// Answers with everything that is wrong, not just the first.
    pub fn compile(connectors: &Catalog, sinks: &SinkCatalog, config: &Value) -> Result<Self, Vec<Problem>> {
        let (document, mut problems) = Document::inspect(config);
        let Some(document) = document else { return Err(problems) };
        problems.extend(under("/connector", connectors.check(&document.connector_type, &document.connector)));
        if document.runtime.parallelism > 1
            && let Some(connector) = connectors.get(&document.connector_type)
            && !connector.spreads(&document.connector)
        {
            let message = "must be 1: with these settings the source does not share its records among several workers; \
                           kafka, nats with JetStream and nats with a queue group do";
            problems.push(Problem::new("/runtime/parallelism", message));
        }
        if let Some(sink) = &document.delivery.sink {
            problems.extend(under("/delivery/sink", sinks.check(&sink.sink_type, &sink.config)));
        }
        match Mapping::compile(&document.mapping) {
            Ok(mapping) if problems.is_empty() => return Ok(Self { document, mapping }),
            Ok(_) => {}
            Err(more) => problems.extend(more),
        }
        Err(problems)
    }
}

fn under(prefix: &str, problems: Vec<Problem>) -> impl Iterator<Item = Problem> {
    problems.into_iter().map(move |p| Problem::new(format!("{prefix}{}", p.pointer), p.message))
}
