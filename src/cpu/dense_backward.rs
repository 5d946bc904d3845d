//! Fully connected layer, backward.
//!
//! `dw[o, i] = Σ_b dy[b, o] · x[b, i]`, `db[o] = Σ_b dy[b, o]` and `dx[b, i] = Σ_o dy[b, o] · w[o, i]`, the last
//! times the derivative of the activation that x is the output of.
//!
//! dx is a sum of scaled rows of w, and dw a sum of scaled rows of x: [`scaled_rows`] computes a block of either in
//! registers. Threads share dw by its rows, so its sums need no reduction over threads.
//!
//! Shapes: x `[B, I]`, w `[O, I]`, dy `[B, O]` → dx `[B, I]`, dw `[O, I]`, db `[O]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::backward_through;
use super::array_view::{ArrayView, indices};
use super::blocks::{LANES, add_scaled, chunk_len, for_each_chunk, head, starts};
use crate::model::{Activation, DenseShape};

/// Result rows per block, and values of each row.
const ROWS: usize = 4;
const WIDTH: usize = 2 * LANES;

/// Computes the gradients of a batch: x `[B, I]`, weight `[O, I]`, dy `[B, O]` → dx `[B, I]`, dweight `[O, I]`, dbias
/// `[O]`, which are overwritten. `dy` is the gradient before this layer's activation. `dx` is the gradient at the
/// input of `input_activation`, whose output is `x`.
///
/// # Panics
/// If a slice does not have the length of its shape.
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

    let chunk = chunk_len(batch).next_multiple_of(ROWS);
    let input = || {
        let chunks = x.par_chunks(chunk * shape.inputs).zip(dy.par_chunks(chunk * shape.outputs));
        for_each_chunk(chunks.zip(dx.par_chunks_mut(chunk * shape.inputs)), |((x, dy), dx)| {
            images(shape, input_activation, x, weight, dy, dx);
        });
    };
    rayon::join(input, || dense_backward_weight(shape, x, dy, dweight, dbias));
}

/// Computes the gradients of the weight and the bias only, with the bits of [`dense_backward()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn dense_backward_weight<T: Real>(
    shape: &DenseShape,
    x: &[T],
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.inputs;
    assert_eq!(x.len(), batch * shape.inputs, "x is not [batch, inputs]");
    assert_eq!(dy.len(), batch * shape.outputs, "dy is not [batch, outputs]");
    assert_eq!(dweight.len(), shape.weight_len(), "dweight is not [outputs, inputs]");
    assert_eq!(dbias.len(), shape.outputs, "dbias is not [outputs]");
    let blocks = dweight.par_chunks_mut(ROWS * shape.inputs).zip(dbias.par_chunks_mut(ROWS));
    for_each_chunk(blocks.enumerate(), |(block, (dweight, dbias))| {
        outputs(shape, block * ROWS, x, dy, dweight, dbias);
    });
}

/// The naive definition of [`dense_backward()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
#[allow(clippy::too_many_arguments)]
pub fn reference<T: Real>(
    shape: &DenseShape,
    input_activation: Activation,
    x: &[T],
    weight: &[T],
    dy: &[T],
    dx: &mut [T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let &DenseShape { inputs, outputs } = shape;
    let batch = x.len() / inputs;
    let w = ArrayView::new(weight, [outputs, inputs]);
    let dy = ArrayView::new(dy, [batch, outputs]);
    for [b, i] in indices([batch, inputs]) {
        dx[b * inputs + i] = (0..outputs).map(|o| dy[[b, o]] * w[[o, i]]).sum();
    }
    backward_through(input_activation, x, dx);

    let x = ArrayView::new(x, [batch, inputs]);
    let mut dw = ArrayView::new(dweight, [outputs, inputs]);
    for [o, i] in indices([outputs, inputs]) {
        dw[[o, i]] = (0..batch).map(|b| dy[[b, o]] * x[[b, i]]).sum();
    }
    for (o, dbias) in dbias.iter_mut().enumerate() {
        *dbias = (0..batch).map(|b| dy[[b, o]]).sum();
    }
}

/// dx of one chunk of a batch.
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
    backward_through(input_activation, x, dx);
}

/// dw and db of up to [`ROWS`] outputs, starting with output `first`.
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

/// `result[r] = Σ_k scale(r, k) · rows[k]` for rows of `len` values and at most [`ROWS`] results.
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
