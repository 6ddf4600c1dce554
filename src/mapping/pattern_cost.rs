//! How long a regular expression takes to compile, which happens again for each node that it tests.
//!
//! The weights were measured: what counts is how many character ranges are
//! copied, so Unicode classes and counted repetitions of them dominate.

use std::iter::Peekable;
use std::str::Chars;

const BASE: usize = 8;
const LITERAL: usize = 1;
/// `.`, `[^…]`, `\s`: a few ranges in UTF-8.
const SMALL_CLASS: usize = 6;
const DIGITS: usize = 40;
/// `\w`, `\b`, `\p{…}`: hundreds of ranges.
const LARGE_CLASS: usize = 250;
/// A range beyond ASCII whose letters are looked up one by one, for `(?i)`.
const FOLDED_RANGE: usize = 5_000;

/// Microseconds, about.
pub(super) fn estimate(pattern: &str) -> usize {
    let wide = !pattern.is_ascii() || ["\\x", "\\u", "\\U"].iter().any(|escape| pattern.contains(escape));
    let range = if wide && pattern.contains("(?") { FOLDED_RANGE } else { LITERAL };
    let mut walk = Walk { chars: pattern.chars().peekable(), frames: vec![Frame::default()], range };
    walk.run();
    walk.frames.iter().fold(BASE, |sum, frame| sum.saturating_add(frame.sum))
}

#[derive(Default)]
struct Frame {
    /// Whether this is a `[…]`, in which a parenthesis is a letter.
    class: bool,
    sum: usize,
    /// The part of `sum` that a repetition would repeat.
    last: usize,
}

struct Walk<'a> {
    chars: Peekable<Chars<'a>>,
    frames: Vec<Frame>,
    /// What a range within a class costs.
    range: usize,
}

impl Walk<'_> {
    fn run(&mut self) {
        while let Some(c) = self.chars.next() {
            let class = self.frames.last().is_some_and(|frame| frame.class);
            match c {
                '\\' => self.escape(),
                '[' => self.open_class(),
                '(' if !class => self.frames.push(Frame::default()),
                ']' if class => self.close(),
                ')' if !class => self.close(),
                '{' if !class => self.repeat(),
                // They repeat without a copy, and may themselves be repeated.
                '*' | '+' | '?' if !class => {}
                '-' if class => self.add(self.range),
                '.' if !class => self.add(SMALL_CLASS),
                _ => self.add(LITERAL),
            }
        }
    }

    fn add(&mut self, cost: usize) {
        if let Some(frame) = self.frames.last_mut() {
            frame.sum = frame.sum.saturating_add(cost);
            frame.last = cost;
        }
    }

    fn open_class(&mut self) {
        let negated = self.chars.next_if_eq(&'^').is_some();
        let sum = if negated { SMALL_CLASS } else { LITERAL };
        // A bracket that comes first is a letter.
        self.chars.next_if_eq(&']');
        self.frames.push(Frame { class: true, sum, last: 0 });
    }

    fn close(&mut self) {
        if self.frames.len() > 1
            && let Some(frame) = self.frames.pop()
        {
            self.add(frame.sum);
        }
    }

    fn escape(&mut self) {
        let cost = match self.chars.next() {
            Some('d' | 'D') => DIGITS,
            Some('s' | 'S') => SMALL_CLASS,
            Some('w' | 'W' | 'b' | 'B') => LARGE_CLASS,
            Some('p' | 'P') => {
                // `\pL` is `\p{L}`.
                self.chars.next_if(|c| *c != '{');
                LARGE_CLASS
            }
            Some('x' | 'u' | 'U') => LITERAL,
            _ => return self.add(LITERAL),
        };
        if cost != DIGITS && cost != SMALL_CLASS && self.chars.peek() == Some(&'{') && !self.counts_follow() {
            while self.chars.next().is_some_and(|c| c != '}') {}
        }
        self.add(cost);
    }

    /// Whether the brace that comes next begins a repetition and not a name, as in `\p{Greek}`.
    fn counts_follow(&self) -> bool {
        self.chars.clone().nth(1).is_some_and(|c| c.is_ascii_digit())
    }

    fn repeat(&mut self) {
        let mut counts = String::new();
        while let Some(c) = self.chars.next_if(|c| c.is_ascii_digit() || matches!(c, ',' | ' ')) {
            counts.push(c);
        }
        self.chars.next_if_eq(&'}');
        let most = counts.split(',').filter_map(|n| n.trim().parse::<usize>().ok()).max();
        if let (Some(times), Some(frame)) = (most, self.frames.last_mut()) {
            let added = frame.last.saturating_mul(times.saturating_sub(1));
            frame.sum = frame.sum.saturating_add(added);
            frame.last = frame.last.saturating_add(added);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dominates_is_weighed() {
        assert_eq!(estimate(""), BASE);
        assert_eq!(estimate("abc"), BASE + 3 * LITERAL);
        assert_eq!(estimate(r"\d{4}-\d{2}"), BASE + 6 * DIGITS + LITERAL);
        assert_eq!(estimate(r"\p{Greek}{3}"), BASE + 3 * LARGE_CLASS);
        assert!(estimate(r"(?i)[\x{80}-\x{ffff}]") > FOLDED_RANGE);
        assert!(estimate(r"(?i)[a-z]") < LARGE_CLASS);
        assert!(estimate(r"(\w\w){2,32}") > 64 * LARGE_CLASS);
        assert!(estimate(r"((\w{8}){8}){8}") > 512 * LARGE_CLASS);
        assert!(estimate(r"(\w{2}{2}){99999999999999999999}") >= 4 * LARGE_CLASS);
    }

    #[test]
    fn nothing_hides_a_repetition() {
        for pattern in [
            r"(\w[(]){64}",
            r"(\w[](]){64}",
            r"(\w[^](]){64}",
            r"(\w\(\[){64}",
            r"[\w(]{64}",
            r"\w{64}(",
            r"\w+{64}",
            r"\w{8}?{8}",
        ] {
            assert!(estimate(pattern) > 64 * LARGE_CLASS, "{pattern}");
        }
    }
}
