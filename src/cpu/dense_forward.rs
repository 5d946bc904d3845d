//! Fully connected layer, forward.
//!
//! `y[b, o] = act(bias[o] + Σ_i x[b, i] · w[o, i])`.
//!
//! Both operands are contiguous in i. The fast loop keeps [`LANES`] partial sums of every LANES-th term and adds them
//! in pairs at the end, in the same order on every machine. A block computes a few images times a few outputs, so
//! that every value loaded is used more than once.
//!
//! Shapes: x `[B, I]`, w `[O, I]`, bias `[O]` → y `[B, O]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::activate;
use super::array_view::{ArrayView, indices};
use super::blocks::{LANES, chunk_len, for_each_chunk, multiply_add, starts, sum_in_pairs};
use crate::model::{Activation, DenseShape};

/// Images and outputs per block.
const IMAGES: usize = 2;
const OUTPUTS: usize = 4;

/// Computes y = act(x Wᵀ + bias) for a batch: x `[B, I]`, weight `[O, I]`, bias `[O]` → y `[B, O]`.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn dense_forward<T: Real>(
    shape: &DenseShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let batch = x.len() / shape.inputs;
    assert_eq!(x.len(), batch * shape.inputs, "x is not [batch, inputs]");
    assert_eq!(y.len(), batch * shape.outputs, "y is not [batch, outputs]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [outputs, inputs]");
    assert_eq!(bias.len(), shape.outputs, "the bias is not [outputs]");

    let chunk = chunk_len(batch).next_multiple_of(IMAGES);
    let chunks = x.par_chunks(chunk * shape.inputs).zip(y.par_chunks_mut(chunk * shape.outputs));
    for_each_chunk(chunks, |(x, y)| images(shape, activation, x, weight, bias, y));
}

/// The naive definition of [`dense_forward()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(
    shape: &DenseShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let &DenseShape { inputs, outputs } = shape;
    let batch = x.len() / inputs;
    let (x, w) = (ArrayView::new(x, [batch, inputs]), ArrayView::new(weight, [outputs, inputs]));
    let mut sums = ArrayView::new(&mut *y, [batch, outputs]);
    for [b, o] in indices([batch, outputs]) {
        let mut sum = bias[o];
        for i in 0..inputs {
            sum += x[[b, i]] * w[[o, i]];
        }
        sums[[b, o]] = sum;
    }
    activate(activation, y);
}

/// One chunk of a batch.
#[multiversion(targets("x86_64+avx2+fma"))]
fn images<T: Real>(
    shape: &DenseShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let blocks = x.chunks(IMAGES * shape.inputs).zip(y.chunks_mut(IMAGES * shape.outputs));
    for (x, y) in blocks {
        match (x.len() / shape.inputs, shape.outputs >= OUTPUTS) {
            (IMAGES, true) => outputs::<T, IMAGES, OUTPUTS>(fused, shape, activation, x, weight, bias, y),
            (IMAGES, false) => outputs::<T, IMAGES, 1>(fused, shape, activation, x, weight, bias, y),
            (_, true) => outputs::<T, 1, OUTPUTS>(fused, shape, activation, x, weight, bias, y),
            (_, false) => outputs::<T, 1, 1>(fused, shape, activation, x, weight, bias, y),
        }
    }
}

/// All outputs of `IMAGES` images, `OUTPUTS` at a time.
#[inline(always)]
fn outputs<T: Real, const IMAGES: usize, const OUTPUTS: usize>(
    fused: bool,
    shape: &DenseShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let x: [&[T]; IMAGES] = std::array::from_fn(|b| &x[b * shape.inputs..][..shape.inputs]);
    for first in starts(shape.outputs, OUTPUTS) {
        let rows: [&[T]; OUTPUTS] =
            std::array::from_fn(|o| &weight[(first + o) * shape.inputs..][..shape.inputs]);
        let sums = dots(fused, x, rows);
        for (b, sums) in sums.iter().enumerate() {
            for (o, &sum) in sums.iter().enumerate() {
                y[b * shape.outputs + first + o] = sum + bias[first + o];
            }
        }
    }
    activate(activation, y);
}

/// The dot product of each row of `a` with each row of `b`, all of one length.
#[inline(always)]
fn dots<T: Real, const A: usize, const B: usize>(fused: bool, a: [&[T]; A], b: [&[T]; B]) -> [[T; B]; A] {
    let a = a.map(|row| row.as_chunks::<LANES>());
    let b = b.map(|row| row.as_chunks::<LANES>());
    let mut sums = [[[T::zero(); LANES]; B]; A];
    for chunk in 0..a[0].0.len() {
        let a = a.map(|(row, _)| row[chunk]);
        let b = b.map(|(row, _)| row[chunk]);
        for (sums, a) in sums.iter_mut().zip(&a) {
            for (sum, b) in sums.iter_mut().zip(&b) {
                for lane in 0..LANES {
                    sum[lane] = multiply_add(fused, sum[lane], a[lane], b[lane]);
                }
            }
        }
    }
    for (sums, (_, a)) in sums.iter_mut().zip(&a) {
        for (sum, (_, b)) in sums.iter_mut().zip(&b) {
            for (sum, (&a, &b)) in sum.iter_mut().zip(a.iter().zip(*b)) {
                *sum += a * b;
            }
        }
    }
    sums.map(|sums| sums.map(sum_in_pairs))
}
