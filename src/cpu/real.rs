//! The numbers that the reference computes with.

use std::fmt::Debug;
use std::iter::Sum;

use num_traits::{Float, NumAssign};

/// `f32`, what the engine trains in, or `f64`, what results are held against.
pub trait Real: Float + NumAssign + Sum + Default + Debug + Send + Sync + 'static {
    /// The value of this type nearest to `value`.
    fn of(value: f64) -> Self;

    fn as_f64(self) -> f64;
}

impl Real for f32 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
}
