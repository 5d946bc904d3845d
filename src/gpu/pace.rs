//! How much goes into a submit.

use std::time::Duration;

use super::readback::SubmitResult;

/// Micro-batches in one submit, at most: what many small submits cost is saved long before.
pub const MOST_BATCHES_PER_SUBMIT: usize = 128;

/// A submit is meant to take about this long: much longer than what a submit costs, much shorter than
/// the second or two after which drivers end what they think hangs, and short enough to feel a Ctrl-C.
const SUBMIT_TIME: Duration = Duration::from_millis(100);

/// Micro-batches in the first submit of a pass, at most: the device works on them while the host records the next,
/// instead of waiting until as many as there may be are recorded.
const FIRST_SUBMIT: usize = 8;

/// How many micro-batches go into a submit. This changes no result, so it may follow the clock.
#[derive(Debug)]
pub struct Pace {
    batches: usize,
}

impl Pace {
    /// How many go into the next submit of a pass that has submitted `done` of them: no more than all before, so that
    /// the device is never done with those before they are recorded.
    pub fn batches(&self, done: usize) -> usize {
        self.batches.min(done.max(FIRST_SUBMIT))
    }

    pub fn note(&mut self, report: &SubmitResult) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_begins_with_a_small_submit_and_each_next_one_is_at_most_all_before() {
        let pace = Pace { batches: MOST_BATCHES_PER_SUBMIT };
        let mut done = 0;
        let mut submits = Vec::new();
        while done < 400 {
            submits.push(pace.batches(done));
            done += pace.batches(done);
        }
        assert_eq!(submits, [8, 8, 16, 32, 64, 128, 128, 128]);
    }

    #[test]
    fn a_slow_device_is_given_less_than_the_first_submit_may_have() {
        assert_eq!(Pace::default().batches(0), 1);
    }
}
