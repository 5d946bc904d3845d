//! Max-pooling, backward.
//!
//! Each window's gradient goes to where its maximum was: `dx[i]` is the sum of dy over the windows whose
//! argmax is i. The pool's input is some activation's output, so that activation's derivative is
//! applied here too, and conv + ReLU + pool need no pass of their own for it.
//!
//! Shapes, an image: x `[C, H, W]`, argmax and dy `[C, H', W']` → dx `[C, H, W]`.

use rayon::prelude::*;

use super::Real;
use super::activation::through;
use super::blocks::{for_each_part, part_len};
use crate::model::{Activation, PoolShape};

/// dL/d(input of `activation`) of a batch, where x = activation(input) is what was pooled: x
/// `[B, C, H, W]`, argmax and dy `[B, C, H', W']` → dx `[B, C, H, W]`.
///
/// # Panics
/// Where a slice's length is not its shape's, or an argmax lies outside its plane.
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

    let part = part_len(batch);
    let plane = shape.height * shape.width;
    let out_plane = shape.out_height() * shape.out_width();
    let windows = argmax.par_chunks(part * shape.out_len()).zip(dy.par_chunks(part * shape.out_len()));
    let maps = x.par_chunks(part * shape.in_len()).zip(dx.par_chunks_mut(part * shape.in_len()));
    for_each_part(maps.zip(windows), |((x, dx), (argmax, dy))| {
        dx.fill(T::zero());
        let maps = x.chunks_exact(plane).zip(dx.chunks_exact_mut(plane));
        let windows = argmax.chunks_exact(out_plane).zip(dy.chunks_exact(out_plane));
        for ((x, dx), (argmax, dy)) in maps.zip(windows) {
            for (&place, &dy) in argmax.iter().zip(dy) {
                dx[place as usize] += dy;
            }
            through(activation, x, dx);
        }
    });
}
