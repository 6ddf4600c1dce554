//! Credentials on the requests of a poller.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{Method, Request, Url};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::config::{check_url, invalid, set_query};
use super::fetch;
use crate::connectors::ConnectorError;
use crate::egress::Egress;
use crate::egress::headers::header_of;
use crate::egress::status::check_status;
use crate::error::Problem;
use crate::mapping::SecretText;

/// How the request proves who asks.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Auth {
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
    /// A key in a header or in a query parameter: name one of the two.
    #[schemars(title = "API key")]
    ApiKey {
        /// The header that carries the key.
        #[serde(default)]
        #[schemars(example = &"X-Api-Key", length(min = 1, max = 128))]
        header: Option<String>,
        /// The query parameter that carries the key.
        #[serde(default)]
        #[schemars(example = &"api_key", length(min = 1, max = 256))]
        query: Option<String>,
        /// The key to send.
        value: SecretText,
    },
    /// A token of an OAuth 2.0 server, by the client credentials grant (RFC 6749, 4.4).
    #[schemars(title = "OAuth 2.0 client credentials")]
    Oauth2ClientCredentials {
        /// The address of the token endpoint.
        #[schemars(example = &"https://login.example.com/oauth2/token", length(min = 1, max = 4096))]
        token_url: String,
        /// The identifier of the client.
        #[schemars(length(min = 1, max = 1024))]
        client_id: String,
        /// The secret of the client.
        client_secret: SecretText,
        /// The scopes to ask for, separated by spaces.
        #[serde(default)]
        #[schemars(example = &"alerts.read", length(max = 2048))]
        scope: Option<String>,
        /// Where the token endpoint expects the client's identifier and secret.
        #[serde(default)]
        client_auth: ClientAuth,
    },
}

impl Default for Auth {
    fn default() -> Self {
        Self::None {}
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClientAuth {
    /// In an `Authorization: Basic` header.
    #[default]
    Basic,
    /// In the form that is sent.
    Body,
}

impl Auth {
    pub(super) fn problems(&self, headers: &BTreeMap<String, String>) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut used = None;
        match self {
            Self::None {} => {}
            Self::Bearer { .. } => used = Some("authorization"),
            Self::Basic { username, .. } => {
                used = Some("authorization");
                if username.contains(':') {
                    let message = "must not contain a colon, which ends the name in Basic credentials";
                    found.push(Problem::new("/auth/username", message));
                }
            }
            Self::ApiKey { header, query, .. } => {
                if header.is_some() == query.is_some() {
                    found.push(Problem::new("/auth", "must name one of header and query"));
                }
                if let Some(Err(problem)) = header.as_ref().map(|name| header_of(name, "")) {
                    found.push(Problem::new("/auth/header", problem));
                }
                used = header.as_deref();
            }
            Self::Oauth2ClientCredentials { token_url, .. } => {
                used = Some("authorization");
                found.extend(check_url(token_url).err().map(|e| Problem::new("/auth/token_url", e)));
            }
        }
        if let Some(twice) = headers.keys().find(|name| used.is_some_and(|used| used.eq_ignore_ascii_case(name))) {
            found.push(Problem::new(format!("/headers/{twice}"), "is set by auth; leave it out here"));
        }
        found
    }
}

/// Puts credentials on requests, and keeps an OAuth token as long as it is good.
pub(super) struct Authenticator {
    token: Option<Token>,
}

struct Token {
    value: SecretString,
    expires: Instant,
    /// Whether an earlier request was sent with it.
    used: bool,
}

/// How long before its end a token is replaced.
const MARGIN: Duration = Duration::from_secs(30);
const LIFETIME_DEFAULT: Duration = Duration::from_secs(300);
const LIFETIME_MAX: Duration = Duration::from_secs(86_400);
const TOKEN_ANSWER_MAX: u64 = 64 << 10;

impl Authenticator {
    pub(super) fn new() -> Self {
        Self { token: None }
    }

    /// Forgets a token that the source no longer takes. Says whether another one may help.
    pub(super) fn forget_used_token(&mut self) -> bool {
        self.token.take_if(|token| token.used).is_some()
    }

    pub(super) async fn apply(
        &mut self,
        auth: &Auth,
        egress: &Egress,
        url: &mut Url,
        headers: &mut HeaderMap,
    ) -> Result<(), ConnectorError> {
        let (name, value) = match auth {
            Auth::None {} => return Ok(()),
            Auth::Bearer { token } => (header::AUTHORIZATION, bearer(token.expose())),
            Auth::Basic { username, password } => (header::AUTHORIZATION, basic(username, password.expose())),
            Auth::ApiKey { header: Some(name), value, .. } => {
                let name = HeaderName::try_from(name.as_str())
                    .map_err(|_| invalid("auth.header must be the name of an HTTP header"))?;
                (name, Zeroizing::new(value.expose().to_owned()))
            }
            Auth::ApiKey { query: Some(name), value, .. } => {
                set_query(url, name, value.expose());
                return Ok(());
            }
            Auth::ApiKey { .. } => return Err(invalid("auth must name one of header and query")),
            Auth::Oauth2ClientCredentials { .. } => {
                let token = self.token(auth, egress).await?;
                (header::AUTHORIZATION, bearer(token.expose_secret()))
            }
        };
        headers.insert(name, sensitive(&value)?);
        Ok(())
    }

    async fn token(&mut self, auth: &Auth, egress: &Egress) -> Result<&SecretString, ConnectorError> {
        let good = self.token.take_if(|token| token.expires > Instant::now());
        let token = match good {
            Some(token) => Token { used: true, ..token },
            None => fetch_token(auth, egress).await?,
        };
        Ok(&self.token.insert(token).value)
    }
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: SecretString,
    #[serde(default)]
    expires_in: Option<f64>,
}

async fn fetch_token(auth: &Auth, egress: &Egress) -> Result<Token, ConnectorError> {
    let request = token_request(auth)?;
    let origin = request.url().origin().ascii_serialization();
    let response = egress.send(request).await?;
    check_status(response.status(), response.headers(), &format!("the token endpoint {origin}"))?;
    let body = fetch::read_body(response, TOKEN_ANSWER_MAX, &origin).await?;
    // The cause could repeat the token.
    let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| {
        ConnectorError::transient(
            "oauth_failed",
            format!("the token endpoint {origin} answered without an access_token"),
        )
    })?;
    let lifetime = answer.expires_in.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(LIFETIME_DEFAULT);
    let expires = Instant::now() + lifetime.min(LIFETIME_MAX).saturating_sub(MARGIN);
    Ok(Token { value: answer.access_token, expires, used: false })
}

fn token_request(auth: &Auth) -> Result<Request, ConnectorError> {
    let Auth::Oauth2ClientCredentials { token_url, client_id, client_secret, scope, client_auth } = auth else {
        return Err(invalid("auth is not oauth2_client_credentials"));
    };
    let url: Url = token_url.parse().map_err(|_| invalid("auth.token_url is not a URL"))?;
    let mut request = Request::new(Method::POST, url);
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if let Some(scope) = scope {
        form.append_pair("scope", scope);
    }
    match client_auth {
        ClientAuth::Body => {
            form.append_pair("client_id", client_id).append_pair("client_secret", client_secret.expose());
        }
        ClientAuth::Basic => {
            // The two are form-encoded before they are joined (RFC 6749, 2.3.1).
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let secret = Zeroizing::new(encode(client_secret.expose()));
            let value = sensitive(&basic(&encode(client_id), &secret))?;
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
    }
    let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form_type);
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(form.finish().into());
    Ok(request)
}

fn bearer(token: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("Bearer {token}"))
}

fn basic(username: &str, password: &str) -> Zeroizing<String> {
    let pair = Zeroizing::new(format!("{username}:{password}"));
    Zeroizing::new(format!("Basic {}", BASE64.encode(pair.as_bytes())))
}

fn sensitive(value: &str) -> Result<HeaderValue, ConnectorError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| invalid("the secret of auth holds characters that a header cannot carry, such as a line break"))?;
    value.set_sensitive(true);
    Ok(value)
}
