//! Inputs that are nearly right: what is far from right is refused at once and reaches nothing.

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

const LENGTH_MAX: usize = 64 * 1024;

pub struct Mutator {
    rng: StdRng,
    corpus: Vec<Vec<u8>>,
    words: &'static [&'static str],
}

/// Where parsers are hurt, whatever they parse.
const EVIL: &[&str] = &[
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{10ffff}",
    "\\ud800",
    "-0",
    "1e999",
    "-1e-999",
    "18446744073709551616",
    "NaN",
    "null",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "{{",
    "}}",
    "..",
    "*",
    "&a",
    "*a",
    "<<",
    "!!",
    "%00",
    "%",
    "\r\n",
    "\t",
    "$",
    "@",
    "?",
];

impl Mutator {
    pub fn new(seed: u64, seeds: &[&str], words: &'static [&'static str]) -> Self {
        let corpus = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
        Self { rng: StdRng::seed_from_u64(seed), corpus, words }
    }

    pub fn next(&mut self) -> Vec<u8> {
        let mut input = self.one_of_the_corpus();
        for _ in 0..1 + self.rng.random_range(0..6) {
            self.mutate(&mut input);
            input.truncate(LENGTH_MAX);
        }
        input
    }

    fn one_of_the_corpus(&mut self) -> Vec<u8> {
        let at = self.rng.random_range(0..self.corpus.len());
        self.corpus[at].clone()
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.rng.random_range(0..=input.len());
        let end = (at + self.rng.random_range(1..64_usize)).min(input.len());
        match self.rng.random_range(0..10) {
            0 if at < input.len() => input[at] ^= 1 << self.rng.random_range(0..8),
            1 if at < input.len() => input[at] = self.rng.next_u32().to_le_bytes()[0],
            2 => drop(input.drain(at..end)),
            3 => input.truncate(at),
            // What is nested or listed once is so very often.
            4 => {
                let piece = input[at..end].to_vec();
                let times = 1 << self.rng.random_range(0..10);
                input.splice(at..at, piece.repeat(times));
            }
            5 => {
                let opening: &[u8] = [&b"["[..], b"{\"a\":", b"(", b"{a ", b"$[?", b"- "][self.rng.random_range(0..6)];
                input.splice(at..at, opening.repeat(1 << self.rng.random_range(0..13)));
            }
            6 => {
                let other = self.one_of_the_corpus();
                let from = self.rng.random_range(0..=other.len());
                let to = (from + self.rng.random_range(0..200_usize)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            7 => drop(input.splice(at..at, EVIL[self.rng.random_range(0..EVIL.len())].bytes())),
            _ if !self.words.is_empty() => {
                let word = self.words[self.rng.random_range(0..self.words.len())];
                input.splice(at..at, word.bytes());
            }
            _ => input.reverse(),
        }
    }
}
