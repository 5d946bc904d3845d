//! Adam (Kingma and Ba, 2015, algorithm 1), as PyTorch's `Adam` computes it.
//!
//! m ← m + (g − m)(1 − β₁), v ← β₂ v + (1 − β₂) g², p ← p − lr · m c₁ / (√v c₂ + ε), where c₁ = 1/(1 − β₁ᵗ)
//! and c₂ = 1/√(1 − β₂ᵗ) take out the bias of the first steps: once, not twice as in the paper's listing,
//! and for every parameter alike. Weight decay is decoupled (Loshchilov and Hutter, 2019), as in PyTorch's
//! `AdamW`: p ← p − lr·λ·p before.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Real;
use crate::engine::Adam;

/// Parameters of one task: enough to be worth a thread's while.
const PART: usize = 16_384;

/// Step `t` = 1, 2, ... over an arena, or any part of one: all four slices are `[N]`, and the last three
/// are updated.
///
/// # Panics
/// Where the slices differ in length.
#[allow(clippy::too_many_arguments)]
pub fn adam<T: Real>(
    adam: &Adam,
    weight_decay: f32,
    learning_rate: f32,
    t: u64,
    gradient: &[T],
    parameter: &mut [T],
    first: &mut [T],
    second: &mut [T],
) {
    assert_eq!(gradient.len(), parameter.len(), "a gradient for each parameter");
    assert_eq!(gradient.len(), first.len(), "a first moment for each parameter");
    assert_eq!(gradient.len(), second.len(), "a second moment for each parameter");
    let step = Update {
        keep1: T::of(f64::from(adam.beta1)),
        keep2: T::of(f64::from(adam.beta2)),
        rate: T::of(f64::from(learning_rate) * adam.first_correction(t)),
        root: T::of(adam.second_root_correction(t)),
        decay: T::of(f64::from(learning_rate) * f64::from(weight_decay)),
        eps: T::of(f64::from(adam.eps)),
    };
    gradient
        .par_chunks(PART)
        .zip(parameter.par_chunks_mut(PART))
        .zip(first.par_chunks_mut(PART))
        .zip(second.par_chunks_mut(PART))
        .for_each(|(((gradient, parameter), first), second)| {
            update(&step, gradient, parameter, first, second)
        });
}

/// One step's scalars.
struct Update<T> {
    keep1: T,
    keep2: T,
    /// lr · c₁
    rate: T,
    /// c₂
    root: T,
    /// lr · λ
    decay: T,
    eps: T,
}

#[multiversion(targets("x86_64+avx2"))]
fn update<T: Real>(step: &Update<T>, gradient: &[T], parameter: &mut [T], first: &mut [T], second: &mut [T]) {
    let (new1, new2) = (T::one() - step.keep1, T::one() - step.keep2);
    let moments = first.iter_mut().zip(second);
    for ((&g, p), (m, v)) in gradient.iter().zip(parameter).zip(moments) {
        *m += (g - *m) * new1;
        *v = step.keep2 * *v + new2 * g * g;
        *p -= step.decay * *p;
        *p -= step.rate * *m / (v.sqrt() * step.root + step.eps);
    }
}
