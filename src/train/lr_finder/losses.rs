//! The losses of the steps of a search, and whether they have exploded.

use crate::engine::{Epoch, SampleOutcome, Step, Tally};

/// Sums the outcomes of a step until it is complete.
pub(super) struct StepLoss<'a> {
    epoch: &'a Epoch<'a>,
    labels: &'a [u16],
    /// The index of the step among those of the epoch.
    step: usize,
    tally: Tally,
}

impl<'a> StepLoss<'a> {
    pub fn new(epoch: &'a Epoch<'a>, labels: &'a [u16]) -> Self {
        Self { epoch, labels, step: 0, tally: Tally::default() }
    }

    /// Adds the next outcomes, and the losses of the steps that they complete.
    pub fn add(&mut self, outcomes: &[SampleOutcome], losses: &mut Losses) {
        for outcome in outcomes {
            let Some(&Step { first, count, learning_rate }) = self.epoch.steps.get(self.step) else { return };
            let label = self.labels[self.epoch.order[first + self.tally.samples] as usize];
            match self.epoch.class_weights {
                None => self.tally.add(outcome, label),
                Some(weights) => self.tally.add_weighted(outcome, label, weights),
            }
            if self.tally.samples == count {
                losses.push(learning_rate, std::mem::take(&mut self.tally).loss());
                self.step += 1;
            }
        }
    }
}

/// The losses so far, and whether they have exploded.
pub(super) struct Losses {
    /// Learning rates and losses, all finite.
    pub points: Vec<(f32, f64)>,
    /// Sum of the latest losses with exponentially falling weights, and of the weights.
    recent: (f64, f64),
    lowest: f64,
    /// The least loss at which an explosion can be distinguished from the noise of small losses.
    noise: f64,
    exploded: bool,
}

/// The weight that a loss keeps from step to step, in deciding about an explosion.
const DECAY: f64 = 0.9;

/// The losses have exploded when they are this many times the lowest, as in fastai.
const EXPLOSION: f64 = 4.0;

impl Losses {
    pub fn new(classes: usize) -> Self {
        // A tenth of the cross-entropy of a guess.
        let noise = 0.1 * libm::log(classes.max(2) as f64);
        Self { points: Vec::new(), recent: (0.0, 0.0), lowest: f64::INFINITY, noise, exploded: false }
    }

    fn push(&mut self, learning_rate: f32, loss: f64) {
        if self.exploded {
            return;
        }
        if !loss.is_finite() {
            self.exploded = true;
            return;
        }
        self.points.push((learning_rate, loss));
        self.recent = (DECAY * self.recent.0 + loss, DECAY * self.recent.1 + 1.0);
        let recent = self.recent.0 / self.recent.1;
        self.lowest = self.lowest.min(recent);
        // Of losses that can be negative, the size counts.
        self.exploded = recent > self.lowest + (EXPLOSION - 1.0) * self.lowest.abs().max(self.noise);
    }

    pub fn have_exploded(&self) -> bool {
        self.exploded
    }
}
