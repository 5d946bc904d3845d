//! The number types that the operations are generic over.

use std::fmt::Debug;
use std::iter::Sum;

use num_traits::{Float, NumAssign};

/// `f32`, in which the engine trains, or `f64`, for reference results.
pub trait Real: Float + NumAssign + Sum + Default + Debug + Send + Sync + 'static {
    /// Returns the value of this type nearest to `value`.
    fn of(value: f64) -> Self;

    /// Returns the value as `f64`, exactly.
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
