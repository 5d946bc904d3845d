//! Adam (Kingma and Ba, 2015, algorithm 1), equal to PyTorch's `Adam`.
//!
//! m ← m + (g − m)(1 − β₁), v ← β₂ v + (1 − β₂) g², p ← p − lr · m c₁ / (√v c₂ + ε). The factors c₁ = 1/(1 − β₁ᵗ) and
//! c₂ = 1/√(1 − β₂ᵗ) correct the bias of the first steps. (The paper's listing applies them twice, and updates the biases
//! of convolutions by plain gradient descent.) Weight decay is decoupled (Loshchilov and Hutter, 2019), as in
//! PyTorch's `AdamW`: p ← p − lr·λ·p before the update.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Real;
use crate::engine::Adam;

/// Parameters per parallel task.
const CHUNK: usize = 16_384;

/// Performs step `t` = 1, 2, … on an arena or a slice of one. All four slices are `[N]`; the last three are updated.
///
/// # Panics
/// If the slices differ in length.
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
    assert_eq!(gradient.len(), parameter.len(), "parameter does not have the length of the gradient");
    assert_eq!(gradient.len(), first.len(), "the first moment does not have the length of the gradient");
    assert_eq!(gradient.len(), second.len(), "the second moment does not have the length of the gradient");
    let step = Update {
        beta1: T::of(f64::from(adam.beta1)),
        beta2: T::of(f64::from(adam.beta2)),
        rate: T::of(f64::from(learning_rate) * adam.first_correction(t)),
        root_correction: T::of(adam.second_root_correction(t)),
        decay: T::of(f64::from(learning_rate) * f64::from(weight_decay)),
        eps: T::of(f64::from(adam.eps)),
    };
    gradient
        .par_chunks(CHUNK)
        .zip(parameter.par_chunks_mut(CHUNK))
        .zip(first.par_chunks_mut(CHUNK))
        .zip(second.par_chunks_mut(CHUNK))
        .for_each(|(((gradient, parameter), first), second)| {
            update(&step, gradient, parameter, first, second)
        });
}

/// The scalars of one step.
struct Update<T> {
    beta1: T,
    beta2: T,
    /// lr · c₁
    rate: T,
    /// c₂
    root_correction: T,
    /// lr · λ
    decay: T,
    eps: T,
}

#[multiversion(targets("x86_64+avx2"))]
fn update<T: Real>(step: &Update<T>, gradient: &[T], parameter: &mut [T], first: &mut [T], second: &mut [T]) {
    let (one_minus_beta1, one_minus_beta2) = (T::one() - step.beta1, T::one() - step.beta2);
    let moments = first.iter_mut().zip(second);
    for ((&g, p), (m, v)) in gradient.iter().zip(parameter).zip(moments) {
        *m += (g - *m) * one_minus_beta1;
        *v = step.beta2 * *v + one_minus_beta2 * g * g;
        *p -= step.decay * *p;
        *p -= step.rate * *m / (v.sqrt() * step.root_correction + step.eps);
    }
}
