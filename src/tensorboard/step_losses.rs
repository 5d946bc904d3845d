//! The loss within epochs.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::EventFile;
use super::run_events::scalar;
use crate::engine::Tally;
use crate::train::{EpochProgress, Listener, RunState, TrainingConfig};

/// The number of values in an epoch.
const PER_EPOCH: u64 = 50;

/// The time after which values are written before the epoch ends.
const INTERVAL: Duration = Duration::from_secs(5);

/// Writes the training loss several times in each epoch: the mean over the images since the previous value, each with the
/// weights of its own step.
#[derive(Debug)]
pub struct StepLosses {
    file: Arc<Mutex<EventFile>>,
    samples: usize,
    batch_size: usize,
    steps_per_epoch: u64,
    /// The epoch of the last value.
    epoch: u64,
    /// The steps of that epoch, and the outcomes of their images, up to the last value.
    steps: u64,
    tally: Tally,
    written: Instant,
}

impl StepLosses {
    /// For a run on `samples` images that starts from `state`.
    pub(super) fn new(
        file: Arc<Mutex<EventFile>>,
        training: &TrainingConfig,
        samples: usize,
        state: &RunState,
    ) -> Self {
        let steps_per_epoch = training.steps_per_epoch(samples);
        Self {
            file,
            samples,
            batch_size: training.batch_size,
            steps_per_epoch,
            epoch: state.epochs + 1,
            steps: state.step.saturating_sub(state.epochs * steps_per_epoch),
            tally: state.tally,
            written: Instant::now(),
        }
    }

    /// The next value and its step in the run, if it is due.
    fn next(&mut self, epoch: u64, tally: &Tally) -> Option<(u64, f64)> {
        if epoch != self.epoch {
            (self.epoch, self.steps, self.tally) = (epoch, 0, Tally::default());
        }
        // The last step of an epoch may have fewer images.
        let is_whole = tally.samples == self.samples;
        let steps = if is_whole { self.steps_per_epoch } else { (tally.samples / self.batch_size) as u64 };
        if steps < self.steps + self.steps_per_epoch.div_ceil(PER_EPOCH) {
            return None;
        }
        let loss = tally.since(&self.tally).loss();
        (self.steps, self.tally) = (steps, *tally);
        loss.is_finite().then_some(((epoch - 1) * self.steps_per_epoch + steps, loss))
    }
}

impl Listener for StepLosses {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        if let Some((step, loss)) = self.next(progress.epoch, &progress.tally) {
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            file.push(step, vec![scalar("loss/train_step", loss)]);
            if self.written.elapsed() >= INTERVAL {
                self.written = Instant::now();
                // What fails is tried again at the end of the epoch, and reported then.
                let _ = file.write();
            }
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn losses(batch_size: usize, samples: usize, state: &RunState) -> StepLosses {
        let folder = tempfile::tempdir().unwrap();
        let file = Arc::new(Mutex::new(EventFile::create(folder.path(), 0).unwrap()));
        let training = TrainingConfig { batch_size, ..TrainingConfig::default() };
        StepLosses::new(file, &training, samples, state)
    }

    fn tally(samples: usize, loss_sum: f64) -> Tally {
        Tally { samples, loss_sum, ..Tally::default() }
    }

    #[test]
    fn a_value_is_the_mean_loss_since_the_previous_one() {
        let mut losses = losses(10, 25, &RunState::default());
        assert_eq!(losses.next(1, &tally(5, 5.0)), None, "the first step is not complete");
        assert_eq!(losses.next(1, &tally(10, 20.0)), Some((1, 2.0)));
        assert_eq!(losses.next(1, &tally(20, 25.0)), Some((2, 0.5)));
        assert_eq!(losses.next(1, &tally(25, 30.0)), Some((3, 1.0)), "the last step has five images");
        assert_eq!(losses.next(2, &tally(10, 5.0)), Some((4, 0.5)));
    }

    #[test]
    fn an_epoch_has_about_fifty_values() {
        let mut losses = losses(64, 60_000, &RunState::default());
        let steps: Vec<u64> = (1..=938)
            .filter_map(|step| losses.next(1, &tally((step * 64).min(60_000), step as f64)))
            .map(|(step, _)| step)
            .collect();
        assert_eq!((steps.len(), steps[0], steps[1]), (49, 19, 38));
    }

    #[test]
    fn a_run_resumed_within_an_epoch_goes_on_from_there() {
        let mut state = RunState::default();
        (state.epochs, state.step, state.tally) = (1, 5, tally(20, 20.0));
        let mut losses = losses(10, 30, &state);
        assert_eq!(losses.next(2, &tally(30, 25.0)), Some((6, 0.5)));
    }

    #[test]
    fn class_weights_divide_by_the_weights_of_the_new_images() {
        let mut losses = losses(10, 100, &RunState::default());
        let weighted = |samples, loss_sum, weight| Tally { weight: Some(weight), ..tally(samples, loss_sum) };
        assert_eq!(losses.next(1, &weighted(10, 4.0, 2.0)), Some((1, 2.0)));
        assert_eq!(losses.next(1, &weighted(20, 10.0, 5.0)), Some((2, 2.0)));
        assert_eq!(losses.next(1, &weighted(40, 16.0, 6.0)), Some((4, 6.0)));
    }
}
