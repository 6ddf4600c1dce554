//! Pages: `limit` with `offset` or `cursor`, and the `Link` header (RFC 8288) that leads on.

use axum::http::header;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded::{Serializer, parse};

use super::extract::Caller;
use super::reply::{Reply, TOTAL_COUNT};
use crate::domain::paging::{PAGE_DEFAULT, PAGE_MAX, Page, PageRequest, decode_cursor, encode_cursor};
use crate::error::{Error, Result};

/// How far `offset` reaches. The rows before it are read and thrown away; a cursor costs nothing.
const OFFSET_MAX: u64 = 10_000;
/// Marks a cursor that leads back. Clients do not look into cursors.
const BACK: char = '~';

/// Where a page begins, as the client sent it.
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    pub(super) limit: Option<String>,
    pub(super) offset: Option<String>,
    pub(super) cursor: Option<String>,
    /// How many rows there are in all, where that is known.
    pub(super) total: Option<u64>,
}

impl Position {
    pub(super) fn request<K: DeserializeOwned>(&self) -> Result<PageRequest<K>> {
        let (limit, offset) = (self.limit()?, self.offset()?);
        if offset.is_some() && self.cursor.is_some() {
            return Err(Error::invalid("/offset", "cannot be combined with cursor"));
        }
        let offset = offset.unwrap_or(0);
        let (after, before) = match self.cursor.as_deref() {
            None => (None, None),
            Some(cursor) => match cursor.strip_prefix(BACK) {
                Some(cursor) => (None, Some(decode_cursor("/cursor", cursor)?)),
                None => (Some(decode_cursor("/cursor", cursor)?), None),
            },
        };
        Ok(PageRequest { backward: before.is_some(), after, before, limit, offset })
    }

    fn limit(&self) -> Result<u64> {
        let Some(text) = &self.limit else { return Ok(PAGE_DEFAULT) };
        let limit = text.parse().ok().filter(|n| (1..=PAGE_MAX).contains(n));
        limit.ok_or_else(|| Error::invalid("/limit", format!("must be a whole number between 1 and {PAGE_MAX}")))
    }

    fn offset(&self) -> Result<Option<u64>> {
        let Some(text) = &self.offset else { return Ok(None) };
        let offset = text.parse().ok().filter(|n| *n <= OFFSET_MAX);
        let refusal = || {
            let message = format!(
                "must be a whole number of at most {OFFSET_MAX}; go on by the cursor of the link with rel=\"next\""
            );
            Error::invalid("/offset", message)
        };
        offset.map(Some).ok_or_else(refusal)
    }

    /// A page as a JSON array, with its links.
    pub(super) fn reply<P, T, K: Serialize, M: Serialize>(
        &self,
        caller: &Caller<P>,
        page: Page<T>,
        key: impl Fn(&T) -> K,
        model: impl Fn(T) -> M,
    ) -> Result<Reply> {
        self.reply_as(caller, page, key, |items| items.into_iter().map(model).collect::<Vec<_>>())
    }

    /// A page as `body` makes it, with its links.
    pub(super) fn reply_as<P, T, K: Serialize, B: Serialize>(
        &self,
        caller: &Caller<P>,
        page: Page<T>,
        key: impl Fn(&T) -> K,
        body: impl FnOnce(Vec<T>) -> B,
    ) -> Result<Reply> {
        let links = self.links(caller, &page, key)?;
        Ok(Reply::ok(&body(page.items))?.header(header::LINK, links))
    }

    /// Offset and limit of the page before `offset`: no row of this page, and none after the last.
    fn before(&self, offset: u64, limit: u64, has_rows: bool) -> Option<(u64, u64)> {
        let end = match self.total {
            _ if has_rows => offset,
            Some(total) => offset.min(total),
            None => return None,
        };
        (end > 0).then(|| (end.saturating_sub(limit), limit.min(end)))
    }

    fn links<P, T, K: Serialize>(&self, caller: &Caller<P>, page: &Page<T>, key: impl Fn(&T) -> K) -> Result<String> {
        let (limit, offset) = (self.limit()?, self.offset()?);
        let next_offset = offset.map(|offset| offset + limit).filter(|offset| *offset <= OFFSET_MAX);
        let at = |position: Option<(&str, String)>| link(caller, self.limit.as_deref(), position);
        let link_to = |place: &str, relation: &str| format!("<{place}>; rel=\"{relation}\"");
        let mut links = vec![link_to(&at(None), "first")];
        if page.has_previous {
            let previous = match (offset, page.items.first()) {
                (Some(offset), first) => self.before(offset, limit, first.is_some()).map(|(offset, limit)| {
                    link(caller, Some(&limit.to_string()), Some(("offset", offset.to_string())))
                }),
                (None, Some(first)) => Some(at(Some(("cursor", format!("{BACK}{}", encode_cursor(&key(first))))))),
                (None, None) => None,
            };
            links.extend(previous.map(|place| link_to(&place, "prev")));
        }
        if page.has_next {
            let next = match (next_offset, page.items.last()) {
                (Some(offset), _) => Some(("offset", offset.to_string())),
                (None, Some(last)) => Some(("cursor", encode_cursor(&key(last)))),
                (None, None) => None,
            };
            links.extend(next.map(|position| link_to(&at(Some(position)), "next")));
        }
        Ok(links.join(", "))
    }
}

/// The same request at another place.
fn link<P>(caller: &Caller<P>, limit: Option<&str>, position: Option<(&str, String)>) -> String {
    let mut query = Serializer::new(String::new());
    let kept = parse(caller.query().as_bytes()).filter(|(name, _)| !["limit", "offset", "cursor"].contains(&&**name));
    query.extend_pairs(kept);
    if let Some(limit) = limit {
        query.append_pair("limit", limit);
    }
    if let Some((name, value)) = position {
        query.append_pair(name, &value);
    }
    let query = query.finish();
    if query.is_empty() { caller.path().to_owned() } else { format!("{}?{query}", caller.path()) }
}

/// A list that is whole: its length is the total.
pub(super) fn whole<M: Serialize>(items: &[M]) -> Result<Reply> {
    Ok(Reply::ok(&items)?.header(TOTAL_COUNT, items.len().to_string()))
}
