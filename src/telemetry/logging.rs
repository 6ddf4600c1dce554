//! Logs, on standard error: standard output belongs to the answers of commands.
//! Request ids come from the span of the request.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// Starts logging for the process; to be called once, before anything logs.
pub fn init(format: LogFormat, filter: &str) -> Result<(), String> {
    subscriber(format, filter, std::io::stderr, std::io::stderr().is_terminal())?
        .try_init()
        .map_err(|e| format!("logging cannot start: {e}"))
}

/// Whole frames and handshakes of WebSockets, with the tokens and secrets in them: no filter asks for those.
fn tells_secrets(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("tungstenite") && *metadata.level() > Level::INFO
}

type Boxed = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(format: LogFormat, filter: &str, writer: W, colours: bool) -> Result<Boxed, String>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(filter).map_err(|e| {
        format!("STUDIO_LOG {filter:?} is not a log filter: {e}; write a level, or targets with levels: info,sqlx=warn")
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(match format {
        LogFormat::Pretty => Box::new(builder.with_ansi(colours).finish().with(filter_fn(|m| !tells_secrets(m)))),
        LogFormat::Json => {
            let json = builder.json().flatten_event(true).with_current_span(true).with_span_list(false);
            Box::new(json.finish().with(filter_fn(|m| !tells_secrets(m))))
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, filter: &str) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = subscriber(format, filter, move || writer.clone(), false).expect("a valid filter");
        tracing::subscriber::with_default(subscriber, || {
            let _span = tracing::info_span!("request", request_id = "r-1").entered();
            tracing::info!(status = 200, "answered\nwith a forged line");
            tracing::debug!("not asked for");
        });
        let bytes = buffer.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn json_is_one_object_a_line_with_time_and_request() {
        let text = logged(LogFormat::Json, "info");
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(line["message"], "answered\nwith a forged line");
        assert_eq!((&line["level"], &line["status"]), (&"INFO".into(), &200.into()));
        assert_eq!(line["span"]["request_id"], "r-1");
        let time = line["timestamp"].as_str().expect("text");
        assert!(chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
    }

    #[test]
    fn pretty_is_for_people() {
        let text = logged(LogFormat::Pretty, "info");
        assert!(text.contains("INFO") && text.contains("request_id=\"r-1\"") && text.contains("status=200"), "{text}");
        assert!(!text.contains("not asked for"), "{text}");
        assert_eq!(logged(LogFormat::Pretty, "warn"), "");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_named() {
        for filter in ["info,sqlx=loud", "=", "a[b=info"] {
            let error = subscriber(LogFormat::Json, filter, std::io::sink, false).err().unwrap_or_default();
            assert!(error.starts_with("STUDIO_LOG") && error.contains(filter), "{filter}: {error:?}");
        }
    }

    #[test]
    fn frames_of_sockets_are_never_logged() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber =
            subscriber(LogFormat::Json, "trace,tungstenite::protocol=trace", move || writer.clone(), false);
        tracing::subscriber::with_default(subscriber.expect("a valid filter"), || {
            tracing::trace!(target: "tungstenite::protocol", "a frame with a token");
            tracing::warn!(target: "tungstenite::protocol", "a warning");
        });
        let text = String::from_utf8(buffer.0.lock().expect("not poisoned").clone()).expect("UTF-8");
        assert!(!text.contains("a token") && text.contains("a warning"), "{text}");
    }
}
