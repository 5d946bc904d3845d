//! Activations, and their derivatives told from the *output*, so that nobody has to keep what came in.
//!
//! | activation | y | dL/dx |
//! |---|---|---|
//! | identity | x | dL/dy |
//! | relu | max(x, 0) | dL/dy where y is not exactly 0 |
//! | sigmoid | 1/(1 + e⁻ˣ) | dL/dy · y(1 − y) |
//! | sign | −1, 0 or 1 | 0 |
//! | tanh | tanh x | dL/dy · (1 − y²) |
//! | hard-tanh | x cut off at −1 and 1 | dL/dy where y is not exactly ±1 |
//!
//! A NaN passes each of them forward and backward, and shows where gradients meet parameters. Log-softmax,
//! which needs all of a layer's outputs, is no function of single values: see `log_softmax.rs`.

use super::Real;
use super::blocks::LANES;
use crate::model::Activation;

/// Replaces each x by y = activation(x); leaves values for log-softmax as they are.
///
/// The activation is asked for once, outside of the loops, which are those of vectors.
#[inline(always)]
pub(super) fn activate<T: Real>(activation: Activation, values: &mut [T]) {
    let one = T::one();
    match activation {
        Activation::Identity | Activation::LogSoftmax => {}
        Activation::Relu => replace(values, relu),
        Activation::Sigmoid => replace(values, |x| one / (one + (-x).exp())),
        Activation::Sign => replace(values, |x| {
            if x > T::zero() {
                one
            } else if x < T::zero() {
                -one
            } else {
                x
            }
        }),
        Activation::Tanh => replace(values, |x| x.tanh()),
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

/// Turns dL/dy into dL/dx, where y = activation(x); leaves a gradient for log-softmax as it is.
#[inline(always)]
pub(super) fn through<T: Real>(activation: Activation, y: &[T], gradient: &mut [T]) {
    let one = T::one();
    match activation {
        Activation::Identity | Activation::LogSoftmax => {}
        Activation::Relu => replace_by(gradient, y, |dy, y| if y == T::zero() { T::zero() } else { dy }),
        Activation::Sigmoid => replace_by(gradient, y, |dy, y| dy * y * (one - y)),
        Activation::Sign => replace_by(gradient, y, |_, y| if y.is_nan() { y } else { T::zero() }),
        Activation::Tanh => replace_by(gradient, y, |dy, y| dy * (one - y * y)),
        Activation::HardTanh => {
            replace_by(gradient, y, |dy, y| if y.abs() == one { T::zero() } else { dy });
        }
    }
}

/// max(x, 0), written so that NaN, which compares false with everything, stays as it came.
#[inline(always)]
pub(super) fn relu<T: Real>(x: T) -> T {
    if x <= T::zero() { T::zero() } else { x }
}

/// Vectors are changed as a whole: left to itself the compiler writes only what changes, by masked stores,
/// which take AMD's processors ten times as long.
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
fn replace_by<T: Real>(values: &mut [T], others: &[T], by: impl Fn(T, T) -> T) {
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
        through(activation, &[y], &mut dx);
        dx[0]
    }

    #[test]
    fn nan_passes_every_activation_forward_and_backward() {
        for activation in Activation::ALL {
            assert!(activated(activation, f64::NAN).is_nan(), "{activation}");
            // ReLU and hard-tanh let the gradient pass where they do not know better.
            let at_nan = gradient(activation, f64::NAN, 2.0);
            assert!(at_nan.is_nan() || at_nan == 2.0, "{activation}: {at_nan}");
            if activation != Activation::Sign {
                assert!(gradient(activation, 0.5, f64::NAN).is_nan(), "{activation}");
            }
        }
    }

    #[test]
    fn relu_lets_a_gradient_pass_where_the_output_is_not_exactly_zero() {
        for (x, expected) in [(-1.0, 0.0), (-0.0, 0.0), (0.0, 0.0), (1e-30, 2.0), (3.0, 2.0)] {
            assert_eq!(gradient(Activation::Relu, activated(Activation::Relu, x), 2.0), expected, "{x}");
        }
    }

    #[test]
    fn hard_tanh_lets_a_gradient_pass_strictly_between_its_bounds() {
        for (x, y, passes) in
            [(-1.5, -1.0, 0.0), (-1.0, -1.0, 0.0), (-0.9, -0.9, 2.0), (1.0, 1.0, 0.0), (7.0, 1.0, 0.0)]
        {
            assert_eq!(activated(Activation::HardTanh, x), y);
            assert_eq!(gradient(Activation::HardTanh, y, 2.0), passes, "{x}");
        }
    }

    #[test]
    fn sign_has_three_values_and_no_derivative() {
        for (x, y) in [(-0.1, -1.0), (0.0, 0.0), (5.0, 1.0)] {
            assert_eq!(activated(Activation::Sign, x), y);
            assert_eq!(gradient(Activation::Sign, y, 2.0), 0.0);
        }
    }

    #[test]
    fn sigmoid_and_tanh_have_their_limits_where_exponentials_overflow() {
        for (x, sigmoid, tanh) in [(-1e4, 0.0, -1.0), (1e4, 1.0, 1.0)] {
            assert_eq!(activated(Activation::Sigmoid, x), sigmoid);
            assert_eq!(activated(Activation::Tanh, x), tanh);
        }
    }
}
