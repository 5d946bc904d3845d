//! Convolution, forward.
//!
//! `y[f, r, q] = act(bias[f] + Σ_c Σ_u Σ_v w[f, c, u, v] · x[c, r·s + u − p, q·s + v − p])`, with x = 0 outside of
//! the input: the paper's formula, a cross-correlation. The bias is added once; the paper's listing adds it once
//! per input channel.
//!
//! The fast loop computes blocks of sums, each for one or two vectors of [`LANES`] filters and a few neighbouring
//! columns q. Every weight vector that is loaded is used for all columns, and every value of x for all
//! filters. Strides cost nothing, because values of x are loaded one by one.
//!
//! A row of sums is stored as vectors over filters first and transposed into feature maps afterwards. If sums were
//! transposed as they are computed, the compiler would vectorise across columns too, at less than half the speed.
//!
//! Shapes per image: x `[C, H, W]`, w `[F, C, f, f]`, bias `[F]`, y
//! `[F, ⌊(H + 2p − f)/s⌋ + 1, ⌊(W + 2p − f)/s⌋ + 1]`.

use std::array::from_fn;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::activate;
use super::array_view::{ArrayView, indices};
use super::blocks::{LANES, add_scaled, chunk_len, for_each_chunk, starts};
use super::padded::PaddedLayout;
use crate::model::{Activation, ConvShape};

/// Vectors of filters per block, columns per block, and columns per block when a single vector of filters is left.
/// LeNet-5's rows have 28 and 10 columns, which blocks of 7 and 5 cover exactly, and ten sums with their operands
/// fit the 16 vector registers of x86.
pub(super) const VECTORS: usize = 2;
const COLUMNS: usize = 5;
const COLUMNS_OF_ONE: usize = 7;

/// Computes y = act(x ∗ weight + bias) for a batch: x `[B, C, H, W]`, weight `[F, C, f, f]`, bias `[F]` →
/// y `[B, F, H', W']`.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn conv_forward<T: Real>(
    shape: &ConvShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(y.len(), batch * shape.out_len(), "y is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [filters, channels, size, size]");
    assert_eq!(bias.len(), shape.filters, "the bias is not [filters]");

    let packed = Packed::new(shape, weight, bias);
    let chunk = chunk_len(batch);
    let chunks = x.par_chunks(chunk * shape.in_len()).zip(y.par_chunks_mut(chunk * shape.out_len()));
    for_each_chunk(chunks, |(x, y)| {
        let layout = PaddedLayout::new(shape);
        let mut padded = layout.zeros();
        let mut vectors = vec![[T::zero(); LANES]; VECTORS * shape.out_width()];
        for (x, y) in x.chunks_exact(shape.in_len()).zip(y.chunks_exact_mut(shape.out_len())) {
            layout.copy_image(x, &mut padded);
            image(shape, &layout, activation, &padded, &packed, &mut vectors, y);
        }
    });
}

/// The naive definition of [`conv_forward()`].
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(
    shape: &ConvShape,
    activation: Activation,
    x: &[T],
    weight: &[T],
    bias: &[T],
    y: &mut [T],
) {
    let &ConvShape { channels, height, width, filters, size, stride, padding } = shape;
    let batch = x.len() / shape.in_len();
    let y_dims = [batch, filters, shape.out_height(), shape.out_width()];
    let x = ArrayView::new(x, [batch, channels, height, width]);
    let w = ArrayView::new(weight, [filters, channels, size, size]);
    let mut sums = ArrayView::new(&mut *y, y_dims);
    for [b, f, r, q] in indices(y_dims) {
        let mut sum = bias[f];
        for [c, u, v] in indices([channels, size, size]) {
            sum += w[[f, c, u, v]] * x.padded([b, c, r * stride + u, q * stride + v], padding);
        }
        sums[[b, f, r, q]] = sum;
    }
    activate(activation, y);
}

/// Weights and biases as vectors over [`LANES`] filters; lanes beyond the last filter are 0.
pub(super) struct Packed<T> {
    /// `[⌈F/LANES⌉, C, f, f]`
    weight: Vec<[T; LANES]>,
    /// `[⌈F/LANES⌉]`
    bias: Vec<[T; LANES]>,
}

/// Up to [`VECTORS`] vectors of filters of a [`Packed`].
#[derive(Clone, Copy)]
pub(super) struct Filters<'a, T> {
    weight: &'a [[T; LANES]],
    bias: &'a [[T; LANES]],
}

impl<T: Real> Packed<T> {
    pub(super) fn new(shape: &ConvShape, weight: &[T], bias: &[T]) -> Self {
        let (len, vectors) = (filter_len(shape), shape.filters.div_ceil(LANES));
        let mut packed =
            Self { weight: vec![[T::zero(); LANES]; vectors * len], bias: vec![[T::zero(); LANES]; vectors] };
        for (f, (weight, &bias)) in weight.chunks_exact(len).zip(bias).enumerate() {
            let (vectors, lane) = (&mut packed.weight[f / LANES * len..], f % LANES);
            for (vector, &weight) in vectors.iter_mut().zip(weight) {
                vector[lane] = weight;
            }
            packed.bias[f / LANES][lane] = bias;
        }
        packed
    }

    /// Iterates over all filters, [`VECTORS`] · [`LANES`] at a time.
    #[inline(always)]
    pub(super) fn filters(&self, shape: &ConvShape) -> impl Iterator<Item = Filters<'_, T>> {
        let weights = self.weight.chunks(VECTORS * filter_len(shape));
        weights.zip(self.bias.chunks(VECTORS)).map(|(weight, bias)| Filters { weight, bias })
    }
}

/// Number of weights of one filter.
fn filter_len(shape: &ConvShape) -> usize {
    shape.channels * shape.size * shape.size
}

/// One image: padded x → y `[F, H', W']`. `vectors` is scratch space for one row, `[VECTORS, W']`.
#[multiversion(targets("x86_64+avx2+fma"))]
fn image<T: Real>(
    shape: &ConvShape,
    layout: &PaddedLayout,
    activation: Activation,
    x: &[T],
    packed: &Packed<T>,
    vectors: &mut [[T; LANES]],
    y: &mut [T],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let width = shape.out_width();
    let positions = shape.out_height() * width;
    for (filters, y) in packed.filters(shape).zip(y.chunks_mut(VECTORS * LANES * positions)) {
        for r in 0..shape.out_height() {
            row(fused, shape, layout, x, filters, r, |sum| sum, vectors);
            for (f, y) in y.chunks_exact_mut(positions).enumerate() {
                let y = &mut y[r * width..][..width];
                for (y, vector) in y.iter_mut().zip(&vectors[f / LANES * width..]) {
                    *y = vector[f % LANES];
                }
                activate(activation, y);
            }
        }
    }
}

/// One row r of the output: padded x → vectors `[VECTORS, W']`, with `finish` applied to each sum.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn row<T: Real>(
    fused: bool,
    shape: &ConvShape,
    layout: &PaddedLayout,
    x: &[T],
    filters: Filters<T>,
    r: usize,
    finish: impl Fn(T) -> T + Copy,
    vectors: &mut [[T; LANES]],
) {
    let (wide, one_wide) = (shape.out_width() >= COLUMNS, shape.out_width() >= COLUMNS_OF_ONE);
    let x = &x[r * shape.stride * layout.width()..];
    match (filters.bias.len() == VECTORS, wide, one_wide) {
        (true, true, _) => blocks::<T, VECTORS, COLUMNS>(fused, shape, layout, x, filters, finish, vectors),
        (true, false, _) => blocks::<T, VECTORS, 1>(fused, shape, layout, x, filters, finish, vectors),
        (false, _, true) => blocks::<T, 1, COLUMNS_OF_ONE>(fused, shape, layout, x, filters, finish, vectors),
        (false, _, false) => blocks::<T, 1, 1>(fused, shape, layout, x, filters, finish, vectors),
    }
}

/// A row of `VECTORS` vectors of filters, `COLUMNS` columns at a time. `x` starts with the row's first window.
#[inline(always)]
fn blocks<T: Real, const VECTORS: usize, const COLUMNS: usize>(
    fused: bool,
    shape: &ConvShape,
    layout: &PaddedLayout,
    x: &[T],
    filters: Filters<T>,
    finish: impl Fn(T) -> T,
    vectors: &mut [[T; LANES]],
) {
    let width = shape.out_width();
    for column in starts(width, COLUMNS) {
        let x = &x[column * shape.stride..];
        // With LeNet-5's size and stride as constants the compiler unrolls the inner loop.
        let sums = match (shape.size, shape.stride) {
            (5, 1) => block::<T, VECTORS, COLUMNS>(fused, shape, layout, 5, 1, x, filters),
            (size, stride) => block::<T, VECTORS, COLUMNS>(fused, shape, layout, size, stride, x, filters),
        };
        for (vector, sums) in sums.iter().enumerate() {
            let vectors = &mut vectors[vector * width + column..][..COLUMNS];
            for (to, sum) in vectors.iter_mut().zip(sums) {
                for lane in 0..LANES {
                    to[lane] = finish(sum[lane]);
                }
            }
        }
    }
}

/// The sums of one block. `x` starts with the block's first window.
#[inline(always)]
fn block<T: Real, const VECTORS: usize, const COLUMNS: usize>(
    fused: bool,
    shape: &ConvShape,
    layout: &PaddedLayout,
    size: usize,
    stride: usize,
    x: &[T],
    filters: Filters<T>,
) -> [[[T; LANES]; COLUMNS]; VECTORS] {
    let mut sums: [[[T; LANES]; COLUMNS]; VECTORS] = from_fn(|vector| [filters.bias[vector]; COLUMNS]);
    for c in 0..shape.channels {
        for u in 0..size {
            let x = &x[(c * layout.height() + u) * layout.width()..];
            // With one vector of filters, there are registers left to load everything that a row of the filter covers
            // after a single bounds check. With two vectors it is faster to load each value where it is used.
            let covered = if VECTORS == 1 { (COLUMNS - 1) * stride + size } else { x.len() };
            let x = &x[..covered];
            let weight: [&[[T; LANES]]; VECTORS] = from_fn(|vector| {
                &filters.weight[((vector * shape.channels + c) * size + u) * size..][..size]
            });
            for v in 0..size {
                let x = &x[v..][..(COLUMNS - 1) * stride + 1];
                for q in 0..COLUMNS {
                    for (sums, weight) in sums.iter_mut().zip(&weight) {
                        add_scaled(fused, &mut sums[q], x[q * stride], &weight[v]);
                    }
                }
            }
        }
    }
    sums
}
