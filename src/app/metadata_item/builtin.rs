//! What the program ships: the registry, in memory.

use std::sync::Arc;

use super::catalog::Layer;
use crate::app::transfer::parse_items;
use crate::connectors::Catalog;
use crate::domain::{
    MetadataItem, MetadataItemSource, MetadataItemType, MetadataLayer, MetadataVisibility, checksum, normalise_tags,
};

/// Who answers for what the program ships.
const OWNER: &str = "datasource-studio";

const SHIPPED: [(&str, &str); 8] = [
    ("generic-webhook", include_str!("builtin/generic-webhook.yaml")),
    ("http-json-poller", include_str!("builtin/http-json-poller.yaml")),
    ("nats-jetstream", include_str!("builtin/nats-jetstream.yaml")),
    ("kafka-topic", include_str!("builtin/kafka-topic.yaml")),
    ("whole-document", include_str!("builtin/whole-document.yaml")),
    ("cloudevents", include_str!("builtin/cloudevents.yaml")),
    ("needs-attention", include_str!("builtin/needs-attention.yaml")),
    ("recently-changed", include_str!("builtin/recently-changed.yaml")),
];

/// All of them that this build has the connectors for.
pub(in crate::app) fn registry(connectors: &Catalog) -> Layer {
    let mut layer = Layer::new();
    for (file, text) in SHIPPED {
        let tree = parse_items(file, text);
        for finding in tree.findings.iter().chain(tree.items.iter().flat_map(|item| item.findings())) {
            tracing::error!(%finding, "a shipped item cannot be read");
        }
        for item in tree.items {
            let Some(kind) = item.item_type else { continue };
            let needs = item.data.get("connector").and_then(serde_json::Value::as_str);
            let absent = kind == MetadataItemType::ConnectorTemplate
                && needs.is_none_or(|connector| connectors.get(connector).is_none());
            if item.is_invalid() || absent {
                continue;
            }
            let shipped = MetadataItem {
                id: uuid::Uuid::nil(),
                item_type: kind,
                checksum: checksum(&item.data),
                name: item.name.clone(),
                data: item.data,
                version: 1,
                revision: 0,
                visibility: MetadataVisibility::Shared,
                source: MetadataItemSource::Migration,
                layer: MetadataLayer::Registry,
                active: true,
                owner: OWNER.to_owned(),
                tags: normalise_tags(item.tags),
                stamps: None,
            };
            layer.insert((kind, item.name), Arc::new(shipped));
        }
    }
    layer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_item_can_be_read() {
        let expected = SHIPPED.len();
        for (file, text) in SHIPPED {
            let tree = parse_items(file, text);
            assert!(tree.findings.is_empty(), "{file}: {:?}", tree.findings);
            assert!(tree.items.len() == 1 && !tree.items[0].is_invalid(), "{file}: {:?}", tree.items);
            assert_eq!(tree.items[0].name, file);
        }
        let layer = registry(&Catalog::standard());
        #[cfg(all(feature = "kafka", feature = "nats"))]
        assert_eq!(layer.len(), expected);
        assert!(layer.len() <= expected);
    }
}
