//! The learning-rate range test: a short training in which the learning rate rises from step to step, and the rate that
//! its losses suggest.
//!
//! Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), lets the rate rise over some epochs and reads
//! good rates off the curve. As in fastai and PyTorch Lightning, the rise is exponential here and takes at most one pass
//! over the training images if that has enough steps, and the rate is suggested by rule; see [`LrSearch::suggestion`].

use std::ops::ControlFlow;
use std::sync::Arc;

use serde::Serialize;

use super::TrainingConfig;
use crate::data::{self, ImageSet};
use crate::engine::{Engine, EngineError, Epoch, Rule, SampleOutcome, Split, Step, Tally, steps};
use crate::report::figure::{Axis, Figure, Series, SeriesPoint};

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

impl LrSearch {
    /// The suggested learning rate, rounded to two digits: the one at which the smoothed loss falls fastest, as a function
    /// of the logarithm of the rate. `None` if the loss does not fall.
    pub fn suggestion(&self) -> Option<f32> {
        let lowest = self.lowest()?;
        let log = |point: &LrPoint| libm::log10(f64::from(point.learning_rate));
        let slope =
            |pair: &&[LrPoint]| (pair[1].smoothed - pair[0].smoothed) / (log(&pair[1]) - log(&pair[0]));
        let steepest = self.points[..=lowest].windows(2).min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        Some(two_digits(f64::from(steepest[0].learning_rate)))
    }

    /// The index of the lowest smoothed loss.
    fn lowest(&self) -> Option<usize> {
        let by_loss = |a: &usize, b: &usize| self.points[*a].smoothed.total_cmp(&self.points[*b].smoothed);
        (0..self.points.len()).min_by(by_loss)
    }

    /// The losses over the learning rates, with the suggestion marked.
    pub fn figure(&self, title: &str) -> Figure {
        let point = |point: &LrPoint| SeriesPoint {
            x: point.learning_rate.into(),
            mean: point.smoothed,
            low: point.smoothed,
            high: point.smoothed,
        };
        let series = |name: &str, points: Vec<SeriesPoint>| Series {
            name: name.to_owned(),
            runs: 1,
            points,
            tails: Vec::new(),
        };
        let mut all = vec![series("smoothed loss", self.points.iter().map(point).collect())];
        if let Some(rate) = self.suggestion()
            && let Some(nearest) = self.points.iter().find(|point| point.learning_rate >= rate)
        {
            all.push(series(&format!("suggested learning rate: {rate}"), vec![point(nearest)]));
        }
        Figure {
            title: title.to_owned(),
            caption: String::new(),
            x: Axis::new("Learning rate").logarithmic(),
            y: Axis::new("Loss"),
            series: all,
            threshold: None,
        }
    }
}

/// Rounds to two significant digits.
fn two_digits(value: f64) -> f32 {
    format!("{value:.1e}").parse().unwrap_or(value as f32)
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
            if ending != LrSearchEnding::Finished {
                return ControlFlow::Break(());
            }
            current.add(outcomes, &mut losses);
            if losses.have_exploded() {
                ending = LrSearchEnding::Exploded;
            } else if progress(losses.points.len(), total).is_break() {
                ending = LrSearchEnding::Interrupted;
            }
            if ending == LrSearchEnding::Finished {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
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
    Ok(LrSearch { points: smoothed(losses.points, range, total), ending })
}

/// The rate of step `t` of `total`, which rises by the same factor from step to step.
fn rate(range: LrRange, t: usize, total: usize) -> f32 {
    let (low, high) = (f64::from(range.low), f64::from(range.high));
    (low * libm::pow(high / low, t as f64 / (total - 1) as f64)) as f32
}

/// Sums the outcomes of a step until it is complete.
struct StepLoss<'a> {
    epoch: &'a Epoch<'a>,
    labels: &'a [u16],
    /// The index of the step among those of the epoch.
    step: usize,
    tally: Tally,
}

impl<'a> StepLoss<'a> {
    fn new(epoch: &'a Epoch<'a>, labels: &'a [u16]) -> Self {
        Self { epoch, labels, step: 0, tally: Tally::default() }
    }

    /// Adds the next outcomes, and the losses of the steps that they complete.
    fn add(&mut self, outcomes: &[SampleOutcome], losses: &mut Losses) {
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
struct Losses {
    /// Learning rates and losses, all finite.
    points: Vec<(f32, f64)>,
    /// Sum of the latest losses with exponentially falling weights, and of the weights.
    recent: (f64, f64),
    lowest: f64,
    /// The least loss at which an explosion can be told from the noise of small losses.
    noise: f64,
    exploded: bool,
}

/// The weight that a loss keeps from step to step, in deciding about an explosion.
const DECAY: f64 = 0.9;

/// The losses have exploded when they are this many times the lowest, as in fastai.
const EXPLOSION: f64 = 4.0;

impl Losses {
    fn new(classes: usize) -> Self {
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

    fn have_exploded(&self) -> bool {
        self.exploded
    }
}

/// Standard deviation of the weights that smooth the losses, in powers of ten of the rate.
const SMOOTHING: f64 = 0.15;

/// Averages each loss with its neighbours, with weights that fall with their distance on the logarithmic axis.
fn smoothed(points: Vec<(f32, f64)>, range: LrRange, total: usize) -> Vec<LrPoint> {
    let decades = libm::log10(f64::from(range.high) / f64::from(range.low)) / (total - 1) as f64;
    let weight = |steps: usize| {
        let distance = steps as f64 * decades / SMOOTHING;
        libm::exp(-distance * distance / 2.0)
    };
    let reach = ((3.0 * SMOOTHING / decades).ceil() as usize).max(1);
    let weights: Vec<f64> = (0..=reach).map(weight).collect();
    let average = |index: usize| {
        let near = index.saturating_sub(reach)..(index + reach + 1).min(points.len());
        let weighted = near.map(|other| (weights[other.abs_diff(index)], points[other].1));
        let (sum, weight) =
            weighted.fold((0.0, 0.0), |(sum, all), (weight, loss)| (sum + weight * loss, all + weight));
        sum / weight
    };
    (0..points.len())
        .map(|index| LrPoint {
            learning_rate: points[index].0,
            loss: points[index].1,
            smoothed: average(index),
        })
        .collect()
}
