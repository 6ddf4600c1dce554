use std::time::Duration;

use clap::Parser;

use super::*;

#[derive(Parser)]
struct Parsed {
    #[command(flatten)]
    blobs: BlobSettings,
}

fn settings(flags: &[&str]) -> BlobSettings {
    Parsed::parse_from(["test"].iter().chain(flags)).blobs
}

fn local() -> (tempfile::TempDir, Blobs) {
    let directory = tempfile::tempdir().expect("a directory");
    let blobs = Blobs::from_settings(&settings(&[]), directory.path()).expect("a store");
    (directory, blobs)
}

async fn put(blobs: &Blobs, text: &'static str) -> Blob {
    blobs
        .put("here", &"acme".into(), BlobKind::Export, "ada", Bytes::from_static(text.as_bytes()))
        .await
        .expect("stored")
}

#[tokio::test]
async fn what_was_put_is_what_is_got() {
    let (directory, blobs) = local();
    let blob = put(&blobs, "hello").await;
    assert_eq!((blob.size, blob.location.as_str()), (5, format!("here/acme/export/{}", blob.id).as_str()));
    assert_eq!(blobs.get(&blob).await.expect("got"), "hello");
    assert!(directory.path().join("blobs").join(&blob.location).is_file());
    blobs.delete(&blob.location).await.expect("deleted");
    blobs.delete(&blob.location).await.expect("deleted twice is deleted");
    assert!(blobs.get(&blob).await.expect_err("gone").message().contains("is gone"));
}

#[tokio::test]
async fn what_was_changed_is_not_given_out() {
    let (directory, blobs) = local();
    let blob = put(&blobs, "hello").await;
    let path = directory.path().join("blobs").join(&blob.location);
    for (spoiled, why) in [("hullo", "SHA-256"), ("hello!", "bytes long")] {
        std::fs::write(&path, spoiled).expect("written");
        let error = blobs.get(&blob).await.expect_err("refused");
        assert!(error.message().contains(why), "{}", error.message());
        assert!(!error.message().contains("acme/"), "places stay inside");
    }
}

#[tokio::test]
async fn a_location_does_not_lead_out() {
    let (_directory, blobs) = local();
    let blob = put(&blobs, "hello").await;
    for location in ["../../etc/passwd", "acme/../../x", "/etc//passwd"] {
        assert!(blobs.get(&Blob { location: location.to_owned(), ..blob.clone() }).await.is_err(), "{location}");
    }
}

#[tokio::test]
async fn only_old_blobs_are_found() {
    let (directory, blobs) = local();
    let blob = put(&blobs, "hello").await;
    let root = directory.path().join("blobs");
    for other in [
        "readme.txt",
        "there/acme/export/0198c5a4-0000-7000-8000-000000000000",
        "here/acme/readme.txt",
        "here/acme/other/0198c5a4-0000-7000-8000-000000000000",
    ] {
        let path = root.join(other);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, "not ours").expect("written");
    }
    let found = blobs.older_than("here", now() + Duration::from_secs(60)).await.expect("listed");
    assert_eq!(found, [Found { id: blob.id, location: blob.location.clone() }]);
    assert!(blobs.older_than("here", now() - Duration::from_secs(60)).await.expect("listed").is_empty());
}

#[test]
fn settings_that_do_not_fit_are_refused_by_name() {
    let at = Path::new("/nowhere");
    for (flags, name) in [
        (["--blobs", "ftp://x/y"].as_slice(), "STUDIO_BLOBS"),
        (["--blobs", ""].as_slice(), "STUDIO_BLOBS"),
        (["--blobs", "s3://bucket/a//b"].as_slice(), "STUDIO_BLOBS"),
        (["--blobs", "s3://bucket", "--blobs-s3-access-key-id", "A"].as_slice(), "STUDIO_BLOBS_S3_SECRET_ACCESS_KEY"),
    ] {
        let error = Blobs::from_settings(&settings(flags), at).err().expect("refused");
        assert!(error.contains(name), "{flags:?}: {error}");
    }
}
