//! A tree of files as documents. Whatever a file holds, the others are read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resource::{Finding, Resource};
use super::{halcyon, items, manifest, yaml};

/// The longest file that is read, in bytes.
pub(super) const FILE_MAX: u64 = 1024 * 1024;
const FILES_MAX: usize = 20_000;
const DEPTH_MAX: usize = 32;

/// What a tree says.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) resources: Vec<Resource>,
    /// Files that could not be read, and the like.
    pub(super) findings: Vec<Finding>,
}

/// Which files of a tree count, by how their names end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::app) enum Files {
    #[default]
    Yaml,
    YamlOrJson,
}

impl Files {
    fn has(self, path: &Path) -> bool {
        let json = self == Self::YamlOrJson;
        path.extension().is_some_and(|e| e == "yaml" || e == "yml" || (json && e == "json"))
    }
}

/// Reads files and directories, in the order of their names.
pub(super) fn read(paths: &[PathBuf]) -> Tree {
    let (files, findings) = walk(paths, Files::Yaml);
    let mut tree = Tree { resources: Vec::new(), findings };
    for (path, shown) in files {
        match resources(&path, &shown) {
            Ok(resources) => tree.resources.extend(resources),
            Err(finding) => tree.findings.push(finding),
        }
    }
    tree
}

/// The files of a tree, each with the name that it is shown by, and what could not be looked at.
pub(super) fn walk(paths: &[PathBuf], kinds: Files) -> (Vec<(PathBuf, Arc<str>)>, Vec<Finding>) {
    let mut walk = Walk { kinds, ..Walk::default() };
    for path in paths {
        walk.start(path);
    }
    (walk.files, walk.findings)
}

/// The files of a tree with their sizes and times: equal when nothing was written.
pub(in crate::app) type Fingerprint = Vec<(PathBuf, u64, Option<std::time::SystemTime>)>;

pub(super) fn fingerprint(paths: &[PathBuf], kinds: Files) -> Fingerprint {
    let state = |(path, _): (PathBuf, Arc<str>)| {
        let metadata = fs::metadata(&path).ok();
        let modified = metadata.as_ref().and_then(|m| m.modified().ok());
        (path, metadata.map_or(0, |m| m.len()), modified)
    };
    walk(paths, kinds).0.into_iter().map(state).collect()
}

#[derive(Default)]
struct Walk {
    kinds: Files,
    files: Vec<(PathBuf, Arc<str>)>,
    seen: BTreeSet<PathBuf>,
    findings: Vec<Finding>,
    full: bool,
}

impl Walk {
    fn start(&mut self, path: &Path) {
        match fs::canonicalize(path) {
            Ok(root) if root.is_dir() => self.directory(&root, &root, path, 0),
            Ok(root) => self.file(root, path),
            Err(error) => self.complain(path, format!("cannot be read: {error}")),
        }
    }

    fn directory(&mut self, root: &Path, directory: &Path, shown: &Path, depth: usize) {
        if depth > DEPTH_MAX {
            return self.complain(shown, format!("is deeper than {DEPTH_MAX} directories; it is not read"));
        }
        let entries = fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => return self.complain(shown, format!("cannot be read: {error}")),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (name, path) = (entry.file_name(), entry.path());
            let shown = shown.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) => {
                    self.complain(&shown, format!("cannot be read: {error}"));
                    continue;
                }
            };
            if kind.is_dir() {
                self.directory(root, &path, &shown, depth + 1);
            } else if kind.is_symlink() {
                self.link(root, &path, &shown);
            } else if kind.is_file() && self.kinds.has(&path) {
                self.file(path, &shown);
            }
        }
    }

    /// A link to a file of the tree is read (mounted volumes are made of them); one to a directory of
    /// the tree leads where the walk goes anyway; one that leads out of the tree is refused.
    fn link(&mut self, root: &Path, path: &Path, shown: &Path) {
        match fs::canonicalize(path) {
            Ok(target) if !target.starts_with(root) => {
                self.complain(shown, "is a link that leads out of the tree; it is not followed".to_owned());
            }
            Ok(target) if target.is_file() && self.kinds.has(path) => self.file(target, shown),
            Ok(_) => {}
            Err(error) if self.kinds.has(path) => self.complain(shown, format!("cannot be read: {error}")),
            Err(_) => {}
        }
    }

    fn file(&mut self, path: PathBuf, shown: &Path) {
        if self.files.len() >= FILES_MAX {
            if !std::mem::replace(&mut self.full, true) {
                self.complain(shown, format!("is one file too many: at most {FILES_MAX} are read"));
            }
        } else if self.seen.insert(path.clone()) {
            self.files.push((path, shown.to_string_lossy().into()));
        }
    }

    fn complain(&mut self, shown: &Path, message: String) {
        self.findings.push(Finding::of_file(&shown.to_string_lossy().into(), None, message));
    }
}

/// The documents of one file.
pub(super) fn documents(path: &Path, shown: &Arc<str>) -> Result<Vec<yaml::Document>, Finding> {
    let text = text(path).map_err(|message| Finding::of_file(shown, None, message))?;
    yaml::parse(&text).map_err(|(at, message)| Finding::of_file(shown, at, message))
}

fn resources(path: &Path, shown: &Arc<str>) -> Result<Vec<Resource>, Finding> {
    let mut resources = Vec::new();
    for document in documents(path, shown)?.into_iter().map(Arc::new) {
        if items::is_item(&document.value) {
            // A tree may hold both; each import takes its own.
        } else if halcyon::is_plugin(&document.value) {
            resources.extend(halcyon::read(shown, &document));
        } else if document.value.get("apiVersion").is_some() {
            resources.push(manifest::read(shown, &document));
        } else {
            let message = format!(
                "is neither a datasource (apiVersion: {}) nor a plugin (kind or connectors)",
                manifest::API_VERSION
            );
            return Err(Finding::of_file(shown, Some(document.position("")), message));
        }
    }
    Ok(resources)
}

/// Never reads more than it may, whatever the file grows to meanwhile.
fn text(path: &Path) -> Result<String, String> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    // Asked before it is opened: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a file".into());
    }
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(format!("is longer than {FILE_MAX} bytes, the most that is read"));
    }
    String::from_utf8(bytes).map_err(|e| format!("is not UTF-8 from byte {} on", e.utf8_error().valid_up_to()))
}
