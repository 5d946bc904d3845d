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

    // Functions of `libm`, whose results are the same bits on every system. `Float` has methods of the same names, which
    // call the system's C library; a call such as `x.exp()` is therefore ambiguous and does not compile.

    /// Returns eˣ.
    fn exp(self) -> Self;

    /// Returns the natural logarithm.
    fn ln(self) -> Self;

    /// Returns the hyperbolic tangent.
    fn tanh(self) -> Self;
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

    #[inline(always)]
    fn exp(self) -> Self {
        libm::expf(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        libm::logf(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        libm::tanhf(self)
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

    #[inline(always)]
    fn exp(self) -> Self {
        libm::exp(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        libm::log(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        libm::tanh(self)
    }
}
