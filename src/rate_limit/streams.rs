//! How many streams a principal has open.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::telemetry::Metrics;

/// More than the tabs of one person, or the screens of one program, ever ask for.
pub(super) const STREAMS_MAX: usize = 1_000;

#[derive(Clone)]
pub(super) struct Streams {
    open: Arc<Mutex<HashMap<u64, usize>>>,
    metrics: Arc<Metrics>,
}

/// A place that is given back when it is dropped.
pub struct StreamPermit {
    streams: Streams,
    principal: u64,
}

impl Streams {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { open: Arc::default(), metrics }
    }

    pub(super) fn open(&self, principal: u64) -> Option<StreamPermit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(principal).or_default();
        if *count >= STREAMS_MAX {
            return None;
        }
        *count += 1;
        self.metrics.stream(true);
        Some(StreamPermit { streams: self.clone(), principal })
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.streams.open.lock().unwrap_or_else(PoisonError::into_inner);
        self.streams.metrics.stream(false);
        if let Some(count) = open.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_given_back_and_nothing_is_left_of_who_left() {
        let streams = Streams::new(Metrics::new(1));
        let mut permits: Vec<_> = (0..STREAMS_MAX).map(|_| streams.open(1).expect("a place")).collect();
        assert!(streams.open(1).is_none() && streams.open(2).is_some());
        permits.pop();
        permits.push(streams.open(1).expect("a place that was given back"));
        drop(permits);
        assert!(streams.open.lock().expect("no poison").is_empty());
    }
}
