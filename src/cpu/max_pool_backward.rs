//! Max-pooling, backward.
//!
//! Each window's gradient goes to the position of its maximum: `dx[i]` is the sum of dy over the windows whose argmax
//! is i. The pool's input is the output of an activation, so the activation's derivative is applied here too.
//!
//! Shapes per image: x `[C, H, W]`, argmax and dy `[C, H', W']` → dx `[C, H, W]`.

use rayon::prelude::*;

use super::Real;
use super::activation::backward_through;
use super::blocks::{chunk_len, for_each_chunk};
use crate::model::{Activation, PoolShape};

/// Computes the gradient at the input of `activation`, whose output x was pooled: x `[B, C, H, W]`, argmax and dy
/// `[B, C, H', W']` → dx `[B, C, H, W]`, which is overwritten.
///
/// # Panics
/// If a slice does not have the length of its shape or an argmax is outside of its plane.
pub fn max_pool_backward<T: Real>(
    shape: &PoolShape,
    activation: Activation,
    x: &[T],
    argmax: &[u32],
    dy: &[T],
    dx: &mut [T],
) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(dx.len(), x.len(), "dx is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, channels, out_height, out_width]");
    assert_eq!(argmax.len(), dy.len(), "argmax is not [batch, channels, out_height, out_width]");

    let chunk = chunk_len(batch);
    let plane = shape.height * shape.width;
    let out_plane = shape.out_height() * shape.out_width();
    let windows = argmax.par_chunks(chunk * shape.out_len()).zip(dy.par_chunks(chunk * shape.out_len()));
    let planes = x.par_chunks(chunk * shape.in_len()).zip(dx.par_chunks_mut(chunk * shape.in_len()));
    for_each_chunk(planes.zip(windows), |((x, dx), (argmax, dy))| {
        dx.fill(T::zero());
        let planes = x.chunks_exact(plane).zip(dx.chunks_exact_mut(plane));
        let windows = argmax.chunks_exact(out_plane).zip(dy.chunks_exact(out_plane));
        for ((x, dx), (argmax, dy)) in planes.zip(windows) {
            for (&position, &dy) in argmax.iter().zip(dy) {
                dx[position as usize] += dy;
            }
            backward_through(activation, x, dx);
        }
    });
}
