//! How far a run is, and how long the rest takes.

use std::time::Duration;

use super::history::History;
use super::lines::epoch_of;
use super::numbers::{rate, whole};
use crate::cli::progress::duration;
use crate::train::{EpochProgress, TrainingConfig};

/// What stays the same during a run.
#[derive(Debug)]
pub struct Run {
    /// The engine's name, escaped.
    pub device: String,
    pub config: TrainingConfig,
    /// The numbers of training, validation and test images.
    pub samples: usize,
    pub validation: Option<usize>,
    pub test: usize,
}

/// How far a run is.
#[derive(Debug, Clone)]
pub struct State {
    pub history: History,
    /// The last progress; `None` before the first.
    pub progress: Option<EpochProgress>,
    /// The mean time of an epoch's evaluation.
    pub evaluation: Duration,
}

/// How much of an epoch or of the whole run is done.
#[derive(Debug)]
pub struct Done {
    pub fraction: f64,
    /// The time left, or the current activity: "5 s left", "evaluating".
    pub left: String,
}

impl Run {
    pub fn epochs(&self) -> u64 {
        self.config.epochs_started(self.samples)
    }

    pub fn total_images(&self) -> u64 {
        self.config.total_images(self.samples)
    }
}

impl State {
    /// "1,000 images/s"
    pub fn speed(&self) -> String {
        match self.progress {
            Some(EpochProgress { tally, seconds, .. }) if tally.samples > 0 && seconds > 0.0 => {
                format!("{} images/s", whole(tally.samples as f64 / seconds))
            }
            _ => "starting".to_owned(),
        }
    }

    /// The learning rate of the last step: "lr 0.001".
    pub fn learning_rate(&self, run: &Run) -> String {
        let config = &run.config;
        let (total, per_epoch) = (config.total_steps(run.samples), config.steps_per_epoch(run.samples));
        let step = self.progress.map_or(0, |progress| {
            let done = (progress.tally.samples as u64).div_ceil(config.batch_size as u64);
            (progress.epoch - 1) * per_epoch + done.saturating_sub(1)
        });
        let factor = config.schedule.factor(step.min(total.saturating_sub(1)), total, per_epoch);
        format!("lr {}", rate(f64::from(config.learning_rate) * factor))
    }

    /// The current epoch: "epoch 2/3".
    pub fn epoch_name(&self, run: &Run) -> String {
        epoch_of(self.progress.map_or(1, |progress| progress.epoch), run.epochs())
    }

    /// How much of the current epoch is done.
    pub fn epoch_done(&self, run: &Run) -> Done {
        let Some(EpochProgress { epoch, images, .. }) = self.progress else {
            return Done { fraction: 0.0, left: "starting".to_owned() };
        };
        let samples = run.samples as u64;
        let begin = (epoch - 1) * samples;
        let end = (begin + samples).min(run.total_images());
        let (done, all) = (images.saturating_sub(begin), end.saturating_sub(begin));
        let left = match self.seconds_of(all.saturating_sub(done)) {
            None => "starting".to_owned(),
            Some(_) if done >= all => "evaluating".to_owned(),
            Some(seconds) => time_left(seconds),
        };
        Done { fraction: done as f64 / all.max(1) as f64, left }
    }

    /// How much of the run is done. The time left includes evaluations.
    pub fn run_done(&self, run: &Run) -> Done {
        let Some(EpochProgress { epoch, images, .. }) = self.progress else {
            return Done { fraction: 0.0, left: String::new() };
        };
        let total = run.total_images();
        let evaluations = (run.epochs() + 1).saturating_sub(epoch) as f64 * self.evaluation.as_secs_f64();
        let training = self.seconds_of(total.saturating_sub(images));
        Done {
            fraction: images as f64 / total.max(1) as f64,
            left: training.map(|training| time_left(training + evaluations)).unwrap_or_default(),
        }
    }

    /// The time to train on this many images, at the speed of the current epoch; `None` if it has just begun.
    fn seconds_of(&self, images: u64) -> Option<f64> {
        let EpochProgress { tally, seconds, .. } =
            self.progress.filter(|progress| progress.tally.samples > 0)?;
        Some(images as f64 * seconds / tally.samples as f64)
    }
}

fn time_left(seconds: f64) -> String {
    if seconds.is_finite() { format!("{} left", duration(seconds)) } else { String::new() }
}
