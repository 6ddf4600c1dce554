//! Timing, tables, and the servers that are measured.

use std::time::{Duration, Instant};

pub mod load;
pub mod peer;
pub mod server;

/// The machine in a line, for the head of a table.
pub fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} cores, {}", model.map_or("unknown processor", |(_, name)| name))
}

/// Nanoseconds that one call of each takes. They are timed in turns, so that what disturbs
/// the machine disturbs both alike; the median of the turns counts.
pub fn pair(mut first: impl FnMut(), mut second: impl FnMut()) -> (f64, f64) {
    const TURNS: usize = 15;
    let (calls_first, calls_second) = (calls_in_a_turn(&mut first), calls_in_a_turn(&mut second));
    let (mut a, mut b) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        a.push(time(calls_first, &mut first));
        b.push(time(calls_second, &mut second));
    }
    (percentile(&mut a, 50.0), percentile(&mut b, 50.0))
}

fn calls_in_a_turn(work: &mut impl FnMut()) -> u32 {
    let (began, mut calls) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_millis(100) {
        work();
        calls += 1;
    }
    calls
}

fn time(calls: u32, work: &mut impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..calls).for_each(|_| work());
    began.elapsed().as_nanos() as f64 / f64::from(calls)
}

/// The value below which `percent` of `values` lie. Panics without values.
pub fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * values.len() as f64).ceil() as usize;
    values[rank.clamp(1, values.len()) - 1]
}

/// A table as Markdown, so that it can be shown where documents are.
pub fn table(head: &[&str], rows: &[Vec<String>]) {
    let line = |cells: &[String]| println!("| {} |", cells.join(" | "));
    line(&head.iter().map(|h| (*h).to_owned()).collect::<Vec<_>>());
    line(&head.iter().map(|_| "---".to_owned()).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
}

/// A count with separators of thousands.
pub fn count(value: f64) -> String {
    let digits = format!("{value:.0}");
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

pub fn percent(part: f64, whole: f64) -> String {
    format!("{:.0} %", part / whole * 100.0)
}
