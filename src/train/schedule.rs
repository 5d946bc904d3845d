//! How the learning rate goes over a run. It is worked out on the host for every step.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// A course of the learning rate, as a factor of the plan's.
///
/// The first `warmup` of the run's T steps, W of them, rise; f = (t − W)/(T − W) is how much of the rest
/// is done at step t = 0, 1, ..., T − 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    pub shape: Shape,
    /// Share of the steps that rise, in [0, 1).
    pub warmup: f64,
    /// Of [`Shape::Step`]: epochs from one fall to the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_epochs: Option<f64>,
    /// Of [`Shape::Step`]: what each fall multiplies the rate by, in (0, 1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_factor: Option<f64>,
}

/// What the rate does after its rise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// It stays
    #[default]
    Constant,
    /// It falls by a factor each few epochs
    Step,
    /// It falls to 0 as (1 + cos πf)/2
    Cosine,
    /// It falls to 0 as 1 − f
    Linear,
    /// Cosine both ways (Smith and Topin, 2019): from 1/25 up to the whole, then to 0
    OneCycle,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 5] = [Self::Constant, Self::Step, Self::Cosine, Self::Linear, Self::OneCycle];

    /// The share of the steps that rise where nothing else is asked for.
    pub fn usual_warmup(self) -> f64 {
        if self == Self::OneCycle { 0.3 } else { 0.0 }
    }
}

/// The one-cycle's first rate is this part of its highest.
const ONE_CYCLE_DIVISOR: f64 = 25.0;

/// Falls of [`Shape::Step`] where nothing else is asked for.
pub const USUAL_STEP_FACTOR: f64 = 0.1;

impl Schedule {
    /// The rate stays as it is.
    pub const CONSTANT: Self =
        Self { shape: Shape::Constant, warmup: 0.0, step_epochs: None, step_factor: None };

    /// The factor at step `t`, counted from 0, of a run of `total` steps.
    pub fn factor(&self, t: u64, total: u64, steps_per_epoch: u64) -> f64 {
        let rising = (self.warmup * total as f64).round();
        let (t, total) = (t as f64, total as f64);
        if t < rising {
            return match self.shape {
                Shape::OneCycle => {
                    let low = 1.0 / ONE_CYCLE_DIVISOR;
                    low + (1.0 - low) * (1.0 - libm::cos(PI * t / rising)) / 2.0
                }
                // The first step's rate is not 0, and the last of the rise is the whole.
                _ => (t + 1.0) / rising,
            };
        }
        let done = (t - rising) / (total - rising);
        match self.shape {
            Shape::Constant => 1.0,
            Shape::Cosine | Shape::OneCycle => (1.0 + libm::cos(PI * done)) / 2.0,
            Shape::Linear => 1.0 - done,
            Shape::Step => {
                let length = self.step_epochs.unwrap_or(f64::INFINITY) * steps_per_epoch as f64;
                let falls = ((t - rising) / length).floor();
                libm::pow(self.step_factor.unwrap_or(USUAL_STEP_FACTOR), falls)
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

    /// The factors of a run of 100 steps, 10 an epoch.
    fn factors(schedule: Schedule) -> Vec<f64> {
        (0..100).map(|t| schedule.factor(t, 100, 10)).collect()
    }

    fn shaped(shape: Shape, warmup: f64) -> Schedule {
        Schedule { shape, warmup, ..Schedule::CONSTANT }
    }

    #[track_caller]
    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    #[test]
    fn a_constant_rate_rises_evenly_to_the_whole_and_stays() {
        let factors = factors(shaped(Shape::Constant, 0.1));
        assert_near(factors[0], 0.1);
        assert_near(factors[4], 0.5);
        assert!(factors[9..].iter().all(|&factor| factor == 1.0));
    }

    #[test]
    fn cosine_and_linear_are_halved_half_way_and_end_next_to_zero() {
        for (shape, last) in [(Shape::Cosine, (1.0 + (0.99 * PI).cos()) / 2.0), (Shape::Linear, 0.01)] {
            let factors = factors(shaped(shape, 0.0));
            assert_near(factors[0], 1.0);
            assert_near(factors[50], 0.5);
            assert_near(factors[99], last);
        }
    }

    #[test]
    fn one_cycle_rises_from_a_twenty_fifth_to_the_whole_and_falls_to_zero() {
        let factors = factors(shaped(Shape::OneCycle, 0.2));
        assert_near(factors[0], 0.04);
        assert_near(factors[10], 0.52);
        assert_near(factors[20], 1.0);
        assert_near(factors[60], 0.5);
        assert!(factors[99] < 1e-3);
    }

    #[test]
    fn steps_fall_after_so_many_epochs_each() {
        let schedule =
            Schedule { step_epochs: Some(2.5), step_factor: Some(0.5), ..shaped(Shape::Step, 0.0) };
        let factors = factors(schedule);
        for (t, expected) in [(0, 1.0), (24, 1.0), (25, 0.5), (49, 0.5), (50, 0.25), (99, 0.125)] {
            assert_near(factors[t], expected);
        }
    }

    #[test]
    fn no_step_of_any_schedule_stands_still() {
        for shape in Shape::ALL {
            for warmup in [0.0, 0.005, 0.3, 0.999] {
                for total in [1, 2, 7, 100] {
                    for t in 0..total {
                        let factor = shaped(shape, warmup).factor(t, total, 10);
                        assert!(factor > 0.0 && factor <= 1.0, "{shape:?} {warmup} {t}/{total}: {factor}");
                    }
                }
            }
        }
    }
}
