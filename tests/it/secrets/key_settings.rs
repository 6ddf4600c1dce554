//! Settings of keys that do not fit stop the start, and are named.

use std::process::Command;

use crate::harness::server::{JWT_SECRET, MASTER_KEY};

#[test]
fn what_does_not_fit_is_named_and_no_key_is_shown() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys");
    std::fs::write(&file, "not a key\n").expect("writes");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, mode).expect("sets");
    let file = file.to_str().expect("UTF-8");
    let cases: [(&[&str], &str); 9] = [
        (&["--key-provider", "vault"], "STUDIO_VAULT_ADDR"),
        (&["--key-provider", "vault", "--vault-addr", "http://127.0.0.1:1"], "STUDIO_VAULT_TOKEN"),
        (&["--key-provider", "vault", "--vault-addr", "ftp://vault"], "STUDIO_VAULT_ADDR"),
        (
            &["--key-provider", "vault", "--vault-addr", "http://127.0.0.1:1", "--vault-auth", "approle"],
            "STUDIO_VAULT_SECRET_ID",
        ),
        (
            &["--key-provider", "vault", "--vault-addr", "http://127.0.0.1:1", "--vault-ca-file", "/nonexistent"],
            "STUDIO_VAULT_CA_FILE",
        ),
        (&["--key-provider", "aws-kms"], "STUDIO_AWS_KMS_KEY"),
        (&["--key-provider", "aws-kms", "--aws-kms-key", "alias/studio"], "STUDIO_AWS_KMS_REGION"),
        (&["--master-keys-old", MASTER_KEY], "given twice"),
        (&["--master-key-file", file], "base64 of 32 bytes"),
    ];
    for (flags, says) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_datasource-studio"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .args(["--jwt-secret", JWT_SECRET, "--master-key", MASTER_KEY])
            .args(flags)
            .env_remove("DATABASE_URL")
            .output()
            .expect("the program runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(says), "{flags:?}: {message}");
        assert!(!message.contains(MASTER_KEY) && !message.contains("not a key"), "{message}");
    }
}
