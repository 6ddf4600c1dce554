//! AWS KMS by its HTTP contract: JSON 1.1 and Signature Version 4.
//!
//! Signing and the chain of credentials (environment, web identity, container, instance) are object_store's.

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::aws::{AmazonS3Builder, AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::{Client, Request};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::SecretError;
use super::http;
use super::provider::{KeyBytes, KeyPlace, KeyProvider, Wrapping, key_bytes};
use crate::config::KeySettings;
use crate::domain::WrappedDataKey;

const SERVICE: &str = "aws-kms";

/// Data keys wrapped by a key of AWS KMS. The encryption context names the organisation and the data key.
pub struct AwsKms {
    client: Client,
    endpoint: Url,
    region: String,
    key: String,
    credentials: AwsCredentialProvider,
}

impl AwsKms {
    /// With the credentials that AWS's own places have.
    pub fn from_settings(settings: &KeySettings) -> Result<Self, String> {
        let chain = AmazonS3Builder::from_env()
            .with_bucket_name("none")
            .with_allow_http(true)
            .with_http_connector(Connector(http::client(None)?))
            .build()
            .map_err(|e| format!("the AWS credentials of the environment cannot be used: {e}"))?;
        Self::new(settings, Arc::clone(chain.credentials()))
    }

    pub fn new(settings: &KeySettings, credentials: AwsCredentialProvider) -> Result<Self, String> {
        let key = settings.aws_kms_key.clone().ok_or("STUDIO_AWS_KMS_KEY is not set: name the key")?;
        // arn:aws:kms:eu-central-1:123456789012:key/…
        let of_arn = || key.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).map(str::to_owned);
        let region = settings.aws_kms_region.clone().or_else(of_arn);
        let region =
            region.ok_or("STUDIO_AWS_KMS_REGION is not set, and STUDIO_AWS_KMS_KEY is no ARN that names a region")?;
        let endpoint = match &settings.aws_kms_endpoint {
            Some(url) => url.clone(),
            None => Url::parse(&format!("https://kms.{region}.amazonaws.com/"))
                .map_err(|e| format!("STUDIO_AWS_KMS_REGION is no region: {e}"))?,
        };
        Ok(Self { client: http::client(None)?, endpoint, region, key, credentials })
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, operation: &str, body: &Value) -> Result<T, SecretError> {
        let credential = self.credentials.get_credential().await.map_err(|error| {
            tracing::warn!(%error, "there are no AWS credentials");
            outage("cannot be asked without AWS credentials, which are not to be had right now")
        })?;
        let payload = Zeroizing::new(serde_json::to_vec(body).unwrap_or_default());
        let request = ::http::Request::post(self.endpoint.as_str())
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", format!("TrentService.{operation}"))
            .body(HttpRequestBody::from(payload.to_vec()));
        let mut request: HttpRequest = request.map_err(|_| refused("has an endpoint that is no URL".to_owned()))?;
        AwsAuthorizer::new(&credential, "kms", &self.region)
            .try_authorize(&mut request, None)
            .map_err(|_| refused("cannot be asked: the request cannot be signed".to_owned()))?;
        let request = plain(request).map_err(|_| refused("has an endpoint that is no URL".to_owned()))?;
        let reply = http::send(SERVICE, &self.client, request).await?;
        let status = reply.status.as_u16();
        if reply.status.is_success() {
            let parsed = serde_json::from_slice(&reply.body);
            return parsed.map_err(|_| outage("gave an answer that is not what its API says"));
        }
        let named = serde_json::from_slice::<Refusal>(&reply.body).map(|r| r.kind).unwrap_or_default();
        let name: String =
            named.rsplit('#').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric).take(60).collect();
        tracing::warn!(status, error = name, operation, "KMS does not do what it is asked");
        Err(match name.as_str() {
            "ThrottlingException" | "LimitExceededException" => outage("is asked too often"),
            "KMSInternalException" | "DependencyTimeoutException" | "KeyUnavailableException" => {
                outage(&format!("fails ({name})"))
            }
            "ExpiredTokenException" => outage("takes these credentials no longer (ExpiredTokenException)"),
            "InvalidCiphertextException" => SecretError::Tampered("data key"),
            "" if status >= 500 => outage(&format!("fails ({status})")),
            _ => {
                refused(format!("refuses {operation} ({status} {name}); check the key, its policy and the credentials"))
            }
        })
    }
}

#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

#[derive(Deserialize)]
struct Encrypted {
    #[serde(rename = "CiphertextBlob")]
    blob: String,
}

#[derive(Deserialize)]
struct Decrypted {
    #[serde(rename = "Plaintext")]
    plaintext: SecretString,
}

fn context(place: &KeyPlace<'_>) -> Value {
    // The name of no organisation begins so, and KMS takes what can be printed.
    let org = place.org.trim_start_matches(char::is_control);
    json!({ "studio:org": org, "studio:data_key": place.data_key })
}

fn outage(what: &str) -> SecretError {
    SecretError::Outage { service: SERVICE, what: what.to_owned() }
}

fn refused(what: String) -> SecretError {
    SecretError::Refused { service: SERVICE, what }
}

fn plain(request: HttpRequest) -> Result<Request, reqwest::Error> {
    let (parts, body) = request.into_parts();
    let body = body.as_bytes().cloned().unwrap_or_default();
    Request::try_from(::http::Request::from_parts(parts, body))
}

#[async_trait]
impl KeyProvider for AwsKms {
    fn name(&self) -> &'static str {
        "aws-kms"
    }

    fn key_id(&self) -> &str {
        &self.key
    }

    async fn wrap(&self, place: &KeyPlace<'_>, key: &KeyBytes) -> Result<Wrapping, SecretError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key.as_slice()));
        let body = json!({ "KeyId": self.key, "Plaintext": *plaintext, "EncryptionContext": context(place) });
        let answer: Encrypted = self.ask("Encrypt", &body).await?;
        let wrapped =
            STANDARD.decode(answer.blob).map_err(|_| outage("gave an answer that is not what its API says"))?;
        // KMS does not tell which of its backing keys it took, and takes the right one by itself.
        Ok(Wrapping { wrapped, version: None })
    }

    async fn unwrap(&self, place: &KeyPlace<'_>, stored: &WrappedDataKey) -> Result<KeyBytes, SecretError> {
        let blob = STANDARD.encode(&stored.wrapped);
        let body = json!({ "KeyId": self.key, "CiphertextBlob": blob, "EncryptionContext": context(place) });
        let answer: Decrypted = self.ask("Decrypt", &body).await?;
        let bytes = STANDARD.decode(answer.plaintext.expose_secret().as_bytes()).map(Zeroizing::new);
        key_bytes(&bytes.map_err(|_| SecretError::Format("data key"))?)
    }
}

/// The client by which credentials are fetched.
#[derive(Debug)]
struct Connector(Client);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[derive(Debug)]
struct Service(Client);

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let request = plain(request).map_err(|e| HttpError::new(HttpErrorKind::Request, e))?;
        let answer = self.0.execute(request).await.map_err(|e| HttpError::new(HttpErrorKind::Unknown, e))?;
        let answer: ::http::Response<reqwest::Body> = answer.into();
        let body = |body: reqwest::Body| {
            HttpResponseBody::new(body.map_err(|e| HttpError::new(HttpErrorKind::Interrupted, e)))
        };
        Ok(answer.map(body))
    }
}
