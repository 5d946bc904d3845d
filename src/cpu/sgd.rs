//! Stochastic gradient descent, equal to PyTorch's `SGD`.
//!
//! g ← g + λ p, b ← μ b + g, p ← p − lr · b, or p ← p − lr · (g + μ b) with Nesterov momentum. Without momentum b is
//! g and is not stored.

use multiversion::multiversion;

use super::Real;
use crate::engine::Sgd;

/// Performs a step on an arena or a slice of one. All three slices are `[N]`; the last two are updated, `momentum`
/// only if the momentum is not 0.
///
/// # Panics
/// If the slices differ in length.
pub fn sgd<T: Real>(
    sgd: &Sgd,
    weight_decay: f32,
    learning_rate: f32,
    gradient: &[T],
    parameter: &mut [T],
    momentum: &mut [T],
) {
    assert_eq!(gradient.len(), parameter.len(), "parameter does not have the length of the gradient");
    assert_eq!(gradient.len(), momentum.len(), "momentum does not have the length of the gradient");
    let [mu, decay, rate] = [sgd.momentum, weight_decay, learning_rate].map(|value| T::of(value.into()));
    if sgd.momentum == 0.0 {
        plain(decay, rate, gradient, parameter);
    } else {
        with_momentum(sgd.nesterov, mu, decay, rate, gradient, parameter, momentum);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn plain<T: Real>(decay: T, rate: T, gradient: &[T], parameter: &mut [T]) {
    for (&g, p) in gradient.iter().zip(parameter) {
        *p -= rate * (g + decay * *p);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn with_momentum<T: Real>(
    nesterov: bool,
    mu: T,
    decay: T,
    rate: T,
    gradient: &[T],
    parameter: &mut [T],
    momentum: &mut [T],
) {
    for ((&g, p), b) in gradient.iter().zip(parameter).zip(momentum) {
        let g = g + decay * *p;
        *b = mu * *b + g;
        *p -= rate * if nesterov { g + mu * *b } else { *b };
    }
}
