//! HTTP load by wrk, which takes less of the machine than a client of our own would.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub requests_per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

/// Sends `body` by POST over `connections` at once for `seconds`, as fast as answers come.
/// An answer that is no success fails the benchmark.
pub async fn post(url: &str, body: &str, connections: u32, seconds: u32) -> Load {
    let mut script = tempfile::NamedTempFile::with_suffix(".lua").expect("a file");
    let payload = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(payload.path(), body).expect("a file");
    write!(
        script,
        r#"
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local file = io.open({:?}, "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency)
    local e = summary.errors
    io.write(string.format("RESULT %f %f %f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.timeout + e.status))
end
"#,
        payload.path()
    )
    .expect("a script");
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", "--timeout", "30s", &format!("-c{connections}"), &format!("-d{seconds}s"), "-s"]);
    wrk.arg(script.path()).arg(url).stdin(Stdio::null());
    let wrk = tokio::task::spawn_blocking(move || wrk.output()).await.expect("no panic").expect("wrk runs");
    let text = String::from_utf8_lossy(&wrk.stdout);
    let result = text.lines().find_map(|l| l.strip_prefix("RESULT ")).unwrap_or_else(|| panic!("wrk said: {text}"));
    let numbers: Vec<f64> = result.split(' ').map(|n| n.parse().expect("a number")).collect();
    assert!(numbers[3] == 0.0, "{} requests failed: {text}", numbers[3]);
    let micros = |value: f64| Duration::from_micros(value as u64);
    Load { requests_per_second: numbers[0], p50: micros(numbers[1]), p99: micros(numbers[2]) }
}
