//! Key files that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use zeroize::Zeroizing;

const MAX_BYTES: u64 = 4 * 1024;

/// The text of a key file, trimmed. Where there is none, `generate` makes it;
/// of several processes that start at once, one makes it and all read the same.
pub(super) fn load_or_create(
    path: &Path,
    generate: impl FnOnce() -> Result<Zeroizing<String>, String>,
) -> Result<Zeroizing<String>, String> {
    if let Some(text) = load(path)? {
        return Ok(text);
    }
    let text = generate()?;
    create(path, &text).map_err(|e| format!("cannot create the key file {}: {e}", path.display()))?;
    load(path)?.ok_or_else(|| format!("the key file {} was removed while it was being made", path.display()))
}

fn load(path: &Path) -> Result<Option<Zeroizing<String>>, String> {
    let failed = |e: io::Error| format!("cannot read the key file {}: {e}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("the key file {} is not a regular file", path.display()));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!(
            "the key file {0} can be read or changed by others (mode {mode:03o}); run: chmod 600 {0}",
            path.display()
        ));
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize + 1));
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(format!("the key file {} is longer than {MAX_BYTES} bytes", path.display()));
    }
    if text.trim().is_empty() {
        return Err(format!("the key file {} is empty; restore it from a backup", path.display()));
    }
    Ok(Some(Zeroizing::new(text.trim().to_owned())))
}

/// Writes beside the target and links it into place, which fails where a file is: a reader sees all of a key or none,
/// and the first writer wins.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let temporary = path.with_added_extension(format!("{:016x}.tmp", rand::random::<u64>()));
    let linked = write(&temporary, text).and_then(|()| match fs::hard_link(&temporary, path) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    // Removed even when the link failed; a leftover would hold a key.
    let removed = fs::remove_file(&temporary);
    linked?;
    removed?;
    File::open(directory)?.sync_all()
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn made(text: &str) -> impl FnOnce() -> Result<Zeroizing<String>, String> + use<> {
        let text = Zeroizing::new(text.to_owned());
        || Ok(text)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("exists").permissions().mode() & 0o777
    }

    #[test]
    fn makes_a_private_file_once() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("keys/master.key");
        assert_eq!(load_or_create(&path, made("first")).as_deref().map(String::as_str), Ok("first"));
        assert_eq!(load_or_create(&path, made("second")).as_deref().map(String::as_str), Ok("first"));
        assert_eq!((mode(&path), mode(path.parent().expect("has one"))), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().expect("has one")).expect("lists").count(), 1, "no leftovers");
    }

    #[test]
    fn all_that_start_at_once_get_the_same_key() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("keys/master.key");
        let start = std::sync::Barrier::new(8);
        let keys: HashSet<String> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|i| {
                    let (path, start) = (&path, &start);
                    scope.spawn(move || {
                        start.wait();
                        load_or_create(path, made(&format!("key {i}"))).expect("a key").to_string()
                    })
                })
                .collect();
            workers.into_iter().map(|w| w.join().expect("no panic")).collect()
        });
        assert_eq!(keys.len(), 1);
        assert_eq!(fs::read_dir(path.parent().expect("has one")).expect("lists").count(), 1, "no leftovers");
    }

    #[test]
    fn refuses_a_file_that_others_can_reach_and_says_what_to_run() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("master.key");
        fs::write(&path, "key").expect("writes");
        for wrong in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(wrong)).expect("sets");
            let error = load_or_create(&path, made("new")).expect_err("must be refused");
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).expect("sets");
        assert!(load_or_create(&path, made("new")).is_ok());
    }

    #[test]
    fn refuses_what_is_no_key_file() {
        let dir = tempfile::tempdir().expect("temporary directory");
        assert!(load_or_create(dir.path(), made("new")).expect_err("refused").contains("not a regular file"));
        let path = dir.path().join("master.key");
        for (content, says) in [(" \n".to_owned(), "empty"), ("x".repeat(5_000), "longer than 4096")] {
            fs::write(&path, content).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
            assert!(load_or_create(&path, made("new")).expect_err("refused").contains(says));
        }
        let below_a_file = path.join("deeper.key");
        assert!(load_or_create(&below_a_file, made("new")).expect_err("refused").contains("deeper.key"));
    }
}
