//! The learning-rate range test: a short training in which the learning rate rises from step to step, and the rate that
//! its losses suggest.
//!
//! Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), lets the rate rise over some epochs and reads
//! good rates off the curve. As in fastai and PyTorch Lightning, the rise is exponential here and takes at most one pass
//! over the training images if that has enough steps, and the rate is suggested by rule; see [`LrSearch::suggestion`].

mod losses;
mod result;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::TrainingConfig;
use crate::data::{self, ImageSet};
use crate::engine::{Engine, EngineError, Epoch, Rule, SampleOutcome, Split, steps};
use losses::{Losses, StepLoss};
use result::smoothed;

/// The learning rates of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LrRange {
    /// The rate of the first step, above 0.
    pub low: f32,
    /// The rate of the last step, above `low`.
    pub high: f32,
}

impl LrRange {
    /// A range around all rates that are useful with an update rule. Adam's steps do not depend on the size of the
    /// gradient, so its rates are smaller.
    pub fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Adam(_) => Self { low: 1e-6, high: 1.0 },
            Rule::Sgd(_) => Self { low: 1e-5, high: 10.0 },
        }
    }
}

/// The fewest steps of a search. If a pass over the images has fewer, the search takes several passes.
const MIN_STEPS: usize = 100;

/// The most steps of a search. More would not change the curve.
const MAX_STEPS: usize = 1_000;

/// The result of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct LrSearch {
    /// The steps that were done, in order, with rising rates.
    pub points: Vec<LrPoint>,
    /// Why the search ended.
    pub ending: LrSearchEnding,
    /// Steps in which the rate becomes ten times as high.
    steps_per_decade: f64,
}

/// One step of a search.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LrPoint {
    /// The learning rate of the step.
    pub learning_rate: f32,
    /// The mean loss of the step's images, before its update.
    pub loss: f64,
    /// The loss averaged over neighbouring steps.
    pub smoothed: f64,
}

/// Why a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LrSearchEnding {
    /// All rates were tried.
    Finished,
    /// The loss grew to several times its lowest value, or was no longer finite.
    Exploded,
    /// The observer ended the search.
    Interrupted,
}

/// Trains the network of `engine` on `images` with a rising learning rate. Batch size, seed, shuffling, augmentation and
/// class weights are those of `config`; its length, learning rate, schedule and stopping rules do not apply. The images and
/// their order are those of the run's first epoch.
///
/// `progress` is called with the number of steps done and their total, and can end the search. Afterwards the engine has
/// its parameters and optimizer state back.
///
/// # Errors
/// Returns whatever error the engine returns, except for numbers that are not finite, which end the search.
///
/// # Panics
/// As [`train`](super::train) does. If the range is empty or its rates are not positive and finite.
pub fn find_learning_rate(
    engine: &mut dyn Engine,
    images: &Arc<ImageSet>,
    config: &TrainingConfig,
    range: LrRange,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<LrSearch, EngineError> {
    assert!(range.low > 0.0 && range.low < range.high && range.high.is_finite(), "the range has rates");
    engine.load(Split::Train, Arc::clone(images))?;
    let (parameters, optimizer) = (engine.parameters()?, engine.optimizer_state()?);
    let found = search(engine, images, config, range, progress);
    engine.set_parameters(&parameters)?;
    engine.set_optimizer_state(&optimizer)?;
    found
}

fn search(
    engine: &mut dyn Engine,
    images: &ImageSet,
    config: &TrainingConfig,
    range: LrRange,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<LrSearch, EngineError> {
    let per_pass = steps(images.len(), config.batch_size, 0.0);
    let total = per_pass.len().clamp(MIN_STEPS, MAX_STEPS);
    let mut losses = Losses::new(images.classes());
    let mut ending = LrSearchEnding::Finished;
    for (pass, first_step) in (0..total).step_by(per_pass.len()).enumerate() {
        let mut steps = per_pass.clone();
        steps.truncate(total - first_step);
        for (step, t) in steps.iter_mut().zip(first_step..) {
            step.learning_rate = rate(range, t, total);
        }
        let order = data::order(images.len(), config.seed, pass as u64, config.shuffle);
        let views = config.augmentation.views(config.seed, pass as u64, &order);
        let class_weights = config.class_weights.as_ref();
        let epoch = Epoch { order: &order, views: views.as_deref(), class_weights, steps: &steps };
        let mut current = StepLoss::new(&epoch, &images.labels);
        let mut observer = |_: usize, outcomes: &[SampleOutcome]| {
            // An engine may be some steps ahead when the observer breaks.
            if ending == LrSearchEnding::Finished {
                current.add(outcomes, &mut losses);
                if losses.have_exploded() {
                    ending = LrSearchEnding::Exploded;
                } else if progress(losses.points.len(), total).is_break() {
                    ending = LrSearchEnding::Interrupted;
                }
            }
            match ending {
                LrSearchEnding::Finished => ControlFlow::Continue(()),
                LrSearchEnding::Exploded | LrSearchEnding::Interrupted => ControlFlow::Break(()),
            }
        };
        match engine.train(&epoch, &mut observer) {
            Ok(_) => {}
            Err(EngineError::NonFinite { .. }) => ending = LrSearchEnding::Exploded,
            Err(error) => return Err(error),
        }
        if ending != LrSearchEnding::Finished {
            break;
        }
    }
    let steps_per_decade = (total - 1) as f64 / libm::log10(f64::from(range.high) / f64::from(range.low));
    Ok(LrSearch { points: smoothed(losses.points, steps_per_decade), ending, steps_per_decade })
}

/// The rate of step `t` of `total`, which rises by the same factor from step to step.
fn rate(range: LrRange, t: usize, total: usize) -> f32 {
    let (low, high) = (f64::from(range.low), f64::from(range.high));
    (low * libm::pow(high / low, t as f64 / (total - 1) as f64)) as f32
}
