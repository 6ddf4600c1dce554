//! Datasources as YAML documents, and the examples that an empty database starts with.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::{App, CreateDatasource, OpContext, Publish};
use crate::error::{Error, ErrorCode, Problem, Result};

const API_VERSION: &str = "datasource.studio/v1";
/// The longest file that is read, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// One datasource in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    project: Option<String>,
    description: Option<String>,
    owner: Option<String>,
    team: Option<String>,
    category: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Goes live as soon as it is created.
    #[serde(default)]
    publish: bool,
    comment: Option<String>,
    config: Value,
}

/// What became of one file.
#[derive(Debug)]
pub struct Imported {
    pub file: PathBuf,
    pub name: String,
    pub id: uuid::Uuid,
    pub connector_type: String,
    pub published: bool,
}

/// What became of a directory.
#[derive(Debug, Default)]
pub struct SeedReport {
    pub imported: Vec<Imported>,
    pub failed: Vec<(PathBuf, Error)>,
}

impl App {
    /// Creates the datasources of a directory, if there are none at all yet.
    pub async fn seed(&self, ctx: &OpContext, directory: &Path) -> Result<SeedReport> {
        let mut report = SeedReport::default();
        if !self.is_empty(ctx).await? {
            return Ok(report);
        }
        for file in yaml_files(directory)? {
            match self.import_file(ctx, &file).await {
                Ok(imported) => report.imported.push(imported),
                Err(error) => report.failed.push((file, error)),
            }
        }
        Ok(report)
    }

    /// Creates the datasource of one file, and publishes it where the file says so.
    pub async fn import_file(&self, ctx: &OpContext, file: &Path) -> Result<Imported> {
        let manifest = read(file)?;
        let publish = manifest.spec.publish;
        let connector = manifest.spec.config.pointer("/connector/type").and_then(Value::as_str);
        let connector_type = connector
            .ok_or_else(|| Error::invalid("/spec/config/connector/type", "is missing; it names the connector"))?
            .to_owned();
        let input = CreateDatasource {
            name: manifest.metadata.name,
            connector_type,
            project: manifest.metadata.project,
            description: manifest.metadata.description,
            owner: manifest.metadata.owner,
            team: manifest.metadata.team,
            category: manifest.metadata.category,
            tags: manifest.metadata.tags,
            config: Some(manifest.spec.config),
            comment: manifest.spec.comment,
        };
        let row = self.create_datasource(ctx, input).await?;
        if publish {
            self.publish(ctx, Publish { id: row.id, ..Publish::default() }).await?;
        }
        let (name, connector_type) = (row.name, row.connector_type);
        Ok(Imported { file: file.to_owned(), name, id: row.id, connector_type, published: publish })
    }

    async fn is_empty(&self, ctx: &OpContext) -> Result<bool> {
        let mut filter = crate::domain::DatasourceFilter::default();
        if self.count_datasources(ctx, &filter).await? > 0 {
            return Ok(false);
        }
        filter.archived = true;
        Ok(self.count_datasources(ctx, &filter).await? == 0)
    }
}

fn read(file: &Path) -> Result<Manifest> {
    let unreadable = |e: std::io::Error| Error::invalid("", format!("{} cannot be read: {e}", file.display()));
    let size = std::fs::metadata(file).map_err(unreadable)?.len();
    if size > FILE_MAX {
        return Err(Error::invalid("", format!("{} is {size} bytes long; the most is {FILE_MAX}", file.display())));
    }
    let text = std::fs::read_to_string(file).map_err(unreadable)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Manifest> {
    let manifest: Manifest = serde_saphyr::from_str(text).map_err(|e| {
        Error::with_problems(
            ErrorCode::ValidationFailed,
            "the file is not valid",
            vec![Problem::new("", e.to_string())],
        )
    })?;
    if manifest.api_version != API_VERSION {
        return Err(Error::invalid("/apiVersion", format!("must be {API_VERSION}")));
    }
    if manifest.kind != "Datasource" {
        return Err(Error::invalid("/kind", "must be Datasource"));
    }
    Ok(manifest)
}

/// In the order of their names.
fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e: std::io::Error| Error::invalid("", format!("{} cannot be read: {e}", directory.display()));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_example_parses() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let files = yaml_files(&directory).expect("examples");
        assert!(files.len() >= 4);
        for file in files {
            if let Err(error) = read(&file) {
                panic!("{}: {error}", file.display());
            }
        }
    }

    #[test]
    fn a_mistyped_key_is_refused_by_name() {
        let text = "apiVersion: datasource.studio/v1\nkind: Datasource\nmetadata: { name: x, ownr: y }\nspec: { config: {} }\n";
        let error = parse(text).expect_err("refused");
        assert!(error.message().contains("ownr"), "{error}");
    }
}
