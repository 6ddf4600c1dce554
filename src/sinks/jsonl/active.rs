//! The file being written. All calls block.
//!
//! Every append holds a lock on the directory, so that several processes may share
//! it, and trusts nothing that it remembers from before: the file may have been put
//! aside by another process, or end in a line that a crash tore.

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Read, Result, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use chrono::Utc;

use super::Fsync;
use crate::sinks::SinkError;

const NAME: &str = "records.jsonl";
const LOCK: &str = ".lock";

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Policy {
    pub(super) max_bytes: u64,
    pub(super) max_age: Option<Duration>,
    pub(super) fsync: Fsync,
}

/// The active file of one directory.
pub(super) struct Active {
    directory: PathBuf,
    lock: Option<File>,
    open: Option<Open>,
}

struct Open {
    file: File,
    /// Up to here the file holds whole lines.
    length: u64,
    begun: SystemTime,
}

impl Active {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, lock: None, open: None }
    }

    /// Appends whole lines, or nothing: what a failed write left behind is cut off again.
    pub(super) fn append(&mut self, lines: &[u8], policy: Policy) -> Result<()> {
        self.locked(|active| {
            active.prepare()?;
            active.rotate_if_due(lines.len() as u64, policy)?;
            let open = active.opened()?;
            let written = open.file.write_all(lines).and_then(|()| match policy.fsync {
                Fsync::Always => open.file.sync_data(),
                Fsync::Interval | Fsync::Never => Ok(()),
            });
            match written {
                Ok(()) => open.length += lines.len() as u64,
                Err(error) => {
                    // Best effort; the next append repairs what stays.
                    let _ = open.file.set_len(open.length);
                    active.open = None;
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    /// Opens and repairs the file where needed, and forces it to the disk.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.locked(|active| {
            active.prepare()?;
            active.opened()?.file.sync_data()
        })
    }

    fn locked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None => open_file(&self.directory.join(LOCK))?,
        };
        lock.lock()?;
        let result = work(self);
        // Closing the file lets go of a lock that cannot be released.
        if lock.unlock().is_ok() {
            self.lock = Some(lock);
        }
        if result.is_err() {
            self.open = None;
        }
        result
    }

    /// Makes `open` the file of that name, ending in a whole line.
    fn prepare(&mut self) -> Result<()> {
        let path = self.directory.join(NAME);
        if self.open.as_ref().is_none_or(|open| !is_at(&open.file, &path)) {
            self.open = None;
            let existed = path.exists();
            let file = open_file(&path)?;
            if !existed {
                self.sync_directory()?;
            }
            let found = file.metadata()?;
            let begun = found.created().or_else(|_| found.modified()).unwrap_or_else(|_| SystemTime::now());
            self.open = Some(Open { file, length: 0, begun });
        }
        let open = self.opened()?;
        let length = open.file.metadata()?.len();
        if length != open.length {
            open.length = cut_torn_line(&mut open.file, length)?;
        }
        Ok(())
    }

    fn rotate_if_due(&mut self, more: u64, policy: Policy) -> Result<()> {
        let open = self.opened()?;
        let full = open.length.saturating_add(more) > policy.max_bytes;
        let old = policy.max_age.is_some_and(|age| open.begun.elapsed().is_ok_and(|elapsed| elapsed >= age));
        if open.length == 0 || !(full || old) {
            return Ok(());
        }
        open.file.sync_data()?;
        self.open = None;
        let time = Utc::now().format("%Y%m%dT%H%M%SZ");
        let free = (1_u32..).map(|n| self.directory.join(format!("records-{time}-{n}.jsonl"))).find(|p| !p.exists());
        let target = free.ok_or_else(|| Error::other("no free name for the rotated file"))?;
        std::fs::rename(self.directory.join(NAME), target)?;
        self.prepare()
    }

    fn opened(&mut self) -> Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| Error::other("the file is not open"))
    }

    /// A new name in a directory is durable when the directory is.
    fn sync_directory(&self) -> Result<()> {
        if cfg!(unix) { File::open(&self.directory)?.sync_all() } else { Ok(()) }
    }
}

fn open_file(path: &Path) -> Result<File> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(Error::new(ErrorKind::InvalidInput, "it is a link or a directory")),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => OpenOptions::new().read(true).append(true).create(true).open(path),
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => ours.ino() == theirs.ino() && ours.dev() == theirs.dev(),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

/// Cuts what follows the last line break: it was never acknowledged. Answers with the length that stays.
fn cut_torn_line(file: &mut File, length: u64) -> Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = length;
    let mut buffer = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        buffer.clear();
        Read::take(&mut *file, end - start).read_to_end(&mut buffer)?;
        if let Some(at) = buffer.iter().rposition(|b| *b == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length {
        file.set_len(end)?;
    }
    Ok(end)
}

/// A failure of the disk may pass; what it was is told without a path.
pub(super) fn io_error(what: &str, error: &Error) -> SinkError {
    let code = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "disk_full",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "permission_denied",
        _ => "io_error",
    };
    SinkError::transient(code, format!("cannot {what}: {error}"))
}
