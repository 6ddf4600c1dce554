//! Metadata items as files: `apiVersion: datasource.studio/v1`, `kind: MetadataItem`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::export::{file_stem, hashed, slug};
use super::fields::Fields;
use super::manifest::API_VERSION;
use super::read::{self, Files};
use super::resource::{Finding, FindingKind, Source};
use super::write::{Exported, write_tree};
use super::yaml::{self, Document, Ordered, Position};
use super::{halcyon, manifest};
use crate::app::{App, OpContext};
use crate::auth::policy::grant::ManageItems;
use crate::domain::{MetadataItem, MetadataItemType, MetadataVisibility};
use crate::error::{Error, Problem, Result};

const KIND: &str = "MetadataItem";

/// What a tree says.
#[derive(Debug, Default)]
pub(in crate::app) struct ItemTree {
    pub(in crate::app) items: Vec<FileItem>,
    /// Files that could not be read, and the like.
    pub(in crate::app) findings: Vec<Finding>,
}

/// One item of a file. What is absent in an `Option` is not the file's to say.
#[derive(Debug)]
pub(in crate::app) struct FileItem {
    /// `None` where the file names none that there is.
    pub(in crate::app) item_type: Option<MetadataItemType>,
    pub(in crate::app) name: String,
    pub(in crate::app) owner: Option<String>,
    pub(in crate::app) visibility: Option<MetadataVisibility>,
    pub(in crate::app) tags: Vec<String>,
    pub(in crate::app) data: Value,
    source: Source,
}

impl FileItem {
    pub(in crate::app) fn file(&self) -> &Arc<str> {
        &self.source.file
    }

    pub(in crate::app) fn position(&self) -> Position {
        self.source.position()
    }

    pub(in crate::app) fn findings(&self) -> &[Finding] {
        &self.source.findings
    }

    pub(in crate::app) fn is_invalid(&self) -> bool {
        self.source.has(FindingKind::Invalid)
    }

    /// Notes problems at their places; pointers begin with `/name`, `/tags`, `/owner`, `/visibility` or `/data`.
    pub(in crate::app) fn judge(&mut self, problems: &[Problem]) {
        self.source.judge("", problems);
    }
}

/// Whether a document is one of an item. An import of datasources leaves it alone.
pub(super) fn is_item(document: &Value) -> bool {
    document.get("apiVersion").is_some() && document.get("kind") == Some(&json!(KIND))
}

/// Reads files and directories, in the order of their names; datasources among them are left alone.
pub(in crate::app) fn read_items(paths: &[PathBuf]) -> ItemTree {
    let (files, findings) = read::walk(paths, Files::YamlOrJson);
    let mut tree = ItemTree { items: Vec::new(), findings };
    for (path, shown) in files {
        match read::documents(&path, &shown) {
            Ok(documents) => take(&shown, documents, &mut tree),
            Err(finding) => tree.findings.push(finding),
        }
    }
    tree
}

/// The same of one text.
pub(in crate::app) fn parse_items(file: &str, text: &str) -> ItemTree {
    let shown: Arc<str> = file.into();
    let mut tree = ItemTree::default();
    match yaml::parse(text) {
        Ok(documents) => take(&shown, documents, &mut tree),
        Err((at, message)) => tree.findings.push(Finding::of_file(&shown, at, message)),
    }
    tree
}

fn take(file: &Arc<str>, documents: Vec<Document>, tree: &mut ItemTree) {
    for document in documents.into_iter().map(Arc::new) {
        let value = &document.value;
        let datasource = value.get("apiVersion").is_some() && value.get("kind") == Some(&json!(manifest::KIND));
        if is_item(value) {
            tree.items.push(item(file, &document));
        } else if !datasource && !halcyon::is_plugin(value) {
            let message = format!("is no metadata item (apiVersion: {API_VERSION}, kind: {KIND}), and no datasource");
            tree.findings.push(Finding::of_file(file, Some(document.position("")), message));
        }
    }
}

fn item(file: &Arc<str>, document: &Arc<Document>) -> FileItem {
    let mut source = Source::new(file, document);
    let value = &document.value;
    let root = Fields::at(value, "", &mut source);
    root.refuse_others(&["apiVersion", "kind", "metadata", "spec"], &mut source);
    if root.get("apiVersion") != Some(&json!(API_VERSION)) {
        source.invalid("/apiVersion", format!("must be {API_VERSION}"));
    }
    let metadata = Fields::at(value, "/metadata", &mut source);
    metadata.refuse_others(&["type", "name", "owner", "visibility", "tags"], &mut source);
    let item_type = word(&metadata, "type", &mut source);
    if metadata.get("type").is_none() {
        source.invalid("/metadata/type", "is missing; it says what the item is, such as connector_template");
    }
    let name = metadata.text("name", &mut source).unwrap_or_default();
    if metadata.get("name").is_none() {
        source.invalid("/metadata/name", "is missing; it names the item");
    }
    let data = root.get("spec").cloned().unwrap_or_default();
    if data.is_null() {
        source.invalid("/spec", "is missing; it holds the data of the item");
    }
    let owner = metadata.text("owner", &mut source);
    let visibility = word(&metadata, "visibility", &mut source);
    let tags = metadata.texts("tags", &mut source);
    let origins = ["name", "owner", "visibility", "tags"].map(|key| (format!("/{key}"), format!("/metadata/{key}")));
    source.origins = origins.into_iter().chain([("/data".to_owned(), "/spec".to_owned())]).collect();
    FileItem { item_type, name, owner, visibility, tags, data, source }
}

fn word<T: std::str::FromStr<Err = String>>(fields: &Fields<'_>, key: &str, source: &mut Source) -> Option<T> {
    let text = fields.text(key, source)?;
    match text.parse() {
        Ok(word) => Some(word),
        Err(message) => {
            source.invalid(fields.pointer(key), message);
            None
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: Ordered<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(rename = "type")]
    item_type: &'static str,
    name: &'a str,
    owner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
}

/// The document of an item: the whole of it, and nothing that changes without meaning.
fn print(item: &MetadataItem) -> Result<String> {
    let view = item.item_type == MetadataItemType::SavedView;
    let manifest = Manifest {
        api_version: API_VERSION,
        kind: KIND,
        metadata: Metadata {
            item_type: item.item_type.as_str(),
            name: &item.name,
            owner: &item.owner,
            visibility: view.then_some(item.visibility.as_str()),
            tags: &item.tags,
        },
        spec: Ordered(&item.data),
    };
    yaml::print(&manifest)
}

impl App {
    /// Writes what is stored, or one type of it, below a directory: `<type>/<name>.yaml`. What an earlier export
    /// wrote and is gone is removed.
    pub async fn export_metadata_items(
        &self,
        ctx: &OpContext,
        directory: &Path,
        kind: Option<MetadataItemType>,
        force: bool,
    ) -> Result<Exported> {
        let proof = ctx.authorize::<ManageItems>()?;
        let items = self.store.read(proof.scope()).await?.metadata_items().await?;
        let mut files = BTreeMap::new();
        for item in items.iter().filter(|item| kind.is_none_or(|kind| kind == item.item_type)) {
            let text = print(item)?;
            // What could not be read back would be lost: better to say so now.
            if yaml::parse(&text).is_err() {
                return Err(Error::internal(format!("{}/{} would not read back as it is", item.item_type, item.name)));
            }
            let mut path = format!("{}/{}.yaml", item.item_type, file_stem(&item.name, 8));
            if files.contains_key(&path) {
                path = format!("{}/{}.yaml", item.item_type, hashed(&item.name, &slug(&item.name), 64));
            }
            files.insert(path, text);
        }
        let directory = directory.to_owned();
        let write = move || write_tree(&directory, files, kind.map(MetadataItemType::as_str), force);
        tokio::task::spawn_blocking(write).await.map_err(Error::internal)?
    }
}
