//! A file of payloads, one a line, as the source of a backfill. It works for every connector.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncSeekExt, BufReader, SeekFrom};
use tokio_util::sync::CancellationToken;

use crate::connectors::{Connector, ConnectorError, Outlet, PullSource};

/// The longest line, in bytes.
const LINE_MAX: u64 = 16 * 1024 * 1024;
/// Lines that are delivered together, unless they are long.
const LINES: usize = 200;
const BYTES: usize = 1024 * 1024;

pub(super) struct FileSource<'c> {
    path: PathBuf,
    connector: &'c dyn Connector,
    config: &'c Value,
}

impl<'c> FileSource<'c> {
    /// `name` is relative to `directory` and may not leave it, by a symbolic link neither.
    pub(super) async fn open(
        directory: &Path,
        name: &str,
        connector: &'c dyn Connector,
        config: &'c Value,
    ) -> Result<Box<dyn PullSource + 'c>, ConnectorError> {
        let refused = |message: String| ConnectorError::permanent("file_unreadable", message);
        let absent = |_| refused(format!("{name:?} is not in the directory {} of this node", directory.display()));
        let root = tokio::fs::canonicalize(directory).await.map_err(absent)?;
        let path = tokio::fs::canonicalize(directory.join(name)).await.map_err(absent)?;
        let is_file = tokio::fs::metadata(&path).await.map_err(absent)?.is_file();
        if !path.starts_with(&root) || !is_file {
            return Err(refused(format!("{name:?} is not a file in the directory {}", directory.display())));
        }
        Ok(Box::new(Self { path, connector, config }))
    }

    async fn count_lines(&self) -> std::io::Result<u64> {
        let mut file = File::open(&self.path).await?;
        let (mut lines, mut last, mut buffer) = (0, b'\n', vec![0; 256 * 1024]);
        loop {
            let read = file.read(&mut buffer).await?;
            let Some(end) = buffer[..read].last() else { break };
            last = *end;
            lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        Ok(lines + u64::from(last != b'\n'))
    }
}

#[async_trait]
impl PullSource for FileSource<'_> {
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError> {
        let failed = |e: std::io::Error| ConnectorError::transient("file_unreadable", e.to_string());
        outlet.expect(self.count_lines().await.map_err(failed)?);
        let at = |key: &str| checkpoint.as_ref().and_then(|c| c[key].as_u64()).unwrap_or(0);
        let (mut offset, mut line_number) = (at("offset"), at("line"));
        let mut file = File::open(&self.path).await.map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).await.map_err(failed)?;
        let mut reader = BufReader::new(file);
        let (mut documents, mut lines, mut bytes) = (Vec::new(), 0, 0);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(LINE_MAX + 1).read_until(b'\n', &mut line).await.map_err(failed)?;
            let ended = read == 0;
            if read as u64 > LINE_MAX {
                let message = format!("line {} is longer than {LINE_MAX} bytes", line_number + 1);
                return Err(ConnectorError::permanent("line_too_long", message));
            }
            if !ended {
                offset += read as u64;
                line_number += 1;
                lines += 1;
                bytes += read;
                if !line.trim_ascii().is_empty() {
                    match self.connector.decode(self.config, line.trim_ascii()) {
                        Ok(decoded) => documents.extend(decoded),
                        Err(error) => {
                            let message = format!("line {line_number}: {}", error.message);
                            outlet.refuse(&line, ConnectorError { message, ..error }).await?;
                        }
                    }
                }
            }
            if (ended && lines > 0) || lines >= LINES || bytes >= BYTES {
                let checkpoint = json!({ "offset": offset, "line": line_number });
                outlet.deliver(std::mem::take(&mut documents), Some(checkpoint)).await?;
                (lines, bytes) = (0, 0);
                if stop.is_cancelled() {
                    return Ok(());
                }
            }
            if ended {
                return Ok(());
            }
        }
    }
}
