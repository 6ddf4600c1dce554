//! Keyset pages: a cursor names the last row seen, so that a page costs its own size.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Error, Result};

pub const PAGE_DEFAULT: u64 = 50;
pub const PAGE_MAX: u64 = 200;

/// A request for a page, after its arguments were checked.
#[derive(Clone, Debug)]
pub struct PageRequest<K> {
    pub after: Option<K>,
    pub before: Option<K>,
    pub limit: u64,
    /// Skip so many rows first, which costs reading them.
    pub offset: u64,
    /// Take the last `limit` rows instead of the first.
    pub backward: bool,
}

#[derive(Clone, Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<K: DeserializeOwned> PageRequest<K> {
    /// Checks Relay's four arguments.
    pub fn relay(first: Option<i64>, after: Option<&str>, last: Option<i64>, before: Option<&str>) -> Result<Self> {
        let (size, backward, name) = match (first, last) {
            (Some(_), Some(_)) => return Err(Error::invalid("/last", "cannot be combined with first")),
            (None, Some(n)) => (Some(n), true, "/last"),
            (n, None) => (n, false, "/first"),
        };
        let limit = match size {
            None => PAGE_DEFAULT,
            Some(n) => u64::try_from(n)
                .ok()
                .filter(|n| *n <= PAGE_MAX)
                .ok_or_else(|| Error::invalid(name, format!("must be between 0 and {PAGE_MAX}")))?,
        };
        Ok(Self {
            after: after.map(|c| decode_cursor("/after", c)).transpose()?,
            before: before.map(|c| decode_cursor("/before", c)).transpose()?,
            limit,
            offset: 0,
            backward,
        })
    }
}

impl<T> Page<T> {
    /// From rows read in page direction with one row more than the limit.
    pub fn from_rows<K>(mut rows: Vec<T>, request: &PageRequest<K>) -> Self {
        let more = rows.len() as u64 > request.limit;
        rows.truncate(usize::try_from(request.limit).unwrap_or(usize::MAX));
        if request.backward {
            rows.reverse();
            Self { items: rows, has_next: request.before.is_some(), has_previous: more }
        } else {
            Self { items: rows, has_next: more, has_previous: request.after.is_some() || request.offset > 0 }
        }
    }

    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

/// Opaque to clients, readable to us.
pub fn encode_cursor<K: Serialize>(key: &K) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

pub fn decode_cursor<K: DeserializeOwned>(pointer: &str, cursor: &str) -> Result<K> {
    Some(cursor)
        .filter(|c| c.len() <= 1_024)
        .and_then(|c| URL_SAFE_NO_PAD.decode(c).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Error::invalid(pointer, "is not a cursor that this list gave out"))
}
