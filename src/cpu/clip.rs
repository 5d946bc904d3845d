//! Gradients cut down before they are used, and parameters kept within a bound after.
//!
//! By norm as PyTorch's `clip_grad_norm_` does it, g ← g · min(1, bound/(‖g‖ + 1e-6)), each tensor by its
//! own and then all by that of all; then by value, as its `clip_grad_value_`.

use super::{Real, gradient_norm};
use crate::engine::Clip;
use crate::model::Tensor;

/// Keeps a norm of 0 from dividing by 0. PyTorch's number.
const EPS: f64 = 1e-6;

/// Clips an arena of gradients in place.
pub fn clip<T: Real>(clip: &Clip, tensors: &[Tensor], gradient: &mut [T]) {
    if clip.by_norm() {
        let mut norms = gradient_norm(tensors, gradient);
        let mut scales = vec![1.0; norms.len()];
        if let Some(bound) = clip.tensor_norm {
            for (norm, scale) in norms.iter_mut().zip(&mut scales) {
                *scale = scale_to(bound, *norm);
                *norm *= *scale;
            }
        }
        if let Some(bound) = clip.norm {
            let norm = norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt();
            let of_all = scale_to(bound, norm);
            scales.iter_mut().for_each(|scale| *scale *= of_all);
        }
        for (tensor, scale) in tensors.iter().zip(scales) {
            let scale = T::of(scale);
            gradient[tensor.range()].iter_mut().for_each(|g| *g *= scale);
        }
    }
    for tensor in tensors {
        if let Some(bound) = clip.of_values(tensor.kind) {
            limit(bound, &mut gradient[tensor.range()]);
        }
    }
}

/// Brings values that are further than `bound` from 0 back to it; a NaN stays one.
pub fn limit<T: Real>(bound: f32, values: &mut [T]) {
    let bound = T::of(bound.into());
    values.iter_mut().for_each(|value| *value = num_traits::clamp(*value, -bound, bound));
}

fn scale_to(bound: f32, norm: f64) -> f64 {
    (f64::from(bound) / (norm + EPS)).min(1.0)
}
