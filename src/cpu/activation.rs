//! Activations and their derivatives. A derivative is a function of the *output*, so inputs need not be stored.
//!
//! | activation | y | dL/dx |
//! |---|---|---|
//! | identity | x | dL/dy |
//! | relu | max(x, 0) | dL/dy if y is not exactly 0, else 0 |
//! | sigmoid | 1/(1 + e⁻ˣ) | dL/dy · y(1 − y) |
//! | sign | −1, 0 or 1 | 0 |
//! | tanh | tanh x | dL/dy · (1 − y²) |
//! | hard-tanh | x clamped to [−1, 1] | dL/dy if y is not exactly ±1, else 0 |
//!
//! Every activation propagates NaN forward and backward, so that it is found when gradients are checked before the
//! update. Log-softmax depends on all outputs of a layer and is in `log_softmax.rs`.

use super::Real;
use super::blocks::LANES;
use crate::model::Activation;

/// Replaces each x by y = activation(x). Does nothing for log-softmax.
///
/// The `match` is outside of the loops, so that they vectorise.
#[inline(always)]
pub(super) fn activate<T: Real>(activation: Activation, values: &mut [T]) {
    let one = T::one();
    match activation {
        Activation::Identity | Activation::LogSoftmax => {}
        Activation::Relu => replace(values, relu),
        Activation::Sigmoid => replace(values, |x| one / (one + Real::exp(-x))),
        Activation::Sign => replace(values, |x| {
            if x > T::zero() {
                one
            } else if x < T::zero() {
                -one
            } else {
                x
            }
        }),
        Activation::Tanh => replace(values, Real::tanh),
        Activation::HardTanh => replace(values, |x| {
            if x > one {
                one
            } else if x < -one {
                -one
            } else {
                x
            }
        }),
    }
}

/// Replaces dL/dy by dL/dx for y = activation(x). Does nothing for log-softmax.
#[inline(always)]
pub(super) fn backward_through<T: Real>(activation: Activation, y: &[T], gradient: &mut [T]) {
    let one = T::one();
    match activation {
        Activation::Identity | Activation::LogSoftmax => {}
        Activation::Relu => zip_replace(gradient, y, |dy, y| if y == T::zero() { T::zero() } else { dy }),
        Activation::Sigmoid => zip_replace(gradient, y, |dy, y| dy * y * (one - y)),
        Activation::Sign => zip_replace(gradient, y, |_, y| if y.is_nan() { y } else { T::zero() }),
        Activation::Tanh => zip_replace(gradient, y, |dy, y| dy * (one - y * y)),
        Activation::HardTanh => {
            zip_replace(gradient, y, |dy, y| if y.abs() == one { T::zero() } else { dy });
        }
    }
}

/// max(x, 0). A NaN, which compares false with everything, is returned unchanged.
#[inline(always)]
pub(super) fn relu<T: Real>(x: T) -> T {
    if x <= T::zero() { T::zero() } else { x }
}

/// Stores whole vectors. Otherwise the compiler emits masked stores for the values that change, which are ten times
/// slower on AMD processors.
#[inline(always)]
fn replace<T: Real>(values: &mut [T], by: impl Fn(T) -> T) {
    let (vectors, rest) = values.as_chunks_mut::<LANES>();
    for vector in vectors {
        let mut new = *vector;
        for value in &mut new {
            *value = by(*value);
        }
        *vector = new;
    }
    for value in rest {
        *value = by(*value);
    }
}

#[inline(always)]
fn zip_replace<T: Real>(values: &mut [T], others: &[T], by: impl Fn(T, T) -> T) {
    let (vectors, rest) = values.as_chunks_mut::<LANES>();
    let (other_vectors, others) = others.as_chunks::<LANES>();
    for (vector, others) in vectors.iter_mut().zip(other_vectors) {
        let mut new = *vector;
        for (value, &other) in new.iter_mut().zip(others) {
            *value = by(*value, other);
        }
        *vector = new;
    }
    for (value, &other) in rest.iter_mut().zip(others) {
        *value = by(*value, other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activated(activation: Activation, x: f64) -> f64 {
        let mut y = [x];
        activate(activation, &mut y);
        y[0]
    }

    fn gradient(activation: Activation, y: f64, dy: f64) -> f64 {
        let mut dx = [dy];
        backward_through(activation, &[y], &mut dx);
        dx[0]
    }

    #[test]
    fn activations_propagate_nan() {
        for activation in Activation::ALL {
            assert!(activated(activation, f64::NAN).is_nan(), "{activation}");
            // ReLU and hard-tanh pass the gradient unless the output is at a bound.
            let at_nan = gradient(activation, f64::NAN, 2.0);
            assert!(at_nan.is_nan() || at_nan == 2.0, "{activation}: {at_nan}");
            if activation != Activation::Sign {
                assert!(gradient(activation, 0.5, f64::NAN).is_nan(), "{activation}");
            }
        }
    }

    #[test]
    fn relu_passes_the_gradient_unless_its_output_is_zero() {
        for (x, expected) in [(-1.0, 0.0), (-0.0, 0.0), (0.0, 0.0), (1e-30, 2.0), (3.0, 2.0)] {
            assert_eq!(gradient(Activation::Relu, activated(Activation::Relu, x), 2.0), expected, "{x}");
        }
    }

    #[test]
    fn hard_tanh_passes_the_gradient_strictly_between_its_bounds() {
        for (x, y, passes) in
            [(-1.5, -1.0, 0.0), (-1.0, -1.0, 0.0), (-0.9, -0.9, 2.0), (1.0, 1.0, 0.0), (7.0, 1.0, 0.0)]
        {
            assert_eq!(activated(Activation::HardTanh, x), y);
            assert_eq!(gradient(Activation::HardTanh, y, 2.0), passes, "{x}");
        }
    }

    #[test]
    fn sign_has_three_values_and_a_zero_derivative() {
        for (x, y) in [(-0.1, -1.0), (0.0, 0.0), (5.0, 1.0)] {
            assert_eq!(activated(Activation::Sign, x), y);
            assert_eq!(gradient(Activation::Sign, y, 2.0), 0.0);
        }
    }

    #[test]
    fn sigmoid_and_tanh_saturate_when_exponentials_overflow() {
        for (x, sigmoid, tanh) in [(-1e4, 0.0, -1.0), (1e4, 1.0, 1.0)] {
            assert_eq!(activated(Activation::Sigmoid, x), sigmoid);
            assert_eq!(activated(Activation::Tanh, x), tanh);
        }
    }
}
