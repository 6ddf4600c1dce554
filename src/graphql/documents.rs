//! Documents that are known before anybody sends them, by the SHA-256 of their text.
//!
//! A client names one instead of sending it: `"documentId": "sha256:…"` over HTTP, or
//! `extensions.persistedQuery.sha256Hash`, which sockets carry too. Where only trusted documents run,
//! nothing else does, so that a stolen token can ask no more than the clients that were shipped.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_graphql::{Request, Value};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};

type Hash = [u8; 32];

pub(super) struct Documents {
    known: HashMap<Hash, Arc<str>>,
    only_known: bool,
}

impl Documents {
    /// From manifests: JSON objects of SHA-256 (in hexadecimal) and document.
    pub(super) fn read(file: Option<&Path>, shipped: Option<&[u8]>, only_known: bool) -> Result<Self, String> {
        let mut known = HashMap::new();
        if let Some(manifest) = shipped {
            add(&mut known, manifest).map_err(|e| format!("the documents of the console: {e}"))?;
        }
        if let Some(path) = file {
            let named = |e: String| format!("--graphql-trusted-documents {}: {e}", path.display());
            let manifest = std::fs::read(path).map_err(|e| named(e.to_string()))?;
            add(&mut known, &manifest).map_err(named)?;
        }
        Ok(Self { known, only_known })
    }

    /// Puts the text of a document that is only named into the request, and refuses one that is not to run.
    pub(super) fn resolve(&self, request: &mut Request) -> Result<()> {
        let named = named(request)?;
        let sent = !request.query.is_empty();
        if let (Some(hash), true) = (named, sent)
            && hash != hash_of(&request.query)
        {
            return Err(Error::invalid(
                "/extensions/persistedQuery/sha256Hash",
                "is not that of the document that was sent",
            ));
        }
        if !sent || self.only_known {
            let hash = match named {
                Some(hash) => hash,
                None if sent => hash_of(&request.query),
                None => return Err(Error::invalid("/query", "is missing; send a document, or name one by documentId")),
            };
            match self.known.get(&hash) {
                Some(text) => request.query = text.to_string(),
                None if sent => {
                    let message = "this server runs only documents that it knows (--graphql-trusted-documents)";
                    return Err(Error::new(ErrorCode::Forbidden, message));
                }
                None => return Err(Error::not_found("the document of this hash was")),
            }
        }
        Ok(())
    }
}

fn add(known: &mut HashMap<Hash, Arc<str>>, manifest: &[u8]) -> Result<(), String> {
    let documents: HashMap<String, String> =
        serde_json::from_slice(manifest).map_err(|e| format!("must be a JSON object of SHA-256 and document: {e}"))?;
    for (key, text) in documents {
        let hash = hash_of(&text);
        if parse(&key) != Some(hash) {
            return Err(format!("{key:?} is not the SHA-256 of its document, which is {}", hex::encode(hash)));
        }
        known.insert(hash, text.into());
    }
    Ok(())
}

fn hash_of(text: &str) -> Hash {
    Sha256::digest(text).into()
}

fn parse(text: &str) -> Option<Hash> {
    let mut hash = Hash::default();
    hex::decode_to_slice(text.strip_prefix("sha256:").unwrap_or(text), &mut hash).ok()?;
    Some(hash)
}

fn named(request: &Request) -> Result<Option<Hash>> {
    let Some(Value::Object(fields)) = request.extensions.get("persistedQuery") else { return Ok(None) };
    match fields.get("sha256Hash") {
        Some(Value::String(text)) => match parse(text) {
            Some(hash) => Ok(Some(hash)),
            None => Err(Error::invalid("/extensions/persistedQuery/sha256Hash", "must be 64 hexadecimal digits")),
        },
        _ => Err(Error::invalid("/extensions/persistedQuery/sha256Hash", "is missing")),
    }
}

/// What `documentId` says, as the extension has it.
pub(super) fn name(request: &mut Request, document_id: &str) {
    let hash = async_graphql::indexmap::IndexMap::from([(async_graphql::Name::new("sha256Hash"), document_id.into())]);
    request.extensions.insert("persistedQuery".to_owned(), Value::Object(hash));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "{ viewer { subject } }";

    fn documents(only_known: bool) -> Documents {
        let manifest = json!({ hex::encode(hash_of(TEXT)): TEXT }).to_string();
        Documents::read(None, Some(manifest.as_bytes()), only_known).expect("documents")
    }

    fn resolve(documents: &Documents, query: &str, id: Option<&str>) -> Result<String, ErrorCode> {
        let mut request = Request::new(query);
        if let Some(id) = id {
            name(&mut request, id);
        }
        documents.resolve(&mut request).map(|()| request.query).map_err(|e| e.code())
    }

    #[test]
    fn a_known_document_is_named_by_its_hash() {
        let id = format!("sha256:{}", hex::encode(hash_of(TEXT)));
        for only_known in [false, true] {
            let documents = documents(only_known);
            assert_eq!(resolve(&documents, "", Some(&id)), Ok(TEXT.to_owned()));
            assert_eq!(resolve(&documents, TEXT, Some(&id)), Ok(TEXT.to_owned()));
            assert_eq!(resolve(&documents, TEXT, None), Ok(TEXT.to_owned()));
            let unknown = hex::encode(hash_of("{ x }"));
            assert_eq!(resolve(&documents, "", Some(&unknown)), Err(ErrorCode::NotFound));
            for wrong in ["", "sha256:", "md5:00", &id[..id.len() - 1], &id.replace("sha256:", "SHA256:")] {
                assert_eq!(resolve(&documents, "", Some(wrong)), Err(ErrorCode::ValidationFailed), "{wrong}");
            }
            assert_eq!(resolve(&documents, "{ y }", Some(&id)), Err(ErrorCode::ValidationFailed));
            assert_eq!(resolve(&documents, "", None), Err(ErrorCode::ValidationFailed));
        }
    }

    #[test]
    fn where_only_trusted_documents_run_no_other_does() {
        assert_eq!(resolve(&documents(false), "{ other }", None), Ok("{ other }".to_owned()));
        assert_eq!(resolve(&documents(true), "{ other }", None), Err(ErrorCode::Forbidden));
        assert_eq!(resolve(&documents(true), &format!("{TEXT} "), None), Err(ErrorCode::Forbidden));
        let own = hex::encode(hash_of("{ other }"));
        assert_eq!(resolve(&documents(true), "{ other }", Some(&own)), Err(ErrorCode::Forbidden));
    }

    #[test]
    fn a_manifest_is_checked_when_it_is_read() {
        for (manifest, part) in
            [("[]", "must be a JSON object"), ("{\"00\": \"{ a }\"}", "is not the SHA-256 of its document")]
        {
            let error = Documents::read(None, Some(manifest.as_bytes()), true).err().expect("refused");
            assert!(error.contains(part), "{error}");
        }
        let error = Documents::read(Some(Path::new("/no/such/file")), None, true).err().expect("refused");
        assert!(error.contains("--graphql-trusted-documents /no/such/file"), "{error}");
    }
}
