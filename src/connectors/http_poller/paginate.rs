//! Where the next page is.

use axum::http::{HeaderMap, header};
use reqwest::Url;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use serde_json_path::JsonPath;

use super::checkpoint::as_text;
use super::config::{invalid, parse_path, set_query};
use crate::connectors::ConnectorError;
use crate::connectors::decode::JsonFormat;
use crate::error::Problem;

/// How the pages of an answer are found.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Pagination {
    /// The first answer is the whole answer.
    #[schemars(title = "None")]
    None {},
    /// A `Link` header with `rel="next"` (RFC 8288).
    #[schemars(title = "Link header")]
    LinkHeader {},
    /// Each page holds a cursor for the next one; a page without it is the last.
    #[schemars(title = "Cursor")]
    Cursor {
        /// JSONPath of the cursor in a page.
        #[schemars(example = &"$.next_cursor", length(min = 1, max = 512))]
        cursor_path: String,
        /// The query parameter that carries the cursor.
        #[schemars(example = &"cursor", length(min = 1, max = 256))]
        param: String,
    },
    /// Pages are numbered; an empty page is the last.
    #[schemars(title = "Page number")]
    Page {
        /// The query parameter that carries the number of the page.
        #[schemars(example = &"page", length(min = 1, max = 256))]
        param: String,
        /// The number of the first page.
        #[serde(default = "start_default")]
        start: u32,
        /// The query parameter that carries the size of a page.
        #[serde(default)]
        #[schemars(example = &"per_page", length(min = 1, max = 256))]
        size_param: Option<String>,
        /// How many items a page should have; sent as `size_param`.
        #[serde(default)]
        #[schemars(range(min = 1, max = 1_000_000))]
        size: Option<u32>,
        /// JSONPath of the items in a page, which shows when a page is empty.
        #[serde(default = "items_path_default")]
        #[schemars(example = &"$.items", length(min = 1, max = 512))]
        items_path: String,
    },
}

impl Default for Pagination {
    fn default() -> Self {
        Self::None {}
    }
}

const fn start_default() -> u32 {
    1
}

fn items_path_default() -> String {
    "$".into()
}

impl Pagination {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None {})
    }

    pub(super) fn problems(&self, format: JsonFormat) -> Vec<Problem> {
        let mut found = Vec::new();
        let path = match self {
            Self::None {} | Self::LinkHeader {} => None,
            Self::Cursor { cursor_path, .. } => Some(("/pagination/cursor_path", cursor_path)),
            Self::Page { items_path, size_param, size, .. } => {
                if size.is_some() != size_param.is_some() {
                    found.push(Problem::new("/pagination/size", "and size_param must be given together"));
                }
                Some(("/pagination/items_path", items_path))
            }
        };
        if let Some((at, text)) = path {
            found.extend(parse_path(text).err().map(|e| Problem::new(at, e)));
            if format == JsonFormat::JsonLines {
                found.push(Problem::new("/pagination/type", "must be none or link_header when format is json_lines"));
            }
        }
        found
    }

    /// Adds what the first page needs to its URL.
    pub(super) fn prepare(&self, url: &mut Url) {
        if let Self::Page { param, start, size_param, size, .. } = self {
            set_query(url, param, &start.to_string());
            if let (Some(param), Some(size)) = (size_param, size) {
                set_query(url, param, &size.to_string());
            }
        }
    }
}

/// Walks the pages of one poll.
pub(super) struct Pager<'p> {
    pagination: &'p Pagination,
    path: Option<JsonPath>,
    page: u64,
    last_cursor: Option<String>,
}

impl<'p> Pager<'p> {
    pub(super) fn new(pagination: &'p Pagination) -> Result<Self, ConnectorError> {
        let (path, page) = match pagination {
            Pagination::None {} | Pagination::LinkHeader {} => (None, 0),
            Pagination::Cursor { cursor_path, .. } => (Some(cursor_path), 0),
            Pagination::Page { items_path, start, .. } => (Some(items_path), u64::from(*start)),
        };
        let path =
            path.map(|text| parse_path(text)).transpose().map_err(|e| invalid(format!("pagination: path {e}")))?;
        Ok(Self { pagination, path, page, last_cursor: None })
    }

    /// The URL after the page at `url`; `None` when that was the last.
    pub(super) fn next(
        &mut self,
        url: &Url,
        headers: &HeaderMap,
        documents: &[Value],
    ) -> Result<Option<Url>, ConnectorError> {
        let document = documents.first();
        match self.pagination {
            Pagination::None {} => Ok(None),
            Pagination::LinkHeader {} => next_link(url, headers),
            Pagination::Cursor { param, .. } => {
                let cursor = self.matches(document).first().copied().and_then(as_text);
                // A cursor that stays the same would ask for one page for ever.
                let Some(cursor) = cursor.filter(|c| self.last_cursor.as_ref() != Some(c)) else { return Ok(None) };
                let mut url = url.clone();
                set_query(&mut url, param, &cursor);
                self.last_cursor = Some(cursor);
                Ok(Some(url))
            }
            Pagination::Page { param, .. } => {
                let items = self.matches(document);
                let empty = match items.as_slice() {
                    [] | [Value::Null] => true,
                    [Value::Array(items)] => items.is_empty(),
                    _ => false,
                };
                if empty {
                    return Ok(None);
                }
                self.page += 1;
                let mut url = url.clone();
                set_query(&mut url, param, &self.page.to_string());
                Ok(Some(url))
            }
        }
    }

    fn matches<'d>(&self, document: Option<&'d Value>) -> Vec<&'d Value> {
        match (&self.path, document) {
            (Some(path), Some(document)) => path.query(document).all(),
            _ => Vec::new(),
        }
    }
}

/// The target of `rel="next"`. Credentials go along, so it must be of the same origin.
fn next_link(url: &Url, headers: &HeaderMap) -> Result<Option<Url>, ConnectorError> {
    let values = headers.get_all(header::LINK).into_iter().filter_map(|value| value.to_str().ok());
    let Some(target) = values.flat_map(links).find(|link| link.is_next()).map(|link| link.target) else {
        return Ok(None);
    };
    let broken =
        |why: &str| ConnectorError::permanent("pagination_invalid", format!("the link to the next page {why}"));
    let next = url.join(target).map_err(|_| broken("is not a URL"))?;
    if next.origin() != url.origin() {
        return Err(broken("leads to another origin, which would receive the credentials; it was not followed"));
    }
    Ok((next != *url).then_some(next))
}

struct Link<'h> {
    target: &'h str,
    params: &'h str,
}

impl Link<'_> {
    fn is_next(&self) -> bool {
        self.params.split(';').filter_map(|param| param.split_once('=')).any(|(name, value)| {
            let value = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && value.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        })
    }
}

/// The links of one header value. A comma may stand within `<…>` and within quotes.
fn links(value: &str) -> Vec<Link<'_>> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some((_, opened)) = rest.split_once('<') {
        let Some((target, after)) = opened.split_once('>') else { break };
        let mut quoted = false;
        let end = after.find(|c| {
            quoted ^= c == '"';
            c == ',' && !quoted
        });
        let (params, tail) = after.split_at(end.unwrap_or(after.len()));
        found.push(Link { target, params });
        rest = tail;
    }
    found
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn next(link: &'static str) -> Result<Option<String>, &'static str> {
        let url: Url = "https://api.example.com/items?page=1".parse().expect("a URL");
        let headers = HeaderMap::from_iter([(header::LINK, HeaderValue::from_static(link))]);
        next_link(&url, &headers).map(|url| url.map(String::from)).map_err(|e| e.code)
    }

    #[test]
    fn the_next_link_among_others() {
        let found = next(
            r#"<https://api.example.com/items?page=9>; rel="last", </items?page=2&a=1,2>; title="a, b"; rel="Next prefetch""#,
        );
        assert_eq!(found, Ok(Some("https://api.example.com/items?page=2&a=1,2".into())));
        assert_eq!(next("<?page=2>; rel=next"), Ok(Some("https://api.example.com/items?page=2".into())));
    }

    #[test]
    fn no_next_link_ends_the_poll() {
        for link in ["", "nonsense", "<?page=2>", "<?page=2>; rel=prev", "<?page=2; rel=next", "<?page=1>; rel=next"] {
            assert_eq!(next(link), Ok(None), "{link}");
        }
    }

    #[test]
    fn a_link_to_another_origin_is_not_followed() {
        assert_eq!(next("<https://evil.example/items>; rel=next"), Err("pagination_invalid"));
        assert_eq!(next("<http://api.example.com/items>; rel=next"), Err("pagination_invalid"));
    }
}
