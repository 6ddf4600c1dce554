//! A release binary holds the console as it was built last; a debug binary reads it from the checkout.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("PROFILE").is_ok_and(|profile| profile == "release") {
        println!("cargo::rerun-if-changed=studio/dist");
    }
}
