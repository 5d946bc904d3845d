//! A fully connected layer, backward.
//!
//! `dw[o, i] = Σ_b dy[b, o] · x[b, i]`, `db[o] = Σ_b dy[b, o]` and `dx[b, i] = Σ_o dy[b, o] · w[o, i]`,
//! times the derivative of the activation that x came from.
//!
//! Both are sums of scaled rows, of images in the one case and of weights in the other: [`scaled_rows`]
//! keeps a block of them in registers. dw is cut by its own rows, which need no sum over threads.
//!
//! Shapes: x `[B, I]`, w `[O, I]`, dy `[B, O]` → dx `[B, I]`, dw `[O, I]`, db `[O]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::through;
use super::blocks::{LANES, add_scaled, for_each_part, head, part_len, starts};
use crate::model::{Activation, DenseShape};

/// Rows of results in a block, and values of each.
const ROWS: usize = 4;
const WIDTH: usize = 2 * LANES;

/// Gradients of a batch: x `[B, I]`, dy `[B, O]` → dx `[B, I]`, dweight `[O, I]`, dbias `[O]`, which are
/// all overwritten. `dy` is the gradient before this layer's activation; `dx` is taken through
/// `input_activation`, whose output is `x`.
///
/// # Panics
/// Where a slice's length is not its shape's.
// The gradients of three things from three things: there is nothing to be grouped.
#[allow(clippy::too_many_arguments)]
pub fn dense_backward<T: Real>(
    shape: &DenseShape,
    input_activation: Activation,
    x: &[T],
    weight: &[T],
    dy: &[T],
    dx: &mut [T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.inputs;
    assert_eq!(x.len(), batch * shape.inputs, "x is not [batch, inputs]");
    assert_eq!(dx.len(), x.len(), "dx is not [batch, inputs]");
    assert_eq!(dy.len(), batch * shape.outputs, "dy is not [batch, outputs]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [outputs, inputs]");
    assert_eq!(dweight.len(), shape.weight_len(), "dweight is not [outputs, inputs]");
    assert_eq!(dbias.len(), shape.outputs, "dbias is not [outputs]");

    let part = part_len(batch).next_multiple_of(ROWS);
    let input = || {
        let parts = x.par_chunks(part * shape.inputs).zip(dy.par_chunks(part * shape.outputs));
        for_each_part(parts.zip(dx.par_chunks_mut(part * shape.inputs)), |((x, dy), dx)| {
            images(shape, input_activation, x, weight, dy, dx);
        });
    };
    let weights = || {
        let blocks = dweight.par_chunks_mut(ROWS * shape.inputs).zip(dbias.par_chunks_mut(ROWS));
        for_each_part(blocks.enumerate(), |(block, (dweight, dbias))| {
            outputs(shape, block * ROWS, x, dy, dweight, dbias);
        });
    };
    rayon::join(input, weights);
}

/// dx of some images of a batch.
#[multiversion(targets("x86_64+avx2+fma"))]
fn images<T: Real>(
    shape: &DenseShape,
    input_activation: Activation,
    x: &[T],
    weight: &[T],
    dy: &[T],
    dx: &mut [T],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let blocks = dx.chunks_mut(ROWS * shape.inputs).zip(dy.chunks(ROWS * shape.outputs));
    for (dx, dy) in blocks {
        scaled_rows(fused, shape.inputs, weight, |b, o| dy[b * shape.outputs + o], dx);
    }
    through(input_activation, x, dx);
}

/// dw and db of up to [`ROWS`] outputs from `first` on.
#[multiversion(targets("x86_64+avx2+fma"))]
fn outputs<T: Real>(shape: &DenseShape, first: usize, x: &[T], dy: &[T], dweight: &mut [T], dbias: &mut [T]) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    scaled_rows(fused, shape.inputs, x, |o, b| dy[b * shape.outputs + first + o], dweight);
    dbias.fill(T::zero());
    for dy in dy.chunks_exact(shape.outputs) {
        for (dbias, &dy) in dbias.iter_mut().zip(&dy[first..]) {
            *dbias += dy;
        }
    }
}

/// `result[r] = Σ_k scale(r, k) · rows[k]`, for rows of `len` values and at most [`ROWS`] results.
#[inline(always)]
fn scaled_rows<T: Real>(
    fused: bool,
    len: usize,
    rows: &[T],
    scale: impl Fn(usize, usize) -> T + Copy,
    result: &mut [T],
) {
    match (result.len() == ROWS * len, len >= WIDTH) {
        (true, true) => blocks::<T, ROWS, WIDTH>(fused, len, rows, scale, result),
        (true, false) => blocks::<T, ROWS, 1>(fused, len, rows, scale, result),
        (false, wide) => {
            for (r, result) in result.chunks_exact_mut(len).enumerate() {
                let scale = |_, k| scale(r, k);
                match wide {
                    true => blocks::<T, 1, WIDTH>(fused, len, rows, scale, result),
                    false => blocks::<T, 1, 1>(fused, len, rows, scale, result),
                }
            }
        }
    }
}

/// [`scaled_rows`] for exactly `ROWS` results, `WIDTH` values at a time.
#[inline(always)]
fn blocks<T: Real, const ROWS: usize, const WIDTH: usize>(
    fused: bool,
    len: usize,
    rows: &[T],
    scale: impl Fn(usize, usize) -> T,
    result: &mut [T],
) {
    for start in starts(len, WIDTH) {
        let mut sums = [[T::zero(); WIDTH]; ROWS];
        for (k, row) in rows.chunks_exact(len).enumerate() {
            let row: &[T; WIDTH] = head(&row[start..]);
            for (r, sum) in sums.iter_mut().enumerate() {
                add_scaled(fused, sum, scale(r, k), row);
            }
        }
        for (sum, result) in sums.iter().zip(result.chunks_exact_mut(len)) {
            result[start..][..WIDTH].copy_from_slice(sum);
        }
    }
}
