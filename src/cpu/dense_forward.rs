//! A fully connected layer, forward.
//!
//! `y[b, o] = act(bias[o] + Σ_i x[b, i] · w[o, i])`.
//!
//! Both operands lie along i, so a sum runs along rows: [`LANES`] partial sums take every LANES-th
//! term each and are added in pairs at the end, the same for every machine. A block holds the sums of
//! a few images with a few outputs, so that what is loaded is used more than once.
//!
//! Shapes: x `[B, I]`, w `[O, I]`, bias `[O]` → y `[B, O]`.

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::activate;
use super::blocks::{LANES, for_each_part, multiply_add, part_len, starts, sum_in_pairs};
use crate::model::{Activation, DenseShape};

/// Images and outputs of a block.
const IMAGES: usize = 2;
const OUTPUTS: usize = 4;

/// y = act(x Wᵀ + bias) for a batch: x `[B, I]` → y `[B, O]`.
///
/// # Panics
/// Where a slice's length is not its shape's.
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

    let part = part_len(batch).next_multiple_of(IMAGES);
    let parts = x.par_chunks(part * shape.inputs).zip(y.par_chunks_mut(part * shape.outputs));
    for_each_part(parts, |(x, y)| images(shape, activation, x, weight, bias, y));
}

/// Some images of a batch, one thread's work.
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

/// The dot product of each of `A` rows with each of `B`, all of one length.
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
