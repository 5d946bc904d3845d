//! Gradient of a convolution's input: the paper's second proof.
//!
//! dL/dX is the full convolution of dL/dY with the filter rotated by 180°, summed over filters:
//! `dx[c, i, j] = Σ_f Σ_u Σ_v D[f, i + p + u, j + p + v] · w[f, c, k − 1 − u, k − 1 − v]` for filters of side k.
//! D is dL/dY with `s − 1` zeros between neighbours and `k − 1` zeros around them. Elements of x that no window covers
//! get 0. (The paper's listing pads by `(k − 1)/2` and keeps only the last filter's term.)
//!
//! The fast loop computes the same sums by scattering: every dy is added to the window of x that it came from,
//! `dx[c, r·s + u − p, q·s + v − p] += dy[f, r, q] · w[f, c, u, v]`. Gradients that are 0 are skipped (see
//! `sparse_gradient.rs`). A block of sums is a row u of a window, a vector of [`LANES`] channels for each v, and
//! takes the dy of all filters at a position together.
//!
//! Shapes per image: dy `[F, H', W']`, w `[F, C, f, f]` → dx `[C, H, W]`.

use std::array::from_mut;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::array_view::{ArrayView, indices};
use super::blocks::{LANES, add_scaled, chunk_len, for_each_chunk};
use super::padded::PaddedLayout;
use super::sparse_gradient::SparseGradient;
use crate::model::ConvShape;

/// Columns of a filter row in a block of sums: LeNet-5's filters have rows of five.
const COLUMNS: usize = 5;

/// Computes dL/dX for a batch: weight `[F, C, f, f]`, dy `[B, F, H', W']` → dx `[B, C, H, W]`. `dy` is the gradient
/// before the activation, that is, already multiplied by the activation's derivative.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn conv_backward_input<T: Real>(shape: &ConvShape, weight: &[T], dy: &[T], dx: &mut [T]) {
    let batch = dx.len() / shape.in_len();
    assert_eq!(dx.len(), batch * shape.in_len(), "dx is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [filters, channels, size, size]");

    let packed = pack(shape, weight);
    let chunk = chunk_len(batch);
    let chunks = dy.par_chunks(chunk * shape.out_len()).zip(dx.par_chunks_mut(chunk * shape.in_len()));
    for_each_chunk(chunks, |(dy, dx)| {
        let layout = PaddedLayout::new(shape);
        let mut gradient = SparseGradient::new(shape, &layout, shape.out_height() * shape.out_width());
        let mut sums = Sums::new(shape, &layout);
        for (dy, dx) in dy.chunks_exact(shape.out_len()).zip(dx.chunks_exact_mut(shape.in_len())) {
            gradient.set(dy);
            image(shape, &layout, &packed, &gradient, &mut sums, dx);
        }
    });
}

/// The naive definition of [`conv_backward_input()`]: the full convolution, written as in the proof.
///
/// # Panics
/// If a slice does not have the length of its shape.
pub fn reference<T: Real>(shape: &ConvShape, weight: &[T], dy: &[T], dx: &mut [T]) {
    let &ConvShape { channels, height, width, filters, size, stride, padding } = shape;
    let batch = dx.len() / shape.in_len();
    let (dx_dims, dy_dims) =
        ([batch, channels, height, width], [batch, filters, shape.out_height(), shape.out_width()]);
    let w = ArrayView::new(weight, [filters, channels, size, size]);
    let dy = ArrayView::new(dy, dy_dims);
    let mut dx = ArrayView::new(dx, dx_dims);

    // D: dL/dY, dilated by the stride, inside a border of zeros.
    let (tall, wide) = (height + 2 * padding + size - 1, width + 2 * padding + size - 1);
    let mut full =
        ArrayView::new(vec![T::zero(); batch * filters * tall * wide], [batch, filters, tall, wide]);
    for [b, f, r, q] in indices(dy_dims) {
        full[[b, f, r * stride + size - 1, q * stride + size - 1]] = dy[[b, f, r, q]];
    }

    for [b, c, i, j] in indices(dx_dims) {
        let mut sum = T::zero();
        for [f, u, v] in indices([filters, size, size]) {
            let rotated = w[[f, c, size - 1 - u, size - 1 - v]];
            sum += full[[b, f, i + padding + u, j + padding + v]] * rotated;
        }
        dx[[b, c, i, j]] = sum;
    }
}

/// Weights as vectors over [`LANES`] channels; lanes beyond the last channel are 0: `[⌈C/LANES⌉, F, f, f]`.
pub(super) fn pack<T: Real>(shape: &ConvShape, weight: &[T]) -> Vec<[T; LANES]> {
    let area = shape.size * shape.size;
    let mut packed = vec![[T::zero(); LANES]; shape.channels.div_ceil(LANES) * shape.filters * area];
    for (plane, weight) in weight.chunks_exact(area).enumerate() {
        let (f, c) = (plane / shape.channels, plane % shape.channels);
        let vectors = &mut packed[(c / LANES * shape.filters + f) * area..];
        for (vector, &weight) in vectors.iter_mut().zip(weight) {
            vector[c % LANES] = weight;
        }
    }
    packed
}

/// Scratch space for one image's sums.
pub(super) struct Sums<T> {
    /// `[positions, F]`: the filters and gradients whose window starts at each position of the padded input.
    terms: Vec<(u32, T)>,
    /// `[positions]`: the number of terms of each position.
    counts: Vec<usize>,
    /// `[positions]`: the sums, a vector of channels each.
    vectors: Vec<[T; LANES]>,
}

impl<T: Real> Sums<T> {
    pub(super) fn new(shape: &ConvShape, layout: &PaddedLayout) -> Self {
        let positions = layout.height() * layout.width();
        Self {
            terms: vec![(0, T::zero()); positions * shape.filters],
            counts: vec![0; positions],
            vectors: vec![[T::zero(); LANES]; positions],
        }
    }

    /// Sorts an image's gradients by the positions of their windows.
    fn sort(&mut self, shape: &ConvShape, gradient: &SparseGradient<T>) {
        self.counts.fill(0);
        for f in 0..shape.filters {
            let (starts, values) = gradient.of_filter(f);
            for (&start, &value) in starts.iter().zip(values) {
                self.terms[start * shape.filters + self.counts[start]] = (f as u32, value);
                self.counts[start] += 1;
            }
        }
    }
}

/// One image's dx `[C, H, W]`.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn image<T: Real>(
    shape: &ConvShape,
    layout: &PaddedLayout,
    packed: &[[T; LANES]],
    gradient: &SparseGradient<T>,
    sums: &mut Sums<T>,
    dx: &mut [T],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let area = shape.size * shape.size;
    sums.sort(shape, gradient);
    let blocks = packed.chunks_exact(shape.filters * area);
    for (weight, dx) in blocks.zip(dx.chunks_mut(LANES * shape.height * shape.width)) {
        sums.vectors.fill([T::zero(); LANES]);
        let lists = sums.terms.chunks_exact(shape.filters).zip(&sums.counts);
        for (start, (terms, &count)) in lists.enumerate().filter(|(_, (_, count))| **count > 0) {
            let window = &mut sums.vectors[start..];
            for u in 0..shape.size {
                let (row, rest) = window[u * layout.width()..][..shape.size].as_chunks_mut::<COLUMNS>();
                let mut first = u * shape.size;
                for sums in row {
                    add_terms(fused, area, &weight[first..], &terms[..count], sums);
                    first += COLUMNS;
                }
                for sum in rest {
                    add_terms(fused, area, &weight[first..], &terms[..count], from_mut(sum));
                    first += 1;
                }
            }
        }
        for (c, dx) in dx.chunks_exact_mut(shape.height * shape.width).enumerate() {
            for (i, dx) in dx.chunks_exact_mut(shape.width).enumerate() {
                let vectors = &sums.vectors[(i + shape.padding) * layout.width() + shape.padding..];
                for (dx, vector) in dx.iter_mut().zip(vectors) {
                    *dx = vector[c];
                }
            }
        }
    }
}

/// Adds the terms of one position to the sums of N neighbouring filter columns. `weight` starts with the first
/// filter's weights of these columns.
#[inline(always)]
fn add_terms<T: Real, const N: usize>(
    fused: bool,
    area: usize,
    weight: &[[T; LANES]],
    terms: &[(u32, T)],
    sums: &mut [[T; LANES]; N],
) {
    let mut block = *sums;
    for &(f, dy) in terms {
        let weight = &weight[f as usize * area..][..N];
        for (sum, weight) in block.iter_mut().zip(weight) {
            add_scaled(fused, sum, dy, weight);
        }
    }
    *sums = block;
}
