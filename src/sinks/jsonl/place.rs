//! Which directory a sink writes to. It lies below the output directory of its
//! organisation, whatever names, paths and links say.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::{relative_parts, safe_name};
use crate::sinks::jsonl::active::io_error;
use crate::sinks::{SinkContext, SinkError};

/// Makes the directory and answers with its true path.
pub(super) fn prepare(path: Option<&str>, context: &SinkContext) -> Result<PathBuf, SinkError> {
    let default = context.datasource_id.to_string();
    let parts = relative_parts(path.unwrap_or(&default))
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
