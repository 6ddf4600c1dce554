//! Where a redirect leads, and what may be taken along. What a request carries
//! may be secret (any header, the body), so another origin gets only what it needs.

use reqwest::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION,
    TRANSFER_ENCODING,
};
use reqwest::{Method, Request, Response, StatusCode};

use crate::fault::Fault;

pub(super) const LIMIT: usize = 5;

const FOREIGN_HEADERS: [HeaderName; 3] = [ACCEPT, IF_NONE_MATCH, IF_MODIFIED_SINCE];
const BODY_HEADERS: [HeaderName; 4] = [CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];

/// The request that a redirect asks for; `None` when `response` is the answer.
pub(super) fn next(sent: Option<Request>, response: &Response) -> Result<Option<Request>, Fault> {
    let status = response.status();
    let keeps_method = match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => true,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::SEE_OTHER => false,
        _ => return Ok(None),
    };
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let sent = sent.ok_or_else(|| refused("the body cannot be sent a second time"))?;

    let target = location.to_str().ok().and_then(|text| sent.url().join(text).ok());
    let mut target = target.ok_or_else(|| refused("its Location is not a URL"))?;
    if !target.username().is_empty() || target.password().is_some() {
        return Err(refused("its Location carries credentials"));
    }
    if sent.url().scheme() == "https" && target.scheme() != "https" {
        return Err(refused("it leads from https to plain http"));
    }
    target.set_fragment(None);

    let mut next = sent;
    let same_origin = next.url().origin() == target.origin();
    let rewrites = !keeps_method && next.method() != Method::GET && next.method() != Method::HEAD;
    if rewrites {
        *next.method_mut() = Method::GET;
        *next.body_mut() = None;
        for name in BODY_HEADERS {
            next.headers_mut().remove(name);
        }
    }
    if !same_origin {
        if next.body().is_some() {
            return Err(refused("it asks to send the body to another origin; configure that URL instead"));
        }
        let headers = std::mem::take(next.headers_mut());
        for name in FOREIGN_HEADERS {
            if let Some(value) = headers.get(&name) {
                next.headers_mut().insert(name, value.clone());
            }
        }
    }
    *next.url_mut() = target;
    Ok(Some(next))
}

pub(super) fn too_many() -> Fault {
    Fault::transient("too_many_redirects", format!("the server redirected more than {LIMIT} times"))
}

fn refused(why: &str) -> Fault {
    Fault::permanent("redirect_refused", format!("a redirect was not followed: {why}"))
}
