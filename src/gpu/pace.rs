//! How many batches go into a submit.

use std::time::Duration;

use super::readback::IN_FLIGHT;
use super::recording::RECORDS;

/// The most micro-batches of one submit. The fixed cost of a submit is negligible long before that.
pub const MAX_BATCHES_PER_SUBMIT: usize = RECORDS;

/// The intended duration of a submit: much longer than the fixed cost of one, much shorter than the second or two
/// after which drivers assume a hang, and short enough to react to Ctrl-C.
const SUBMIT_TIME: Duration = Duration::from_millis(100);

/// The most micro-batches of the first submit of an epoch: the device works on them while the host records the next
/// ones, instead of waiting until a full submit is recorded.
const FIRST_SUBMIT: usize = 8;

/// How many micro-batches go into a submit. This does not affect results, so it may depend on measured time.
#[derive(Debug)]
pub struct Pace {
    batches: usize,
    /// Whether a single micro-batch takes longer than a submit should, or may do so: none has been measured yet.
    slow: bool,
}

impl Pace {
    /// The size of the next submit of an epoch that has submitted `done` micro-batches: at most as many as all before,
    /// so that the device never finishes those before the next ones are recorded.
    pub fn batches(&self, done: usize) -> usize {
        self.batches.min(done.max(FIRST_SUBMIT))
    }

    /// How many submits may be in flight. Whatever is in flight must finish before an epoch can end, so it is a single
    /// micro-batch until its duration is known, and stays so on a device where that is long.
    pub fn in_flight(&self) -> usize {
        if self.slow { 1 } else { IN_FLIGHT }
    }

    /// Adapts to the duration of a submit.
    pub fn note(&mut self, took: Duration) {
        self.slow = self.batches == 1 && took > SUBMIT_TIME * 2;
        if took < SUBMIT_TIME / 2 {
            self.batches = (self.batches * 2).min(MAX_BATCHES_PER_SUBMIT);
        } else if took > SUBMIT_TIME * 2 {
            self.batches = (self.batches / 2).max(1);
        }
    }
}

impl Default for Pace {
    /// A single micro-batch, to measure how long it takes.
    fn default() -> Self {
        Self { batches: 1, slow: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn submits_grow_to_at_most_all_batches_before() {
        let pace = Pace { batches: MAX_BATCHES_PER_SUBMIT, slow: false };
        let mut done = 0;
        let mut submits = Vec::new();
        while done < 400 {
            submits.push(pace.batches(done));
            done += pace.batches(done);
        }
        assert_eq!(submits, [8, 8, 16, 32, 64, 128, 128, 128]);
    }

    #[test]
    fn an_unknown_or_slow_device_has_one_micro_batch_in_flight() {
        let mut pace = Pace::default();
        assert_eq!((pace.batches(0), pace.in_flight()), (1, 1));
        pace.note(SUBMIT_TIME * 3);
        assert_eq!((pace.batches(1), pace.in_flight()), (1, 1));
        pace.note(SUBMIT_TIME);
        assert_eq!((pace.batches(2), pace.in_flight()), (1, IN_FLIGHT));
        pace.note(SUBMIT_TIME * 3);
        assert_eq!((pace.batches(3), pace.in_flight()), (1, 1));
    }

    #[test]
    fn a_fast_device_has_several_submits_in_flight_after_the_first() {
        let mut pace = Pace::default();
        pace.note(SUBMIT_TIME / 100);
        assert_eq!((pace.batches(1), pace.in_flight()), (2, IN_FLIGHT));
    }
}
