//! Signing, verifying and exporting the chain of the audit log.

use std::io::{BufRead, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{App, OpContext};
use crate::auth::policy::grant::ReadAudit;
use crate::domain::{Break, BreakKind, ChainEntry, Checkpoint, GENESIS, Timestamp, Walk, now};
use crate::error::{Error, Result};
use crate::secrets::PublicKey;
use crate::store::chain::ChainHead;

/// Entries that are read at once.
const STEP: u64 = 1_000;
/// What an export begins with, so that a reader knows how to read on.
const FORMAT: &str = "datasource-studio/audit/1";
/// The longest line of an export; a value in the audit log is much shorter.
const LINE_MAX: u64 = 16 * 1024 * 1024;

/// How a chain, or a part of one, held.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    pub ok: bool,
    pub org: String,
    /// The first entry that was looked at.
    pub from: i64,
    /// The last entry that holds.
    pub to: i64,
    pub entries: u64,
    pub checkpoints: u64,
    /// The last entry under a signature: what comes after it holds together, but nobody signed it yet.
    pub signed_to: Option<i64>,
    #[serde(rename = "break", skip_serializing_if = "Option::is_none")]
    pub broken: Option<Break>,
}

/// What was written.
#[derive(Clone, Debug, Serialize)]
pub struct ExportedAudit {
    pub org: String,
    pub from: i64,
    /// The last entry; the next export goes on with the one after it.
    pub to: i64,
    pub entries: u64,
    pub checkpoints: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Header(Header),
    Entry(ChainEntry),
    Checkpoint(Checkpoint),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Header {
    format: String,
    org: String,
    from: i64,
    to: i64,
    /// The hash of the entry before the first.
    follows: String,
    exported_at: Timestamp,
}

/// A walk with the signatures.
struct Verifier<'a> {
    walk: Walk,
    org: String,
    known: &'a [PublicKey],
    signed_to: Option<i64>,
}

impl<'a> Verifier<'a> {
    fn begin(org: &str, first: i64, follows: &str, known: &'a [PublicKey]) -> Self {
        Self { walk: Walk::begin(org, first, follows), org: org.to_owned(), known, signed_to: None }
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), Break> {
        PublicKey::verify(self.known, checkpoint)?;
        self.walk.checkpoint(checkpoint)?;
        self.signed_to = Some(checkpoint.seq);
        Ok(())
    }

    fn end(self, broken: Option<Break>) -> Verified {
        Verified {
            ok: broken.is_none(),
            org: self.org,
            from: self.walk.first(),
            to: self.walk.last(),
            entries: self.walk.entries(),
            checkpoints: self.walk.checkpoints(),
            signed_to: self.signed_to,
            broken,
        }
    }
}

impl App {
    /// Runs until it is dropped; where nothing can sign, or shall not, it only waits.
    pub async fn sign_audit(&self, interval: Duration) {
        if self.signer.is_none() || interval.is_zero() {
            return std::future::pending().await;
        }
        loop {
            // A little less than the interval: clocks of nodes differ, and each would leave it to the other.
            self.add_checkpoints(interval * 9 / 10).await;
            tokio::time::sleep(interval).await;
        }
    }

    /// Signs every chain that grew, except where that was done within `pause`, by this node or another.
    pub async fn add_checkpoints(&self, pause: Duration) {
        let Some(signer) = &self.signer else { return };
        let signed: Result<()> = async {
            for org in self.store.orgs_with_unsigned_entries().await? {
                let sign = |head: &ChainHead, previous, at| signer.sign(&org, head.seq, &head.hash, previous, at);
                self.store.add_checkpoint(&org, pause, sign).await?;
            }
            Ok(())
        }
        .await;
        if let Err(error) = signed {
            tracing::warn!(%error, detail = error.detail(), "could not sign the audit log; trying again later");
        }
    }

    /// Walks the chain of the organisation from end to end. One that left no trace at all is not found: an empty chain
    /// would hold for every name that is misspelt.
    pub async fn verify_audit(&self, ctx: &OpContext, known: &[PublicKey]) -> Result<Verified> {
        let proof = ctx.authorize::<ReadAudit>()?;
        let tx = self.store.read(proof.scope()).await?;
        let mut verifier = Verifier::begin(proof.scope().org_id(), 1, GENESIS, known);
        // Read first: one that is made meanwhile is of an entry that may not have been read.
        let checkpoints = tx.checkpoints(&proof, 0).await?;
        let unsigned = checkpoints.is_empty();
        let mut checkpoints = checkpoints.iter().peekable();
        let mut at_end = false;
        loop {
            let entries = tx.chain_entries(&proof, verifier.walk.last(), None, STEP).await?;
            for entry in &entries {
                let held = verifier.walk.entry(entry).and_then(|()| {
                    while let Some(next) = checkpoints.next_if(|c| c.seq <= verifier.walk.last()) {
                        verifier.checkpoint(next)?;
                    }
                    Ok(())
                });
                if let Err(broken) = held {
                    return Ok(verifier.end(Some(broken)));
                }
            }
            if !entries.is_empty() {
                at_end = false;
                continue;
            }
            let head = tx.chain_head(&proof).await?;
            if head.is_none() && unsigned && verifier.walk.entries() == 0 {
                return Err(Error::not_found(&format!("organisation {:?}", verifier.org)));
            }
            let head = head.unwrap_or(ChainHead { seq: 0, hash: GENESIS.to_owned() });
            // Somebody may have added entries between the two questions; then they are there at the next look.
            if head.seq > verifier.walk.last() && !at_end {
                at_end = true;
                continue;
            }
            let signed = checkpoints.next().map_or(0, |c| c.seq);
            let held = verifier.walk.ends_at(head.seq.max(signed)).and_then(|()| verifier.walk.ends_with(&head.hash));
            return Ok(verifier.end(held.err()));
        }
    }

    /// Writes entries and checkpoints as JSON Lines, after a line that says what they are.
    pub async fn export_audit(
        &self,
        ctx: &OpContext,
        from: i64,
        to: Option<i64>,
        out: &mut (dyn Write + Send),
    ) -> Result<ExportedAudit> {
        let proof = ctx.authorize::<ReadAudit>()?;
        let tx = self.store.read(proof.scope()).await?;
        let org = proof.scope().org_id().to_string();
        let head = tx.chain_head(&proof).await?.map_or(0, |head| head.seq);
        if from < 1 || from > head + 1 {
            return Err(Error::invalid("/from", format!("must be from 1 to {}: the log has {head} entries", head + 1)));
        }
        let to = to.unwrap_or(head).min(head);
        let follows = match from {
            1 => GENESIS.to_owned(),
            _ => {
                let before = tx.chain_entries(&proof, from - 2, Some(from - 1), 1).await?;
                let gone = || Error::conflict(format!("entry {} is missing; verify the log", from - 1));
                before.into_iter().next().ok_or_else(gone)?.hash
            }
        };
        let mut write = |line: &Line| {
            let text = serde_json::to_string(line).map_err(Error::internal)?;
            let written = writeln!(out, "{text}");
            written.map_err(|e| Error::unavailable("the export could not be written", e))
        };
        let header = Header { format: FORMAT.to_owned(), org: org.clone(), from, to, follows, exported_at: now() };
        write(&Line::Header(header))?;
        let mut done = ExportedAudit { org, from, to: from - 1, entries: 0, checkpoints: 0 };
        let mut checkpoints = tx.checkpoints(&proof, from - 1).await?.into_iter().peekable();
        while done.to < to {
            let entries = tx.chain_entries(&proof, done.to, Some(to), STEP).await?;
            if entries.is_empty() {
                return Err(Error::conflict(format!("entries {} to {to} are missing; verify the log", done.to + 1)));
            }
            for entry in entries {
                done.to = entry.seq;
                done.entries += 1;
                write(&Line::Entry(entry))?;
                while let Some(checkpoint) = checkpoints.next_if(|c| c.seq <= done.to) {
                    done.checkpoints += 1;
                    write(&Line::Checkpoint(checkpoint))?;
                }
            }
        }
        out.flush().map_err(|e| Error::unavailable("the export could not be written", e))?;
        Ok(done)
    }
}

/// Walks an export, with nothing but the keys that may have signed it.
pub fn verify_export(mut file: impl BufRead, known: &[PublicKey]) -> Result<Verified, String> {
    let mut number = 0_u64;
    let mut next = || -> Result<Option<Line>, String> {
        let mut text = String::new();
        number += 1;
        let read = std::io::Read::take(&mut file, LINE_MAX).read_line(&mut text);
        match read.map_err(|e| format!("line {number} cannot be read: {e}"))? {
            0 => Ok(None),
            _ => {
                serde_json::from_str(&text).map(Some).map_err(|e| format!("line {number} is no line of an export: {e}"))
            }
        }
    };
    let header = match next()? {
        Some(Line::Header(header)) if header.format == FORMAT => header,
        _ => return Err(format!("the file is no export: its first line is no header of {FORMAT}")),
    };
    if header.from < 1 || header.from == 1 && header.follows != GENESIS {
        return Err("the header is not valid: an export from entry 1 follows nothing".to_owned());
    }
    let mut verifier = Verifier::begin(&header.org, header.from, &header.follows, known);
    loop {
        let held = match next()? {
            Some(Line::Entry(entry)) => verifier.walk.entry(&entry),
            Some(Line::Checkpoint(checkpoint)) => verifier.checkpoint(&checkpoint),
            Some(Line::Header(_)) => {
                let seq = verifier.walk.last() + 1;
                Err(Break::new(BreakKind::Foreign, seq, "another export begins within the file; verify each by itself"))
            }
            None => {
                let held = verifier.walk.ends_at(header.to);
                return Ok(verifier.end(held.err()));
            }
        };
        if let Err(broken) = held {
            return Ok(verifier.end(Some(broken)));
        }
    }
}
