//! What an HTTP status means for whoever asked.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap};

use crate::fault::Fault;

const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// What a status means. A 404 may pass, for feeds come and go with deployments;
/// a refusal of the credentials or of the request itself waits for a person,
/// unless the server says when to come again.
pub fn check_status(status: StatusCode, headers: &HeaderMap, peer: &str) -> Result<(), Fault> {
    if status.is_success() {
        return Ok(());
    }
    let wait = retry_after(headers, SystemTime::now());
    let message = format!("{peer} answered {status}");
    Err(match status.as_u16() {
        429 => Fault::transient_after("rate_limited", message, wait),
        401 | 403 if wait.is_none() => {
            Fault::permanent("unauthorized", format!("{message}; check auth and its secret"))
        }
        401 | 403 | 404 | 408 | 425 | 500..=599 => Fault::transient_after("http_status", message, wait),
        _ => Fault::permanent("http_status", message),
    })
}

/// What the answer to something that was written means: a server that is busy or broken may recover, one that
/// finds fault with the data refuses it again, and any other refusal waits for a person.
pub fn check_written(status: StatusCode, headers: &HeaderMap, peer: &str) -> Result<(), Fault> {
    if status.is_success() {
        return Ok(());
    }
    let message = format!("{peer} answered {status}");
    Err(match status.as_u16() {
        429 => Fault::transient_after("rate_limited", message, retry_after(headers, SystemTime::now())),
        408 | 425 | 500..=599 => {
            Fault::transient_after("http_status", message, retry_after(headers, SystemTime::now()))
        }
        401 | 403 => Fault::permanent("unauthorized", format!("{message}; check auth and its secret")),
        400 | 413 | 422 => Fault::rejected("http_status", message),
        300..=399 => Fault::permanent("redirect_refused", format!("{message}; configure the address that it leads to")),
        _ => Fault::permanent("http_status", message),
    })
}

/// `Retry-After` in seconds or as a date, at most an hour.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().expect("a value"))])
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_within_an_hour() {
        let now = httpdate::parse_http_date("Tue, 04 Mar 2025 08:00:00 GMT").expect("a date");
        for (value, seconds) in [
            ("7", Some(7)),
            ("86400", Some(3_600)),
            ("Tue, 04 Mar 2025 08:00:30 GMT", Some(30)),
            ("Tue, 04 Mar 2025 07:00:00 GMT", Some(0)),
            ("99999999999999999999999", None),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(&headers(value), now), seconds.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn what_may_pass_and_what_waits_for_a_person() {
        let kind = |status: u16, headers: &HeaderMap| {
            let status = StatusCode::from_u16(status).expect("a status");
            check_status(status, headers, "peer").err().map(|e| e.is_permanent())
        };
        let none = HeaderMap::new();
        for status in [200, 204, 206] {
            assert_eq!(kind(status, &none), None, "{status}");
        }
        for status in [404, 408, 425, 429, 500, 502, 503, 504] {
            assert_eq!(kind(status, &none), Some(false), "{status}");
        }
        for status in [400, 401, 403, 405, 410, 422, 300] {
            assert_eq!(kind(status, &none), Some(true), "{status}");
        }
        // A rate limit in the dress of a refusal.
        assert_eq!(kind(403, &headers("60")), Some(false));
    }
}
