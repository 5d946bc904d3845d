//! The 2-norm of each tensor's gradient: √ Σ g².

use super::Real;
use crate::model::Tensor;

/// One norm for each tensor of an arena of gradients. Squares are added up in f64, in order, whose range
/// the square of no f32 leaves.
pub fn gradient_norm<T: Real>(tensors: &[Tensor], gradient: &[T]) -> Vec<f64> {
    let squares = |tensor: &Tensor| gradient[tensor.range()].iter().map(|g| g.as_f64() * g.as_f64());
    tensors.iter().map(|tensor| squares(tensor).sum::<f64>().sqrt()).collect()
}
