//! The event stream format of the HTML standard, in bounded memory.

use std::time::Duration;

/// One event: its data, and what was said of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: String,
    pub(super) data: String,
    /// The id to come again with, which holds for later events too until another is given.
    pub(super) last_id: String,
}

#[derive(Debug)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_return: bool,
    begun: bool,
    next: Event,
    has_data: bool,
    limit: usize,
    /// How long to wait before coming again, if the source said so.
    pub(super) retry: Option<Duration>,
}

impl Parser {
    pub(super) fn new(limit: usize, last_id: String) -> Self {
        Self {
            line: Vec::new(),
            after_return: false,
            begun: false,
            next: Event { last_id, ..Event::default() },
            has_data: false,
            limit,
            retry: None,
        }
    }

    /// Takes some bytes; the events that they complete go to `out`. Fails on an event beyond the limit.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), String> {
        for byte in bytes {
            match byte {
                b'\n' if std::mem::take(&mut self.after_return) => {}
                b'\n' | b'\r' => {
                    self.after_return = *byte == b'\r';
                    let line = std::mem::take(&mut self.line);
                    self.line_ends(&line, out);
                }
                _ => {
                    self.after_return = false;
                    if self.line.len() + self.next.data.len() >= self.limit {
                        return Err(format!("an event is longer than the {} bytes of max_event", self.limit));
                    }
                    self.line.push(*byte);
                }
            }
        }
        Ok(())
    }

    fn line_ends(&mut self, line: &[u8], out: &mut Vec<Event>) {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            let kind = std::mem::take(&mut self.next.kind);
            let data = std::mem::take(&mut self.next.data);
            if std::mem::take(&mut self.has_data) {
                let kind = if kind.is_empty() { "message".to_owned() } else { kind };
                out.push(Event { kind, data, last_id: self.next.last_id.clone() });
            }
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.next.data.push('\n');
                }
                self.next.data.push_str(value);
            }
            "event" => self.next.kind = value.to_owned(),
            "id" if !value.contains('\0') => self.next.last_id = value.to_owned(),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, chunk: usize) -> Vec<(String, String, String)> {
        let mut parser = Parser::new(1_000, String::new());
        let mut out = Vec::new();
        for part in text.as_bytes().chunks(chunk) {
            parser.feed(part, &mut out).expect("within the limit");
        }
        out.into_iter().map(|e| (e.kind, e.data, e.last_id)).collect()
    }

    fn event(kind: &str, data: &str, id: &str) -> (String, String, String) {
        (kind.to_owned(), data.to_owned(), id.to_owned())
    }

    #[test]
    fn the_examples_of_the_standard_whatever_the_chunks() {
        let text = "\u{feff}: a comment\n\ndata: YHOO\ndata: +2\n\nevent: add\r\ndata:73857293\rid: 7\r\n\r\ndata\n\n\
                    id\ndata:  spaced\nunknown: x\n\ndata: never ended";
        let expected = [
            event("message", "YHOO\n+2", ""),
            event("add", "73857293", "7"),
            event("message", "", "7"),
            event("message", " spaced", ""),
        ];
        for chunk in 1..20 {
            assert_eq!(parse(text, chunk), expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut parser = Parser::new(1_000, String::new());
        assert!(parser.feed(&[b'x'; 2_000], &mut Vec::new()).is_err());
        let mut parser = Parser::new(1_000, String::new());
        assert!(parser.feed("data: x\n".repeat(1_000).as_bytes(), &mut Vec::new()).is_err());
    }

    #[test]
    fn the_source_says_when_to_come_again() {
        let mut parser = Parser::new(1_000, String::new());
        parser.feed(b"retry: 2500\nretry: soon\n", &mut Vec::new()).expect("within the limit");
        assert_eq!(parser.retry, Some(Duration::from_millis(2_500)));
    }
}
