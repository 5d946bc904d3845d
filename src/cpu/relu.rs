//! Activations: relu(x) = max(x, 0), and its derivative as a mask.
//!
//! Both are told from the *output*: relu's derivative is 0 where the output is exactly 0, else 1, so
//! nobody has to keep what came in. A NaN is neither: it passes forward and backward, and shows where
//! gradients meet parameters.

use super::Real;
use crate::model::Activation;

/// The activation of one value; NaN stays NaN.
#[inline(always)]
pub(super) fn activate<T: Real>(activation: Activation, x: T) -> T {
    match activation {
        Activation::Identity => x,
        // Written so that NaN, which compares false with everything, is returned as it came.
        Activation::Relu if x <= T::zero() => T::zero(),
        Activation::Relu => x,
        _ => unimplemented!(),
    }
}

/// dL/dx of y = activation(x), from dL/dy and the output y.
#[inline(always)]
pub(super) fn through<T: Real>(activation: Activation, y: T, dy: T) -> T {
    match activation {
        Activation::Identity => dy,
        Activation::Relu if y == T::zero() => T::zero(),
        Activation::Relu => dy,
        _ => unimplemented!(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_passes_forward_and_backward() {
        assert!(activate(Activation::Relu, f32::NAN).is_nan());
        assert_eq!(through(Activation::Relu, f32::NAN, 2.0), 2.0);
        assert!(through(Activation::Relu, 1.0, f32::NAN).is_nan());
    }

    #[test]
    fn a_gradient_passes_where_the_output_is_not_exactly_zero() {
        for (x, expected) in [(-1.0, 0.0), (-0.0, 0.0), (0.0, 0.0), (1e-30, 2.0), (3.0, 2.0)] {
            assert_eq!(through(Activation::Relu, activate(Activation::Relu, x), 2.0), expected, "{x}");
        }
    }
}
