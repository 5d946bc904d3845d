//! Learning-rate schedules. The rate of every step is computed on the host, in f64.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A learning-rate schedule: for each step, a factor in (0, 1] of the configured learning rate.
///
/// Of the run's T steps, t = 0, 1, ..., T − 1, the first W = `warmup` · T are a warm-up in which the rate rises. After the
/// warm-up, f = (t − W)/(T − W) is the fraction of the remaining steps that is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The course of the rate after the warm-up.
    pub shape: Shape,
    /// Fraction of the run's steps that are warm-up, in [0, 1).
    pub warmup: f64,
    /// For [`Shape::Step`]: epochs between two drops of the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_epochs: Option<f64>,
    /// For [`Shape::Step`]: the factor of each drop, in (0, 1); [`DEFAULT_STEP_FACTOR`] if `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_factor: Option<f64>,
}

/// The course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Constant rate
    #[default]
    Constant,
    /// Drops by a factor every few epochs
    Step,
    /// Cosine decay to 0: (1 + cos πf)/2
    Cosine,
    /// Linear decay to 0: 1 − f
    Linear,
    /// One cycle (Smith and Topin, 2019): cosine rise from 1/25 of the rate to the full rate, then cosine decay to 0
    OneCycle,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 5] = [Self::Constant, Self::Step, Self::Cosine, Self::Linear, Self::OneCycle];

    /// The default for [`Schedule::warmup`].
    pub fn default_warmup(self) -> f64 {
        if self == Self::OneCycle { 0.3 } else { 0.0 }
    }
}

/// The first rate of [`Shape::OneCycle`] is the highest rate divided by this.
const ONE_CYCLE_DIVISOR: f64 = 25.0;

/// The default for [`Schedule::step_factor`].
pub const DEFAULT_STEP_FACTOR: f64 = 0.1;

impl Schedule {
    /// A constant rate without warm-up.
    pub const CONSTANT: Self =
        Self { shape: Shape::Constant, warmup: 0.0, step_epochs: None, step_factor: None };

    /// Returns the factor for step `t`, counted from 0, of a run of `total` steps.
    pub fn factor(&self, t: u64, total: u64, steps_per_epoch: u64) -> f64 {
        let warmup = (self.warmup * total as f64).round();
        let (t, total) = (t as f64, total as f64);
        if t < warmup {
            return match self.shape {
                Shape::OneCycle => {
                    let low = 1.0 / ONE_CYCLE_DIVISOR;
                    low + (1.0 - low) * (1.0 - libm::cos(PI * t / warmup)) / 2.0
                }
                // The first step's rate is above 0, and the last step of the warm-up has the full rate.
                _ => (t + 1.0) / warmup,
            };
        }
        let progress = (t - warmup) / (total - warmup);
        match self.shape {
            Shape::Constant => 1.0,
            Shape::Cosine | Shape::OneCycle => (1.0 + libm::cos(PI * progress)) / 2.0,
            Shape::Linear => 1.0 - progress,
            Shape::Step => {
                let interval = self.step_epochs.unwrap_or(f64::INFINITY) * steps_per_epoch as f64;
                let drops = ((t - warmup) / interval).floor();
                libm::pow(self.step_factor.unwrap_or(DEFAULT_STEP_FACTOR), drops)
            }
        }
    }
}

impl Default for Schedule {
    fn default() -> Self {
        Self::CONSTANT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The factors of a run of 100 steps with 10 steps per epoch.
    fn factors(schedule: Schedule) -> Vec<f64> {
        (0..100).map(|t| schedule.factor(t, 100, 10)).collect()
    }

    fn schedule(shape: Shape, warmup: f64) -> Schedule {
        Schedule { shape, warmup, ..Schedule::CONSTANT }
    }

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn constant_rate_follows_a_linear_warmup() {
        let factors = factors(schedule(Shape::Constant, 0.1));
        assert_near(factors[0], 0.1);
        assert_near(factors[4], 0.5);
        assert!(factors[9..].iter().all(|&factor| factor == 1.0));
    }

    #[test]
    fn cosine_and_linear_halve_the_rate_half_way_and_end_near_zero() {
        for (shape, last) in [(Shape::Cosine, (1.0 + (0.99 * PI).cos()) / 2.0), (Shape::Linear, 0.01)] {
            let factors = factors(schedule(shape, 0.0));
            assert_near(factors[0], 1.0);
            assert_near(factors[50], 0.5);
            assert_near(factors[99], last);
        }
    }

    #[test]
    fn one_cycle_rises_from_a_twenty_fifth_to_full_rate_and_decays_to_zero() {
        let factors = factors(schedule(Shape::OneCycle, 0.2));
        assert_near(factors[0], 0.04);
        assert_near(factors[10], 0.52);
        assert_near(factors[20], 1.0);
        assert_near(factors[60], 0.5);
        assert!(factors[99] < 1e-3);
    }

    #[test]
    fn step_schedule_drops_every_step_epochs() {
        let base = schedule(Shape::Step, 0.0);
        let factors = factors(Schedule { step_epochs: Some(2.5), step_factor: Some(0.5), ..base });
        for (t, expected) in [(0, 1.0), (24, 1.0), (25, 0.5), (49, 0.5), (50, 0.25), (99, 0.125)] {
            assert_near(factors[t], expected);
        }
    }

    #[test]
    fn every_factor_is_above_zero_and_at_most_one() {
        for shape in Shape::ALL {
            for warmup in [0.0, 0.005, 0.3, 0.999] {
                for total in [1, 2, 7, 100] {
                    for t in 0..total {
                        let factor = schedule(shape, warmup).factor(t, total, 10);
                        assert!(factor > 0.0 && factor <= 1.0, "{shape:?} {warmup} {t}/{total}: {factor}");
                    }
                }
            }
        }
    }
}
