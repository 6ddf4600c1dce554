//! The records of one object: opened, decompressed and cut in bounded memory.

use std::io;

use async_compression::tokio::bufread::{GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use futures::TryStreamExt;
use object_store::{GetOptions, GetRange, ObjectMeta};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::StreamReader;

use super::config::{Compression, Layout, ObjectsConfig};
use super::store::{Opened, failed};
use crate::connectors::{ConnectorError, decode};

/// 2^23 bytes: what every decoder must support, and what one object may cost.
const ZSTD_WINDOW_LOG: u32 = 23;
/// How much of a record that is too long is kept to be set aside.
const HEAD: usize = 64 << 10;

type Reader = Box<dyn AsyncBufRead + Send + Unpin>;

/// The rest of one object.
pub(super) struct Records {
    reader: Reader,
    layout: Layout,
    /// The row that names the fields of CSV, as it stands in the object.
    pub(super) header: Vec<u8>,
    names: Option<csv::ByteRecord>,
    max_record: usize,
    max_object: u64,
    /// Decompressed bytes before the next record.
    pub(super) offset: u64,
    ended: bool,
}

/// One record as it stands in the object.
pub(super) enum Cut {
    Whole(Vec<u8>),
    /// Its head; the rest was passed over.
    TooLong(Vec<u8>),
}

impl Records {
    /// Opens an object and goes to `offset`, where a record begins.
    pub(super) async fn open(
        opened: &Opened,
        config: &ObjectsConfig,
        object: &ObjectMeta,
        layout: Layout,
        offset: u64,
    ) -> Result<Self, ConnectorError> {
        let (reader, compressed) = open(opened, config.compression, object, 0).await?;
        let mut records = Self {
            reader,
            layout,
            header: Vec::new(),
            names: None,
            max_record: config.max_record,
            max_object: config.max_object,
            offset: 0,
            ended: false,
        };
        if matches!(layout, Layout::Csv { header: true, .. })
            && let Some(Cut::Whole(line)) = records.cut().await?
        {
            records.names = rows(&line, layout).next().and_then(Result::ok);
            records.header = line;
        }
        if offset > records.offset {
            if compressed {
                let mut passed = (&mut records.reader).take(offset - records.offset);
                tokio::io::copy(&mut passed, &mut tokio::io::sink()).await.map_err(|e| broken(object, &e))?;
            } else {
                records.reader = open(opened, config.compression, object, offset).await?.0;
            }
            records.offset = offset;
        }
        Ok(records)
    }

    /// The next record; `None` at the end of the object.
    pub(super) async fn next(&mut self, object: &ObjectMeta) -> Result<Option<Cut>, ConnectorError> {
        self.cut().await.map_err(|e| match e.code {
            "read_failed" | "object_too_long" => {
                ConnectorError { message: format!("{} {}", object.location, e.message), ..e }
            }
            _ => e,
        })
    }

    async fn cut(&mut self) -> Result<Option<Cut>, ConnectorError> {
        if self.ended {
            return Ok(None);
        }
        let mut record = Vec::new();
        let (mut too_long, mut quotes) = (false, 0_usize);
        loop {
            let available = self.reader.fill_buf().await.map_err(|e| unreadable(&e))?;
            if available.is_empty() {
                self.ended = true;
                break;
            }
            if self.offset >= self.max_object {
                let message =
                    format!("is longer than the {} bytes of max_object; the rest was left out", self.max_object);
                return Err(ConnectorError::permanent("object_too_long", message));
            }
            let newline = match self.layout {
                Layout::Json => None,
                _ => available.iter().position(|byte| *byte == b'\n'),
            };
            let taken = newline.map_or(available.len(), |at| at + 1);
            let part = &available[..taken];
            if matches!(self.layout, Layout::Csv { .. }) {
                quotes += part.iter().filter(|byte| **byte == b'"').count();
            }
            let room = self.max_record.saturating_sub(record.len());
            too_long |= taken > room;
            record.extend_from_slice(&part[..taken.min(room)]);
            self.reader.consume(taken);
            self.offset += taken as u64;
            // A line break within quotes belongs to the row.
            if newline.is_some() && quotes.is_multiple_of(2) {
                break;
            }
            // Whoever never closes a quote must not cost the rest of the object.
            if newline.is_some() && too_long {
                break;
            }
        }
        if record.is_empty() {
            return Ok(None);
        }
        if too_long {
            record.truncate(HEAD);
            return Ok(Some(Cut::TooLong(record)));
        }
        Ok(Some(Cut::Whole(record)))
    }

    /// The documents of a record: one, or none for a blank line.
    pub(super) fn decode(&self, record: &[u8]) -> Result<Vec<Value>, String> {
        match self.layout {
            _ if record.trim_ascii().is_empty() => Ok(Vec::new()),
            Layout::Json => decode::json(record).map(|document| vec![document]),
            Layout::JsonLines => decode::json(record).map(|document| vec![document]),
            Layout::Csv { .. } => rows(record, self.layout)
                .map(|row| row_of(self.names.as_ref(), &row.map_err(|_| "the row is not CSV".to_owned())?))
                .collect(),
        }
    }
}

/// The documents of a whole text of CSV.
pub(super) fn decode_csv(payload: &[u8], layout: Layout) -> Result<Vec<Value>, String> {
    let mut rows = rows(payload, layout);
    let Layout::Csv { header, .. } = layout else { return Err("the layout is not CSV".into()) };
    let not_csv = |_| "the payload is not CSV".to_owned();
    let names = if header { rows.next().transpose().map_err(not_csv)? } else { None };
    let documents: Result<Vec<_>, _> = rows.map(|row| row_of(names.as_ref(), &row.map_err(not_csv)?)).collect();
    documents.and_then(|found| if found.is_empty() { Err("the payload has no row".into()) } else { Ok(found) })
}

fn rows(text: &[u8], layout: Layout) -> impl Iterator<Item = csv::Result<csv::ByteRecord>> {
    let delimiter = if let Layout::Csv { delimiter, .. } = layout { delimiter } else { b',' };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(text)
        .into_byte_records()
}

fn row_of(names: Option<&csv::ByteRecord>, row: &csv::ByteRecord) -> Result<Value, String> {
    let text =
        |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| "the row is not UTF-8".to_owned());
    if let Some(names) = names
        && names.len() != row.len()
    {
        return Err(format!("the row has {} fields, the header {}", row.len(), names.len()));
    }
    let mut object = serde_json::Map::new();
    for (i, field) in row.iter().enumerate() {
        let name = match names {
            Some(names) => text(&names[i])?,
            None => format!("c{}", i + 1),
        };
        object.insert(name, Value::String(text(field)?));
    }
    Ok(Value::Object(object))
}

/// A reader of the decompressed object from `offset` on, and whether it is compressed.
async fn open(
    opened: &Opened,
    compression: Compression,
    object: &ObjectMeta,
    offset: u64,
) -> Result<(Reader, bool), ConnectorError> {
    // What changed since it was listed is another object.
    let options = GetOptions {
        if_match: object.e_tag.clone(),
        range: (offset > 0).then_some(GetRange::Offset(offset)),
        ..GetOptions::default()
    };
    if offset >= object.size {
        return Ok((Box::new(tokio::io::empty()), false));
    }
    let got = opened.store.get_opts(&object.location, options).await;
    let got = got.map_err(|e| failed(&format!("read {}", object.location), &e))?;
    let raw = StreamReader::new(got.into_stream().map_err(io::Error::other));
    let mut raw = BufReader::with_capacity(64 << 10, raw);
    let first = raw.fill_buf().await.map_err(|e| broken(object, &e))?;
    let compression = match compression {
        Compression::Auto if offset > 0 => Compression::None,
        Compression::Auto if first.starts_with(&[0x1f, 0x8b]) => Compression::Gzip,
        Compression::Auto if first.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) => Compression::Zstd,
        Compression::Auto => Compression::None,
        settled => settled,
    };
    Ok(match compression {
        Compression::Gzip => {
            let mut decoder = GzipDecoder::new(raw);
            decoder.multiple_members(true);
            (buffered(decoder), true)
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::with_params(raw, &[DParameter::window_log_max(ZSTD_WINDOW_LOG)]);
            decoder.multiple_members(true);
            (buffered(decoder), true)
        }
        Compression::None | Compression::Auto => (Box::new(raw), false),
    })
}

fn buffered(decoder: impl AsyncRead + Send + Unpin + 'static) -> Reader {
    Box::new(BufReader::with_capacity(64 << 10, decoder))
}

fn broken(object: &ObjectMeta, cause: &io::Error) -> ConnectorError {
    let fault = unreadable(cause);
    ConnectorError { message: format!("{} {}", object.location, fault.message), ..fault }
}

fn unreadable(cause: &io::Error) -> ConnectorError {
    match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            ConnectorError::permanent("object_damaged", "an object cannot be decompressed to its end")
        }
        io::ErrorKind::Other if !is_of_store(cause) => {
            ConnectorError::permanent("object_damaged", "an object cannot be decompressed")
        }
        _ => ConnectorError::transient("read_failed", "was not read to its end"),
    }
}

/// Decoders report what they cannot read as `Other` too.
fn is_of_store(cause: &io::Error) -> bool {
    cause.get_ref().is_some_and(|inner| inner.is::<object_store::Error>())
}
