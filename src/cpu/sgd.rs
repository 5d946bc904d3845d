//! Gradient descent, as PyTorch's `SGD` computes it.
//!
//! g ← g + λ p, b ← μ b + g, p ← p − lr · b, or p ← p − lr · (g + μ b) after Nesterov. Without momentum b is
//! g, and none is kept.

use multiversion::multiversion;

use super::Real;
use crate::engine::Sgd;

/// A step over an arena, or any part of one: all three slices are `[N]`, and the last two are updated.
///
/// # Panics
/// Where the slices differ in length.
pub fn sgd<T: Real>(
    sgd: &Sgd,
    weight_decay: f32,
    learning_rate: f32,
    gradient: &[T],
    parameter: &mut [T],
    momentum: &mut [T],
) {
    assert_eq!(gradient.len(), parameter.len(), "a gradient for each parameter");
    assert_eq!(gradient.len(), momentum.len(), "a momentum for each parameter");
    let [keep, decay, rate] = [sgd.momentum, weight_decay, learning_rate].map(|value| T::of(value.into()));
    if sgd.momentum == 0.0 {
        plain(decay, rate, gradient, parameter);
    } else {
        with_momentum(sgd.nesterov, keep, decay, rate, gradient, parameter, momentum);
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
    keep: T,
    decay: T,
    rate: T,
    gradient: &[T],
    parameter: &mut [T],
    momentum: &mut [T],
) {
    for ((&g, p), b) in gradient.iter().zip(parameter).zip(momentum) {
        let g = g + decay * *p;
        *b = keep * *b + g;
        *p -= rate * if nesterov { g + keep * *b } else { *b };
    }
}
