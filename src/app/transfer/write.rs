//! A tree of files on disk, and the index that says which of them an export wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::{Error, Result};

const INDEX: &str = ".datasource-studio.json";
/// The most files that a refusal names.
const NAMED_MAX: usize = 5;

/// What an export did, by path below its directory.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exported {
    pub written: Vec<String>,
    pub removed: Vec<String>,
    pub unchanged: usize,
}

/// The files of an export with the hashes that they may have: two while one takes the place of the other.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Index {
    files: BTreeMap<String, BTreeSet<String>>,
}

/// Makes the tree hold `files`, and removes those that an earlier export wrote. Anything that it did not
/// write, or that was changed since, is left alone: then nothing is written without `force`.
///
/// With `within`, what earlier exports wrote in other directories stays as it is.
pub(super) fn write_tree(
    root: &Path,
    files: BTreeMap<String, String>,
    within: Option<&str>,
    force: bool,
) -> Result<Exported> {
    fs::create_dir_all(root).map_err(|e| failed(root, &e))?;
    refuse_links(root, INDEX)?;
    let mut old = read_index(root, force)?;
    let known = !old.files.is_empty();
    let mut others = BTreeMap::new();
    if let Some(directory) = within {
        let inside = |path: &str| path.split('/').next() == Some(directory);
        (old.files, others) = old.files.into_iter().partition(|(path, _)| inside(path));
    }
    let mut report = Exported::default();
    let mut foreign = Vec::new();
    let mut found = BTreeMap::new();
    for path in old.files.keys().chain(files.keys()) {
        refuse_links(root, path)?;
        let Some(bytes) = read(&root.join(path))? else { continue };
        let hash = hash(&bytes);
        let wanted = files.get(path).is_some_and(|text| text.as_bytes() == bytes);
        if !wanted && !old.files.get(path).is_some_and(|hashes| hashes.contains(&hash)) {
            foreign.push(path.as_str());
        }
        found.insert(path.clone(), (hash, wanted));
    }
    if !known && found.is_empty() && !files.is_empty() && !is_empty(root)? {
        foreign.push(".");
    }
    foreign.sort_unstable();
    foreign.dedup();
    if !foreign.is_empty() && !force {
        return Err(refusal(root, &foreign));
    }

    let gone: Vec<_> = old.files.keys().filter(|path| !files.contains_key(*path)).cloned().collect();
    let lost = gone.iter().filter(|path| found.contains_key(*path)).count();
    if lost > 0 && gone.len() == old.files.len() && !force {
        return Err(Error::conflict(format!(
            "{}: all files of the last export would be removed ({lost}), for what they describe is not stored here; check \
             --data-dir, DATABASE_URL and --org, or repeat with --force",
            root.display()
        )));
    }

    // Both hashes first: an export that is cut off leaves nothing that the next one does not know.
    let mut index = Index { files: others.clone() };
    for (path, text) in &files {
        let now = found.get(path).map(|(hash, _)| hash.clone());
        index.files.insert(path.clone(), [hash(text.as_bytes())].into_iter().chain(now).collect());
    }
    for path in &gone {
        let hashes = old.files.get(path).cloned().unwrap_or_default();
        index.files.insert(path.clone(), hashes);
    }
    write_index(root, &index)?;
    for (path, text) in &files {
        if found.get(path).is_some_and(|(_, wanted)| *wanted) {
            report.unchanged += 1;
        } else {
            write(&root.join(path), text.as_bytes())?;
            report.written.push(path.clone());
        }
    }
    for path in gone {
        if found.contains_key(&path) {
            let file = root.join(&path);
            fs::remove_file(&file).map_err(|e| failed(&file, &e))?;
            // Only an empty directory goes with it.
            let _ = file.parent().map(fs::remove_dir);
            report.removed.push(path);
        }
    }
    others.extend(files.iter().map(|(path, text)| (path.clone(), [hash(text.as_bytes())].into())));
    write_index(root, &Index { files: others })?;
    Ok(report)
}

fn read_index(root: &Path, force: bool) -> Result<Index> {
    let path = root.join(INDEX);
    let Some(bytes) = read(&path)? else { return Ok(Index::default()) };
    match serde_json::from_slice::<Index>(&bytes) {
        // It names files to remove, so it may name none outside.
        Ok(index) if index.files.keys().all(|path| is_below(path)) => Ok(index),
        _ if force => Ok(Index::default()),
        _ => Err(Error::conflict(format!(
            "{} is not an index that an export wrote; remove it, or export with --force",
            path.display()
        ))),
    }
}

fn is_below(path: &str) -> bool {
    let normal = |part: std::path::Component<'_>| matches!(part, std::path::Component::Normal(_));
    !path.is_empty() && Path::new(path).components().all(normal)
}

/// A link would lead a write or a removal out of the tree, whoever put it there.
fn refuse_links(root: &Path, path: &str) -> Result<()> {
    let mut at = root.to_owned();
    for part in Path::new(path).components() {
        at.push(part);
        if at.is_symlink() {
            return Err(Error::conflict(format!(
                "{} is a symbolic link, which an export does not follow; remove it, or put what it leads to in its place",
                at.display()
            )));
        }
    }
    Ok(())
}

fn write_index(root: &Path, index: &Index) -> Result<()> {
    let mut text = serde_json::to_string_pretty(index).map_err(Error::internal)?;
    text.push('\n');
    let path = root.join(INDEX);
    if read(&path)?.is_some_and(|bytes| bytes == text.as_bytes()) {
        return Ok(());
    }
    write(&path, text.as_bytes())
}

/// Whole or not at all, also when the machine stops.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A name of its own: what is there already is never opened.
    let beside = directory.join(format!(".{name}.{}.new", Uuid::now_v7().simple()));
    let fill = || {
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    fs::create_dir_all(directory).map_err(|e| failed(path, &e))?;
    fill().map_err(|e| {
        let _ = fs::remove_file(&beside);
        failed(path, &e)
    })
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

/// Hidden files, such as those of git, do not count.
fn is_empty(root: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(root).map_err(|e| failed(root, &e))?;
    Ok(entries.all(|entry| entry.is_ok_and(|e| e.file_name().as_encoded_bytes().starts_with(b"."))))
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn refusal(root: &Path, foreign: &[&str]) -> Error {
    if foreign == ["."] {
        return Error::conflict(format!(
            "{} is not empty, and no export wrote it; choose another directory, or repeat with --force",
            root.display()
        ));
    }
    let named = foreign.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = match foreign.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Error::conflict(format!(
        "{}: {named}{more} were written or changed by somebody else; import or remove them, or repeat with --force",
        root.display()
    ))
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::conflict(format!("{} cannot be written or read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    /// Cut off after the index and one file, an export leaves nothing that the next one takes for somebody else's.
    #[test]
    fn an_export_that_was_cut_off_is_taken_up_by_the_next() {
        let root = tempfile::tempdir().expect("a directory");
        write_tree(root.path(), tree(&[("p/a.yaml", "1"), ("p/b.yaml", "1"), ("p/c.yaml", "1")]), None, false)
            .expect("written");
        let both = |old: &str, new: &str| [hash(old.as_bytes()), hash(new.as_bytes())].into();
        let half = ["a", "b"].map(|name| (format!("p/{name}.yaml"), both("1", "2")));
        let gone = ("p/c.yaml".to_owned(), [hash(b"1")].into());
        write_index(root.path(), &Index { files: half.into_iter().chain([gone]).collect() }).expect("written");
        fs::write(root.path().join("p/a.yaml"), "2").expect("written");

        let done = write_tree(root.path(), tree(&[("p/a.yaml", "3"), ("p/b.yaml", "3")]), None, false);
        let done = done.expect("neither the old nor the new content is foreign");
        assert_eq!((done.written.len(), done.removed), (2, vec!["p/c.yaml".to_owned()]));
    }

    #[test]
    fn an_index_that_names_files_outside_is_refused() {
        for path in ["../victim", "/etc/victim", "a/../../victim", "."] {
            let root = tempfile::tempdir().expect("a directory");
            let index = serde_json::json!({ "files": { path: [hash(b"mine")] } });
            fs::write(root.path().join(INDEX), index.to_string()).expect("written");
            let error = write_tree(root.path(), BTreeMap::new(), None, false).expect_err("refused");
            assert!(error.message().contains("--force"), "{path}: {error}");
        }
    }
}
