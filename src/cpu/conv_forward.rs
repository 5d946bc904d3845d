//! The convolution, forward.
//!
//! `y[f, r, q] = act(b[f] + Σ_c Σ_u Σ_v w[f, c, u, v] · x[c, r·s + u − p, q·s + v − p])`, with x = 0
//! beyond its edges: the paper's formula, a cross-correlation. The bias is added once, not once for each
//! input channel as in the paper's listing.
//!
//! A block of sums is one or two vectors of [`LANES`] filters wide, for which weights are packed, and some
//! neighbouring columns q high: every weight loaded is used for each of the columns and every value of x
//! for each of the filters, and strides cost nothing, since values of x are taken one by one.
//!
//! Sums are stored as the vectors they are, a row of them, and then laid out as maps. Stored across
//! vectors at once, they would lead the compiler to vectorise across columns too, for less than half
//! the speed.
//!
//! Shapes, an image: x `[C, H, W]`, w `[F, C, f, f]`, b `[F]`, y `[F, ⌊(H + 2p − f)/s⌋ + 1, ⌊(W + 2p − f)/s⌋ + 1]`.

use std::array::from_fn;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::activation::activate;
use super::blocks::{LANES, add_scaled, for_each_part, part_len, starts};
use super::stage::Stage;
use crate::model::{Activation, ConvShape};

/// Vectors of filters and columns of a block, and columns where one vector of filters is left. LeNet-5's
/// rows have 28 and 10 values, of which sevens and fives waste none; and ten sums with their operands fit
/// the 16 registers of x86.
pub(super) const VECTORS: usize = 2;
const COLUMNS: usize = 5;
const COLUMNS_OF_ONE: usize = 7;

/// y = act(x ∗ weight + bias) for a batch: x `[B, C, H, W]` → y `[B, F, H', W']`.
///
/// # Panics
/// Where a slice's length is not its shape's.
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
    let part = part_len(batch);
    let parts = x.par_chunks(part * shape.in_len()).zip(y.par_chunks_mut(part * shape.out_len()));
    for_each_part(parts, |(x, y)| {
        let stage = Stage::new(shape);
        let mut staged = stage.empty();
        let mut vectors = vec![[T::zero(); LANES]; VECTORS * shape.out_width()];
        for (x, y) in x.chunks_exact(shape.in_len()).zip(y.chunks_exact_mut(shape.out_len())) {
            stage.place(x, &mut staged);
            image(shape, &stage, activation, &staged, &packed, &mut vectors, y);
        }
    });
}

/// Weights and biases as vectors over [`LANES`] filters, 0 beyond the last one.
pub(super) struct Packed<T> {
    /// `[⌈F/LANES⌉, C, f, f]`
    weight: Vec<[T; LANES]>,
    /// `[⌈F/LANES⌉]`
    bias: Vec<[T; LANES]>,
}

/// What [`Packed`] has of up to [`VECTORS`] vectors of filters.
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

    /// All filters, [`VECTORS`] · [`LANES`] at a time.
    #[inline(always)]
    pub(super) fn filters(&self, shape: &ConvShape) -> impl Iterator<Item = Filters<'_, T>> {
        let weights = self.weight.chunks(VECTORS * filter_len(shape));
        weights.zip(self.bias.chunks(VECTORS)).map(|(weight, bias)| Filters { weight, bias })
    }
}

/// Weights of one filter.
fn filter_len(shape: &ConvShape) -> usize {
    shape.channels * shape.size * shape.size
}

/// One image: staged x → y `[F, H', W']`. `vectors` has room for a row of [`VECTORS`] vectors.
#[multiversion(targets("x86_64+avx2+fma"))]
fn image<T: Real>(
    shape: &ConvShape,
    stage: &Stage,
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
            row(fused, shape, stage, x, filters, r, |sum| sum, vectors);
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

/// One row r of maps, of which each value is handed to `finish`: staged x → vectors `[VECTORS, W']`.
// Everything that a row is made of.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub(super) fn row<T: Real>(
    fused: bool,
    shape: &ConvShape,
    stage: &Stage,
    x: &[T],
    filters: Filters<T>,
    r: usize,
    finish: impl Fn(T) -> T + Copy,
    vectors: &mut [[T; LANES]],
) {
    let (wide, one_wide) = (shape.out_width() >= COLUMNS, shape.out_width() >= COLUMNS_OF_ONE);
    let x = &x[r * shape.stride * stage.width()..];
    match (filters.bias.len() == VECTORS, wide, one_wide) {
        (true, true, _) => blocks::<T, VECTORS, COLUMNS>(fused, shape, stage, x, filters, finish, vectors),
        (true, false, _) => blocks::<T, VECTORS, 1>(fused, shape, stage, x, filters, finish, vectors),
        (false, _, true) => blocks::<T, 1, COLUMNS_OF_ONE>(fused, shape, stage, x, filters, finish, vectors),
        (false, _, false) => blocks::<T, 1, 1>(fused, shape, stage, x, filters, finish, vectors),
    }
}

/// A row of `VECTORS` vectors of filters, `COLUMNS` columns at a time; x begins where the row's first window
/// does.
#[inline(always)]
fn blocks<T: Real, const VECTORS: usize, const COLUMNS: usize>(
    fused: bool,
    shape: &ConvShape,
    stage: &Stage,
    x: &[T],
    filters: Filters<T>,
    finish: impl Fn(T) -> T,
    vectors: &mut [[T; LANES]],
) {
    let width = shape.out_width();
    for column in starts(width, COLUMNS) {
        let x = &x[column * shape.stride..];
        // LeNet-5's side and stride, known when compiling, leave the loop that counts with nothing else to do.
        let sums = match (shape.size, shape.stride) {
            (5, 1) => block::<T, VECTORS, COLUMNS>(fused, shape, stage, 5, 1, x, filters),
            (size, stride) => block::<T, VECTORS, COLUMNS>(fused, shape, stage, size, stride, x, filters),
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

/// The sums of a block; x begins where its first window does.
#[inline(always)]
fn block<T: Real, const VECTORS: usize, const COLUMNS: usize>(
    fused: bool,
    shape: &ConvShape,
    stage: &Stage,
    size: usize,
    stride: usize,
    x: &[T],
    filters: Filters<T>,
) -> [[[T; LANES]; COLUMNS]; VECTORS] {
    let mut sums: [[[T; LANES]; COLUMNS]; VECTORS] = from_fn(|vector| [filters.bias[vector]; COLUMNS]);
    for c in 0..shape.channels {
        for u in 0..size {
            let x = &x[(c * stage.height() + u) * stage.width()..];
            // One vector of filters leaves registers for all that a row of the filter sees, if that is known to be
            // there at once; two vectors do not, and each value is better loaded where it is used.
            let seen = if VECTORS == 1 { (COLUMNS - 1) * stride + size } else { x.len() };
            let x = &x[..seen];
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
