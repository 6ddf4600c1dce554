//! What the product exists for, measured: `make bench`, or `make bench ARGS=mapping` for one part.
//!
//! Every figure that is meant for comparison stands beside its floor, taken in the
//! same run: machines differ and are noisy, ratios stay. The servers that are
//! measured are the program itself, in processes of their own.

#![allow(clippy::print_stdout)]

use std::future::Future;
use std::pin::Pin;

mod abuse;
mod fleet;
mod ingest;
mod mapping;
mod migrate;
mod reload;
mod support;

/// As the server has it: a floor with a slower one would flatter.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Bench = fn() -> Pin<Box<dyn Future<Output = ()>>>;

const BENCHES: [(&str, Bench); 6] = [
    ("mapping", || Box::pin(mapping::run())),
    ("ingest", || Box::pin(ingest::run())),
    ("reload", || Box::pin(reload::run())),
    ("fleet", || Box::pin(fleet::run())),
    ("abuse", || Box::pin(abuse::run())),
    ("migrate", || Box::pin(migrate::run())),
];

#[tokio::main]
async fn main() {
    // Cargo passes --bench; what is left names the parts to run.
    let wanted: Vec<_> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let known = |name: &str| BENCHES.iter().any(|(bench, _)| *bench == name);
    if let Some(unknown) = wanted.iter().find(|name| !known(name)) {
        let names: Vec<_> = BENCHES.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no benchmark {unknown:?}; there are: {}", names.join(", "));
        std::process::exit(2);
    }
    println!("{}", support::machine());
    for (name, bench) in BENCHES {
        if wanted.is_empty() || wanted.iter().any(|w| w == name) {
            println!("\n## {name}\n");
            bench().await;
        }
    }
}
