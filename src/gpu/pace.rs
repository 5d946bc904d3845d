//! How much goes into a submit.

use std::time::Duration;

use super::readback::Report;

/// Micro-batches in one submit, at most: what many small submits cost is saved long before.
pub const MOST_BATCHES_PER_SUBMIT: usize = 128;

/// A submit is meant to take about this long: much longer than what a submit costs, much shorter than
/// the second or two after which drivers end what they think hangs, and short enough to feel a Ctrl-C.
const SUBMIT_TIME: Duration = Duration::from_millis(100);

/// How many micro-batches go into a submit. This changes no result, so it may follow the clock.
#[derive(Debug)]
pub struct Pace {
    pub batches: usize,
}

impl Pace {
    pub fn note(&mut self, report: &Report) {
        if report.took < SUBMIT_TIME / 2 {
            self.batches = (self.batches * 2).min(MOST_BATCHES_PER_SUBMIT);
        } else if report.took > SUBMIT_TIME * 2 {
            self.batches = (self.batches / 2).max(1);
        }
    }
}

impl Default for Pace {
    /// The first submit tells how long a micro-batch takes.
    fn default() -> Self {
        Self { batches: 1 }
    }
}
