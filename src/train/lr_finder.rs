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
    /// Steps in which the rate becomes ten times as high.
    steps_per_decade: f64,
}

/// The suggested rate is this many times below the one with the lowest loss.
const BELOW_LOWEST: f64 = 4.0;

/// The least fall of the loss for a suggestion, as a fraction of the first loss.
const MIN_FALL: f64 = 0.01;

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
    /// The suggested learning rate, rounded to two digits: a quarter of the rate with the lowest smoothed loss. `None` if
    /// the loss does not fall by more than the noise of single steps.
    ///
    /// At the lowest loss, training is about to become unstable, so a lower rate is needed; Smith takes a third or a
    /// quarter of the highest rate that works, fastai's `lr_find` a tenth of the rate with the lowest loss after a rise in
    /// 100 steps. fastai's and Lightning's other rule, the rate at which the loss falls fastest, gives rates that are too
    /// low after slower rises, in which the network has learned most before it gets to the best rates.
    pub fn suggestion(&self) -> Option<f32> {
        let by_loss = |a: &&LrPoint, b: &&LrPoint| a.smoothed.total_cmp(&b.smoothed);
        let (first, lowest) = (self.points.first()?, self.points.iter().min_by(by_loss)?);
        let fall = first.smoothed - lowest.smoothed;
        let falls = fall > self.noise(lowest.learning_rate) && fall > MIN_FALL * first.smoothed.abs();
        falls.then(|| two_digits(f64::from(lowest.learning_rate) / BELOW_LOWEST))
    }

    /// How far the smoothed losses up to a learning rate may move by chance.
    fn noise(&self, highest: f32) -> f64 {
        let squares = self.points.iter().take_while(|point| point.learning_rate <= highest);
        let squares = squares.map(|point| (point.loss - point.smoothed) * (point.loss - point.smoothed));
        let (sum, count) = squares.fold((0.0, 0.0), |(sum, count), square| (sum + square, count + 1.0));
        // A smoothed loss is a mean over about this many steps.
        let steps = (self.steps_per_decade * SMOOTHING).max(1.0);
        4.0 * (sum / count / steps).sqrt()
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
    format!("{value:.1e}").parse().expect("a number that was written can be parsed")
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
    let steps_per_decade = (total - 1) as f64 / libm::log10(f64::from(range.high) / f64::from(range.low));
    Ok(LrSearch { points: smoothed(losses.points, steps_per_decade), ending, steps_per_decade })
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
fn smoothed(points: Vec<(f32, f64)>, steps_per_decade: f64) -> Vec<LrPoint> {
    let deviation = SMOOTHING * steps_per_decade;
    let weight = |steps: usize| libm::exp(-(steps as f64 / deviation) * (steps as f64 / deviation) / 2.0);
    let reach = (3.0 * deviation).ceil() as usize;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{LayerOutput, NonFinite, Observer, OptimizerState};

    /// A network with a single weight w, whose loss w² is the same for every image. Gradient descent multiplies the weight
    /// by 1 − 2·rate, so it diverges at rates above 1.
    struct Parabola {
        weight: f32,
        loaded: usize,
        /// The learning rates and first images of the steps.
        steps: Vec<(f32, u32)>,
        /// What happens when the weight is too large.
        overflow: fn(f32) -> Result<f32, EngineError>,
    }

    fn parabola() -> Parabola {
        Parabola { weight: 1.5, loaded: 0, steps: Vec::new(), overflow: Ok }
    }

    impl Engine for Parabola {
        fn name(&self) -> String {
            "parabola".to_owned()
        }

        fn load(&mut self, _: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
            self.loaded = images.len();
            Ok(())
        }

        fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
            Ok(vec![self.weight])
        }

        fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
            self.weight = arena[0];
            Ok(())
        }

        fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
            Ok(OptimizerState { step: 0, first_moment: Vec::new(), second_moment: Vec::new() })
        }

        fn set_optimizer_state(&mut self, _: &OptimizerState) -> Result<(), EngineError> {
            Ok(())
        }

        fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
            // As engines may do, before anything is known.
            assert!(observer(0, &[]).is_continue());
            for (done, step) in epoch.steps.iter().enumerate() {
                let outcome = SampleOutcome { loss: self.weight * self.weight, predicted: 0 };
                self.weight = (self.overflow)(self.weight * (1.0 - 2.0 * step.learning_rate))?;
                self.steps.push((step.learning_rate, epoch.order[step.first]));
                // A large step may be reported in parts.
                let (first, second) = (step.count / 2, step.count - step.count / 2);
                let _ = observer(step.first, &vec![outcome; first]);
                if observer(step.first + first, &vec![outcome; second]).is_break() {
                    return Ok(done + 1);
                }
            }
            Ok(epoch.steps.len())
        }

        fn evaluate(&mut self, _: Split) -> Result<Vec<SampleOutcome>, EngineError> {
            unreachable!("a search does not evaluate")
        }

        fn log_probabilities(&mut self, _: Split) -> Result<Vec<f32>, EngineError> {
            unreachable!("a search does not evaluate")
        }

        fn activations(&mut self, _: Split) -> Result<Vec<LayerOutput>, EngineError> {
            unreachable!("a search does not evaluate")
        }
    }

    const RANGE: LrRange = LrRange { low: 1e-5, high: 10.0 };

    fn images(count: usize) -> Arc<ImageSet> {
        Arc::new(ImageSet::new(1, 1, 1, vec![0; count], vec![0; count]).unwrap())
    }

    fn search_with(engine: &mut Parabola, count: usize, batch_size: usize) -> LrSearch {
        let config = TrainingConfig { batch_size, ..TrainingConfig::default() };
        let mut progress = |_: usize, _: usize| ControlFlow::Continue(());
        find_learning_rate(engine, &images(count), &config, RANGE, &mut progress).unwrap()
    }

    #[test]
    fn rates_rise_by_the_same_factor_from_low_to_high() {
        let mut engine = parabola();
        engine.overflow = |_| Ok(1.0);
        let found = search_with(&mut engine, 1_600, 8);
        assert_eq!((found.points.len(), found.ending), (200, LrSearchEnding::Finished));
        let rates: Vec<f32> = found.points.iter().map(|point| point.learning_rate).collect();
        assert_eq!((rates[0], rates[199]), (RANGE.low, RANGE.high));
        for pair in rates.windows(2) {
            // Six decades in 199 factors, to the precision of f32.
            assert!((libm::log10((pair[1] / pair[0]).into()) - 6.0 / 199.0).abs() < 1e-6, "{pair:?}");
        }
    }

    #[test]
    fn a_search_has_at_least_100_and_at_most_1000_steps() {
        for (count, expected) in [(5, 100), (64, 100), (800, 100), (1_200, 150), (20_000, 1_000)] {
            let mut engine = parabola();
            engine.overflow = |_| Ok(1.0);
            assert_eq!(search_with(&mut engine, count, 8).points.len(), expected, "{count} images");
        }
    }

    #[test]
    fn an_explosion_ends_the_search_and_the_suggestion_is_below_it() {
        for batch_size in [8, 32] {
            let mut engine = parabola();
            let found = search_with(&mut engine, 3_200, batch_size);
            assert_eq!(found.ending, LrSearchEnding::Exploded);
            let last = found.points.last().unwrap();
            assert!((1.0..3.0).contains(&last.learning_rate), "{last:?}");
            assert!(found.points.iter().all(|point| point.loss.is_finite() && point.smoothed.is_finite()));
            let suggestion = found.suggestion().unwrap();
            assert!((1e-3..1.0).contains(&suggestion), "{suggestion}");
        }
    }

    #[test]
    fn numbers_that_are_not_finite_end_the_search_as_an_explosion() {
        let overflows: [fn(f32) -> Result<f32, EngineError>; 2] = [
            |weight| Ok(if weight.abs() > 2.0 { f32::NAN } else { weight }),
            |weight| match weight.abs() > 2.0 {
                true => Err(EngineError::NonFinite { tensor: "w", what: NonFinite::Gradient, step: 1 }),
                false => Ok(weight),
            },
        ];
        for overflow in overflows {
            let mut engine = Parabola { overflow, ..parabola() };
            let found = search_with(&mut engine, 3_200, 8);
            assert_eq!(found.ending, LrSearchEnding::Exploded);
            assert!(found.suggestion().is_some());
            assert_eq!(engine.weight, 1.5);
        }
        let mut engine = Parabola { weight: f32::NAN, ..parabola() };
        let found = search_with(&mut engine, 3_200, 8);
        assert_eq!((found.points.len(), found.suggestion()), (0, None));
    }

    #[test]
    fn the_engine_has_its_parameters_back() {
        let mut engine = parabola();
        search_with(&mut engine, 800, 8);
        assert_eq!((engine.weight, engine.loaded), (1.5, 800));
    }

    #[test]
    fn images_come_in_the_order_of_the_first_epochs() {
        let mut engine = Parabola { overflow: |_| Ok(1.0), ..parabola() };
        search_with(&mut engine, 64, 1);
        let seed = TrainingConfig::default().seed;
        let expected = [data::order(64, seed, 0, true), data::order(64, seed, 1, true)].concat();
        assert_eq!(engine.steps.iter().map(|&(_, first)| first).collect::<Vec<_>>(), expected[..100]);
    }

    #[test]
    fn the_observer_can_end_the_search() {
        let mut engine = parabola();
        let mut seen = Vec::new();
        let mut progress = |done: usize, total: usize| {
            seen.push((done, total));
            if done == 7 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let config = TrainingConfig { batch_size: 8, ..TrainingConfig::default() };
        let found = find_learning_rate(&mut engine, &images(800), &config, RANGE, &mut progress).unwrap();
        assert_eq!((found.points.len(), found.ending), (7, LrSearchEnding::Interrupted));
        assert!(seen.iter().all(|&(_, total)| total == 100) && seen.last() == Some(&(7, 100)), "{seen:?}");
    }

    #[test]
    fn a_loss_that_does_not_fall_has_no_suggestion_and_a_figure() {
        let mut engine = Parabola { overflow: |_| Ok(1.5), ..parabola() };
        let found = search_with(&mut engine, 800, 8);
        assert_eq!(found.suggestion(), None);
        found.figure("flat").to_html().unwrap();
    }

    #[test]
    fn the_figure_marks_the_suggestion() {
        let found = search_with(&mut parabola(), 3_200, 8);
        let figure = found.figure("parabola");
        let [curve, mark] = &figure.series[..] else { panic!("two series") };
        assert_eq!(curve.points.len(), found.points.len());
        let rate = found.suggestion().unwrap();
        assert!(mark.name.ends_with(&rate.to_string()), "{}", mark.name);
        assert!((f64::from(rate) / mark.points[0].x - 1.0).abs() < 0.1);
        figure.draw(800, 500).unwrap();
    }
}
