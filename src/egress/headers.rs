//! Headers and credentials of requests, as people configure them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::Problem;
use crate::fault::Fault;
use crate::mapping::SecretText;

/// Headers that belong to the connection, not to the author.
const OWN_HEADERS: [HeaderName; 7] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::UPGRADE,
    header::ACCEPT_ENCODING,
];

/// How the request proves who asks.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Auth {
    /// The source is open.
    #[schemars(title = "None")]
    None {},
    /// `Authorization: Bearer` and a token.
    #[schemars(title = "Bearer token")]
    Bearer {
        /// The token to send.
        token: SecretText,
    },
    /// `Authorization: Basic` with a name and a password.
    #[schemars(title = "Basic")]
    Basic {
        /// The user name; it has no colon.
        #[schemars(length(min = 1, max = 256))]
        username: String,
        /// The password that belongs to the user name.
        password: SecretText,
    },
}

impl Default for Auth {
    fn default() -> Self {
        Self::None {}
    }
}

pub fn header_problems(headers: &BTreeMap<String, String>) -> Vec<Problem> {
    let wrong = |(name, value): (&String, &String)| {
        let at = format!("/headers/{}", name.replace('~', "~0").replace('/', "~1"));
        Some(Problem::new(at, header_of(name, value).err()?))
    };
    headers.iter().filter_map(wrong).collect()
}

/// The headers of the request that opens the stream.
pub fn headers(headers: &BTreeMap<String, String>, auth: &Auth) -> Result<HeaderMap, Fault> {
    let invalid = |message: String| Fault::permanent("config_invalid", message);
    let mut all = HeaderMap::new();
    for (name, value) in headers {
        let (name, value) = header_of(name, value).map_err(|e| invalid(format!("headers {e}")))?;
        all.insert(name, value);
    }
    let credentials = match auth {
        Auth::None {} => return Ok(all),
        Auth::Bearer { token } => format!("Bearer {}", token.expose()),
        Auth::Basic { username, password } => {
            format!("Basic {}", BASE64.encode(format!("{username}:{}", password.expose())))
        }
    };
    let mut value = HeaderValue::try_from(credentials)
        .map_err(|_| invalid("the secret of auth holds characters that a header cannot carry".into()))?;
    value.set_sensitive(true);
    all.insert(header::AUTHORIZATION, value);
    Ok(all)
}

pub fn header_of(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let name = HeaderName::try_from(name).map_err(|_| "must be the name of an HTTP header".to_owned())?;
    if OWN_HEADERS.contains(&name) {
        return Err("is set by the connection itself; leave it out".into());
    }
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| format!("has a value that a header cannot carry ({name}): it must be one line of text"))?;
    value.set_sensitive(true);
    Ok((name, value))
}
