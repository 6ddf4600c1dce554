//! Which directory a sink writes to. It lies below the output directory of its
//! organisation, whatever names, paths and links say.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::sinks::jsonl::active::io_error;
use crate::sinks::{SinkContext, SinkError};

const LONGEST_PART: usize = 120;
const MOST_PARTS: usize = 16;

/// The parts of a configured path, or what is wrong with it.
pub(super) fn parts(path: &str) -> Result<Vec<&str>, String> {
    if path.starts_with('/') {
        return Err("must be relative; it lies below the output directory of the organisation".into());
    }
    let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
    if parts.len() > MOST_PARTS {
        return Err(format!("must have at most {MOST_PARTS} parts"));
    }
    let legal = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ' | '=' | '+' | '@');
    for part in &parts {
        if part.is_empty() || part.starts_with('.') {
            return Err("must not have an empty part, or one that begins with a dot, such as ..".into());
        }
        if part.len() > LONGEST_PART || !part.chars().all(legal) {
            return Err(format!(
                "may hold letters, digits, blanks and _ - . = + @ between slashes, at most {LONGEST_PART} bytes a part"
            ));
        }
    }
    Ok(parts)
}

/// Makes the directory and answers with its true path.
pub(super) fn prepare(path: Option<&str>, context: &SinkContext) -> Result<PathBuf, SinkError> {
    let default = context.datasource_id.to_string();
    let parts = parts(path.unwrap_or(&default))
        .map_err(|problem| SinkError::permanent("config_invalid", format!("path {problem}")))?;

    std::fs::create_dir_all(&context.output_dir).map_err(|e| io_error("make the output directory", &e))?;
    let mut directory = context.output_dir.canonicalize().map_err(|e| io_error("find the output directory", &e))?;
    let org = safe_name(&context.tenant.org);
    for part in std::iter::once(org.as_str()).chain(parts) {
        directory.push(part);
        make(&directory)?;
    }
    Ok(directory)
}

/// One level; a link is refused, for it could lead out.
fn make(directory: &Path) -> Result<(), SinkError> {
    match std::fs::create_dir(directory) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(io_error("make the directory", &e)),
        _ => {}
    }
    let found = std::fs::symlink_metadata(directory).map_err(|e| io_error("look at the directory", &e))?;
    if found.is_dir() {
        return Ok(());
    }
    Err(SinkError::permanent(
        "path_not_allowed",
        "a part of the path is a link or a file; the records must go to a directory below the output directory",
    ))
}

/// A name as one part of a path: other characters are written as `%` and their bytes, so that two names stay two.
fn safe_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (i, byte) in name.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && i > 0) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    if out.is_empty() { "%".into() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below() {
        assert_eq!(parts("alerts/prod 1/"), Ok(vec!["alerts", "prod 1"]));
        for wrong in ["", "/", "/etc", "..", "a/../b", "a//b", "./a", "a/.hidden", "a\\b", "a\0b", "a\nb", "C:", "%2e"]
        {
            assert!(parts(wrong).is_err(), "{wrong:?}");
        }
        assert!(parts(&"a/".repeat(100)).is_err());
        assert!(parts(&"a".repeat(121)).is_err());
    }

    #[test]
    fn names_become_parts_and_stay_apart() {
        assert_eq!(safe_name("acme-1.eu"), "acme-1.eu");
        assert_eq!(safe_name("../x"), "%2E.%2Fx");
        assert_eq!(safe_name("a/b"), "a%2Fb");
        assert_ne!(safe_name("a%2Fb"), safe_name("a/b"));
        assert_eq!(safe_name(".."), "%2E.");
        assert_eq!(safe_name(""), "%");
    }
}
