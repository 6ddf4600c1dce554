//! Hostile bytes for everything that parses: no panic, no hang, no memory without a bound.
//!
//! Every target runs in a process of its own under a limit of address space, so that an abort or a
//! stack that overflows is a failure of the test and not its end; the input that did it is kept.
//! Runs are the same each time. For longer ones, with other inputs:
//! `FUZZ_RUNS=1000000 FUZZ_SEED=$RANDOM cargo nextest run fuzz`.

mod mutate;
mod targets;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// What a target of these may have, in KiB: a parser that doubles passes it at once.
const MEMORY: &str = "6291456";
/// An input that takes so long has no bound.
const PATIENCE: Duration = Duration::from_secs(20);

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().expect("a number"))
}

/// In the parent, runs itself again in a child; in the child, does the work.
fn fuzz(name: &str) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("a target");
    if let Some(file) = std::env::var_os("FUZZ_INPUT") {
        return work(target, Path::new(&file));
    }
    let directory = tempfile::tempdir().expect("a directory");
    let input = directory.path().join("input");
    let script = format!("ulimit -c 0; ulimit -v {MEMORY}; exec \"$0\" --exact fuzz::{name} --nocapture");
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new("bash");
    let output = command.args(["-c", &script]).arg(program).env("FUZZ_INPUT", &input).output().expect("bash runs");
    let last = std::fs::read(&input).unwrap_or_default();
    assert!(
        output.status.success(),
        "{name}: {} on\n{}\nin base64 {}\n{}",
        output.status,
        String::from_utf8_lossy(&last),
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &last),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{name}: the child ran nothing");
}

fn work(target: &Target, file: &Path) {
    let mut mutator = Mutator::new(number("FUZZ_SEED", 1), target.seeds, target.words);
    let mut run = (target.prepare)();
    for _ in 0..number("FUZZ_RUNS", target.runs) {
        let input = mutator.next();
        std::fs::write(file, &input).expect("written");
        let began = Instant::now();
        run(&input);
        assert!(began.elapsed() < PATIENCE, "this took {:?}", began.elapsed());
    }
}

macro_rules! targets {
    ($($name:ident)+) => { $(#[test] fn $name() { fuzz(stringify!($name)); })+ };
}

targets! {
    configurations
    files_of_datasources
    mappings
    payloads_of_webhooks
    signatures
    graphql_documents
    graphql_variables
    cursors
    tokens
}
