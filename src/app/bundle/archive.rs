//! Files as one tar archive, compressed with gzip.

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::domain::Timestamp;

/// The same files at the same time make the same bytes.
pub(super) fn pack(files: &BTreeMap<String, String>, at: Timestamp) -> io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(u64::try_from(at.timestamp()).unwrap_or(0));
        archive.append_data(&mut header, path, text.as_bytes())?;
    }
    let mut zip = archive.into_inner()?;
    zip.flush()?;
    zip.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::domain::now;

    #[test]
    fn what_is_packed_unpacks() {
        let long = format!("{}/{}.yaml", "p".repeat(100), "n".repeat(110));
        let files = BTreeMap::from([("a/b.yaml".to_owned(), "one: 1\n".to_owned()), (long, String::new())]);
        let at = now();
        let bytes = pack(&files, at).expect("packed");
        assert_eq!(bytes, pack(&files, at).expect("packed"), "the same files make the same bytes");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let unpacked = archive.entries().expect("entries").map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            (entry.path().expect("a path").display().to_string(), text)
        });
        assert_eq!(unpacked.collect::<BTreeMap<_, _>>(), files);
    }
}
