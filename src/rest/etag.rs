//! Entity tags: `"<revision>-<hash of the body>"`, strong.
//!
//! The body shows the worker's state too, which changes without a revision:
//! the hash makes a 304 true. A precondition asks whether somebody *edited* the
//! datasource meanwhile, so `If-Match` compares the revision only.

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use sha2::{Digest, Sha256};

use super::problem::Failure;
use crate::error::Error;

const HASH: usize = 6;

pub(super) fn of(revision: i64, body: &str) -> String {
    format!("\"{revision}-{}\"", hex::encode(&Sha256::digest(body)[..HASH]))
}

/// The revision that the caller last saw; `None` where the caller does not ask, or takes any (`*`).
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Failure> {
    let Some(text) = only(headers, &header::IF_MATCH)? else { return Ok(None) };
    if text == "*" {
        return Ok(None);
    }
    if text.starts_with("W/") {
        // A weak tag never matches here (RFC 9110, 13.1.1).
        let message = "a weak ETag does not match; send the ETag as this API gave it";
        return Err(Failure::new(StatusCode::PRECONDITION_FAILED, Error::stale(message)));
    }
    let revision = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).and_then(|t| t.split_once('-'));
    let revision = revision.filter(|(_, hash)| hash.len() == 2 * HASH && hash.bytes().all(|b| b.is_ascii_hexdigit()));
    match revision.and_then(|(number, _)| number.parse().ok()) {
        Some(revision) => Ok(Some(revision)),
        None => Err(malformed(&header::IF_MATCH)),
    }
}

/// For what has no revision of its own: a precondition that is not looked at would be taken for one that holds.
pub(super) fn refuse(headers: &HeaderMap) -> Result<(), Failure> {
    if !headers.contains_key(header::IF_MATCH) {
        return Ok(());
    }
    let pointer = format!("/headers/{}", header::IF_MATCH);
    Err(Error::invalid(pointer, "is not honoured here, as a secret has no ETag; send the request without it").into())
}

/// Whether the caller has this body already.
pub(super) fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    given.flat_map(|list| list.split(',')).map(str::trim).any(|t| t == "*" || t.trim_start_matches("W/") == etag)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Failure> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|text| Some(text.trim())).map_err(|_| malformed(name)),
        _ => Err(malformed(name)),
    }
}

fn malformed(name: &HeaderName) -> Failure {
    let message = "must be one ETag that this API gave out, such as \"3-0123456789ab\" with its quotes, or *";
    Failure::from(Error::invalid(format!("/headers/{name}"), message))
}
