//! The 2-norm of each tensor's gradient, √(Σ g²).

use super::Real;
use crate::model::Tensor;

/// Returns the norm of each tensor in a gradient arena. Squares are added in order, in f64: the square of an f32
/// cannot overflow there.
pub fn gradient_norm<T: Real>(tensors: &[Tensor], gradient: &[T]) -> Vec<f64> {
    let squares = |tensor: &Tensor| gradient[tensor.range()].iter().map(|g| g.as_f64() * g.as_f64());
    tensors.iter().map(|tensor| squares(tensor).sum::<f64>().sqrt()).collect()
}
