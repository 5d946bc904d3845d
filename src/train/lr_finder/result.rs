//! What the losses of a search say: the smoothed curve, the suggestion and the figure.

use super::{LrPoint, LrSearch, LrSearchEnding};
use crate::report::figure::{Axis, Figure, Series};
use crate::wording::count;

/// The suggested rate is this many times below the one with the lowest loss.
const BELOW_LOWEST: f64 = 4.0;

/// The lowest loss is at the end of the range if its rate is less than so many times below the last; smoothing moves it.
const NEAR_END: f32 = 1.5;

/// The least fall of the loss for a suggestion, as a fraction of the first loss.
const MIN_FALL: f64 = 0.01;

impl LrSearch {
    /// The suggested learning rate, rounded to two digits: a quarter of the rate with the lowest smoothed loss. `None` if
    /// the loss does not fall by more than the noise of single steps.
    ///
    /// At the lowest loss, training is about to become unstable, so a lower rate is needed; Smith takes a third or a
    /// quarter of the highest rate that works, fastai's `lr_find` a tenth of the rate with the lowest loss after a rise in
    /// 100 steps. fastai's and Lightning's other rule, the rate at which the loss falls fastest, gives rates that are too
    /// low after slower rises, in which the network has learned most before it gets to the best rates.
    pub fn suggestion(&self) -> Option<f32> {
        let (first, lowest) = (self.points.first()?, self.lowest()?);
        let fall = first.smoothed - lowest.smoothed;
        let falls = fall > self.noise(lowest.learning_rate) && fall > MIN_FALL * first.smoothed.abs();
        // Nothing is known about rates below the first.
        let rate = (f64::from(lowest.learning_rate) / BELOW_LOWEST).max(first.learning_rate.into());
        falls.then(|| two_digits(rate))
    }

    /// Whether all rates were tried and the highest has the lowest loss, or nearly so: then rates above the range may be
    /// better, and the suggestion says more about the range than about the network.
    pub fn is_still_falling(&self) -> bool {
        let Some((lowest, last)) = self.lowest().zip(self.points.last()) else { return false };
        self.ending == LrSearchEnding::Finished
            && self.suggestion().is_some()
            && last.learning_rate < NEAR_END * lowest.learning_rate
    }

    fn lowest(&self) -> Option<&LrPoint> {
        self.points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed))
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

    /// The smoothed losses over the learning rates, with the suggestion marked.
    ///
    /// A search without a step has no figure that can be drawn.
    pub fn figure(&self, title: &str) -> Figure {
        let series = |name: &str, points: &[LrPoint]| {
            let points = points.iter().map(|point| (point.learning_rate.into(), point.smoothed));
            Series::of_run(name, points.collect())
        };
        let shown = self.shown();
        let mut all: Vec<Series> = series("loss", shown).into_iter().collect();
        let suggestion = self.suggestion();
        if let Some(rate) = suggestion
            && let Some(index) = shown.iter().position(|point| point.learning_rate >= rate)
        {
            all.extend(series(&format!("suggested learning rate: {rate}"), &shown[index..=index]));
        }
        let ending = match self.ending {
            LrSearchEnding::Exploded => ", until the loss exploded",
            LrSearchEnding::Finished | LrSearchEnding::Interrupted => "",
        };
        let rule = match suggestion {
            Some(_) if self.is_still_falling() => {
                "The loss still falls at the end, so higher rates than the suggestion may be better."
            }
            Some(_) => "The suggestion is a quarter of the rate with the lowest loss.",
            None => "No rate is suggested, as the loss does not fall.",
        };
        Figure {
            title: title.to_owned(),
            caption: format!(
                "Training loss of {} with a rising learning rate, averaged over neighbouring steps{ending}. {rule}",
                count(self.points.len(), "step")
            ),
            x: Axis::new("Learning rate").logarithmic(),
            y: Axis::new("Loss"),
            series: all,
            threshold: None,
        }
    }

    /// The points without the end of an explosion, beside which all other losses would look the same.
    fn shown(&self) -> &[LrPoint] {
        let (Some(first), Some(lowest)) = (self.points.first(), self.lowest()) else { return &[] };
        let (first, lowest) = (first.smoothed, lowest.smoothed);
        let limit = first + EXPLOSION_SHOWN * (first - lowest).max(first.abs());
        let end = self.points.iter().position(|point| point.smoothed > limit);
        &self.points[..end.unwrap_or(self.points.len())]
    }
}

/// How far the end of an explosion is shown above the first loss, as a multiple of the fall from it.
const EXPLOSION_SHOWN: f64 = 0.5;

/// Rounds to two significant digits.
fn two_digits(value: f64) -> f32 {
    format!("{value:.1e}").parse().expect("a number that was written can be parsed")
}

/// Standard deviation of the weights that smooth the losses, in powers of ten of the rate.
const SMOOTHING: f64 = 0.15;

/// Averages each loss with its neighbours, with weights that fall with their distance on the logarithmic axis.
pub(super) fn smoothed(points: Vec<(f32, f64)>, steps_per_decade: f64) -> Vec<LrPoint> {
    let deviation = SMOOTHING * steps_per_decade;
    let weight = |steps: usize| libm::exp(-(steps as f64 / deviation) * (steps as f64 / deviation) / 2.0);
    let reach = ((3.0 * deviation).ceil() as usize).min(points.len());
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
