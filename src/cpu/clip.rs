//! Gradient clipping, and the bound on parameters.
//!
//! Clipping by norm is that of PyTorch's `clip_grad_norm_`, g ← g · min(1, bound/(‖g‖ + 1e-6)): first each tensor by
//! its own norm, then all by their common norm. Clipping by value follows, as in `clip_grad_value_`.

use super::{Real, gradient_norm};
use crate::engine::Clip;
use crate::model::Tensor;

/// Avoids a division by 0; the value that PyTorch uses.
const EPS: f64 = 1e-6;

/// Clips the trained part of a gradient arena in place, as [`Clip`] specifies.
pub fn clip<T: Real>(clip: &Clip, tensors: &[Tensor], gradient: &mut [T]) {
    if clip.needs_norms() {
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
            let common = scale_to(bound, norm);
            scales.iter_mut().for_each(|scale| *scale *= common);
        }
        for (tensor, scale) in tensors.iter().zip(scales) {
            let scale = T::of(scale);
            gradient[tensor.range()].iter_mut().for_each(|g| *g *= scale);
        }
    }
    for tensor in tensors {
        if let Some(bound) = clip.value_bound(tensor.kind) {
            limit(bound, &mut gradient[tensor.range()]);
        }
    }
}

/// Clamps values to [−bound, bound]. NaN stays NaN.
pub fn limit<T: Real>(bound: f32, values: &mut [T]) {
    let bound = T::of(bound.into());
    values.iter_mut().for_each(|value| *value = num_traits::clamp(*value, -bound, bound));
}

/// min(1, bound/(norm + ε))
fn scale_to(bound: f32, norm: f64) -> f64 {
    (f64::from(bound) / (norm + EPS)).min(1.0)
}
