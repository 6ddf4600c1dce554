//! What is stored, as one file a datasource.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::write::{Exported, write_tree};
use super::{manifest, yaml};
use crate::app::{App, OpContext};
use crate::auth::policy::grant::Export;
use crate::error::{Error, Result};

/// Names that a file system of the world keeps for itself.
const RESERVED: [&str; 10] = ["con", "prn", "aux", "nul", "com1", "com2", "com3", "lpt1", "lpt2", "lpt3"];
const STEM_MAX: usize = 100;

impl App {
    /// Writes everything, or one project, below a directory, and removes what an earlier export wrote and is gone.
    pub async fn export(
        &self,
        ctx: &OpContext,
        directory: &Path,
        project: Option<&str>,
        force: bool,
    ) -> Result<Exported> {
        let files = self.export_files(ctx, project).await?;
        let directory = directory.to_owned();
        let within = project.map(|project| file_stem(project, 8));
        tokio::task::spawn_blocking(move || write_tree(&directory, files, within.as_deref(), force))
            .await
            .map_err(Error::internal)?
    }

    /// Everything, or one project: what to write, by path.
    pub(in crate::app) async fn export_files(
        &self,
        ctx: &OpContext,
        project: Option<&str>,
    ) -> Result<BTreeMap<String, String>> {
        ctx.authorize::<Export>()?;
        let mut files = BTreeMap::new();
        for ((project, name), existing) in self.snapshot(ctx, project).await? {
            let text = manifest::print(&existing)?;
            // What could not be read back would be lost: better to say so now.
            if yaml::parse(&text).is_err() {
                return Err(Error::internal(format!("{project}/{name} would not read back as it is")));
            }
            let mut path = format!("{}/{}.yaml", file_stem(&project, 8), file_stem(&name, 8));
            if files.contains_key(&path) {
                path = format!("{}/{}.yaml", file_stem(&project, 8), hashed(&name, &slug(&name), 64));
            }
            files.insert(path, text);
        }
        Ok(files)
    }
}

/// The name itself where every file system takes it, and tells it apart from others; else what is left
/// of it, and a hash.
pub(super) fn file_stem(name: &str, digits: usize) -> String {
    let slug = slug(name);
    let device = slug.split('.').next().is_some_and(|first| RESERVED.contains(&first));
    if slug == name && !device { slug } else { hashed(name, &slug, digits) }
}

/// Small ASCII letters, digits, `-`, `_` and inner dots.
pub(super) fn slug(name: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => c,
        _ => '-',
    };
    let slug: String = name.chars().map(letter).take(STEM_MAX).collect();
    slug.trim_matches(['.', '-']).to_owned()
}

pub(super) fn hashed(name: &str, slug: &str, digits: usize) -> String {
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    let hash = &hash[..digits.min(hash.len())];
    if slug.is_empty() { hash.to_owned() } else { format!("{slug}-{hash}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_become_files_that_every_file_system_takes() {
        for plain in ["orders", "github-push", "a.b_c-1", "2024"] {
            assert_eq!(file_stem(plain, 8), plain);
        }
        let odd = [
            "Orders",
            "ORDERS",
            "a/b",
            "a\\b",
            "..",
            "../../etc/passwd",
            ".hidden",
            "trailing.",
            "con",
            "nul.txt",
            "größe",
            "日本",
            "a b",
            "-",
            &"x".repeat(120),
            "a:b",
            "a?b",
        ];
        let stems: BTreeSet<_> = odd.iter().map(|name| file_stem(name, 8)).collect();
        assert_eq!(stems.len(), odd.len(), "no two share a file: {stems:?}");
        for stem in stems {
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            assert!(stem.chars().all(legal) && !stem.starts_with('.') && !stem.ends_with('.'), "{stem}");
            assert!(stem.len() <= 120);
        }
    }
}
