//! The gradient of a convolution's input: the paper's second proof, as code.
//!
//! dL/dX is the full convolution of dL/dY with the filter rotated by 180°, summed over filters. That is to
//! say, each dy goes back through its filter to the window of x that it came from:
//! `dx[c, r·s + u − p, q·s + v − p] += dy[f, r, q] · w[f, c, u, v]` for all f, r, q, u and v, whatever the
//! stride and the padding, and x that no window reached gets 0. (The paper's listing pads by (f − 1)/2 and
//! keeps the last filter's part alone.)
//!
//! Those dy that are 0 are left out (see `terms.rs`). A block of sums is one row u of a window with a vector of
//! [`LANES`] channels for each place v, and takes in all filters' dy of the position together.
//!
//! Shapes, an image: dy `[F, H', W']`, w `[F, C, f, f]` → dx `[C, H, W]`.

use std::array::from_mut;

use multiversion::multiversion;
use multiversion::target::target_cfg_f;
use rayon::prelude::*;

use super::Real;
use super::blocks::{LANES, add_scaled, for_each_part, part_len};
use super::stage::Stage;
use super::terms::Terms;
use crate::model::ConvShape;

/// Places of a row of the filter in a block of sums. LeNet-5's filters have rows of five.
const PLACES: usize = 5;

/// dL/dX of a batch: dy `[B, F, H', W']` → dx `[B, C, H, W]`. `dy` is the gradient before the
/// activation, that is, already masked.
///
/// # Panics
/// Where a slice's length is not its shape's.
pub fn conv_backward_input<T: Real>(shape: &ConvShape, weight: &[T], dy: &[T], dx: &mut [T]) {
    let batch = dx.len() / shape.in_len();
    assert_eq!(dx.len(), batch * shape.in_len(), "dx is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(weight.len(), shape.weight_len(), "the weight is not [filters, channels, size, size]");

    let packed = pack(shape, weight);
    let part = part_len(batch);
    let parts = dy.par_chunks(part * shape.out_len()).zip(dx.par_chunks_mut(part * shape.in_len()));
    for_each_part(parts, |(dy, dx)| {
        let stage = Stage::new(shape);
        let mut terms = Terms::new(shape, &stage, shape.out_height() * shape.out_width());
        let mut sums = Sums::new(shape, &stage);
        for (dy, dx) in dy.chunks_exact(shape.out_len()).zip(dx.chunks_exact_mut(shape.in_len())) {
            terms.pick(dy);
            image(shape, &stage, &packed, &terms, &mut sums, dx);
        }
    });
}

/// Weights as vectors over [`LANES`] channels, 0 beyond the last one: `[⌈C/LANES⌉, F, f, f]`.
pub(super) fn pack<T: Real>(shape: &ConvShape, weight: &[T]) -> Vec<[T; LANES]> {
    let area = shape.size * shape.size;
    let mut packed = vec![[T::zero(); LANES]; shape.channels.div_ceil(LANES) * shape.filters * area];
    for (map, weight) in weight.chunks_exact(area).enumerate() {
        let (f, c) = (map / shape.channels, map % shape.channels);
        let vectors = &mut packed[(c / LANES * shape.filters + f) * area..];
        for (vector, &weight) in vectors.iter_mut().zip(weight) {
            vector[c % LANES] = weight;
        }
    }
    packed
}

/// What an image's sums are made of.
pub(super) struct Sums<T> {
    /// The terms that begin at each staged place: which filter's, and the gradient. `[places, F]`, of which
    /// each place uses a front.
    terms: Vec<(u32, T)>,
    /// `[places]`
    counts: Vec<usize>,
    /// A vector of channels for each staged place.
    vectors: Vec<[T; LANES]>,
}

impl<T: Real> Sums<T> {
    pub(super) fn new(shape: &ConvShape, stage: &Stage) -> Self {
        let places = stage.height() * stage.width();
        Self {
            terms: vec![(0, T::zero()); places * shape.filters],
            counts: vec![0; places],
            vectors: vec![[T::zero(); LANES]; places],
        }
    }

    /// Sorts an image's terms by their places.
    fn sort(&mut self, shape: &ConvShape, terms: &Terms<T>) {
        self.counts.fill(0);
        for f in 0..shape.filters {
            let (places, values) = terms.of_filter(f);
            for (&place, &value) in places.iter().zip(values) {
                self.terms[place * shape.filters + self.counts[place]] = (f as u32, value);
                self.counts[place] += 1;
            }
        }
    }
}

/// One image's dx `[C, H, W]` from its terms.
#[multiversion(targets("x86_64+avx2+fma"))]
pub(super) fn image<T: Real>(
    shape: &ConvShape,
    stage: &Stage,
    packed: &[[T; LANES]],
    terms: &Terms<T>,
    sums: &mut Sums<T>,
    dx: &mut [T],
) {
    let fused = target_cfg_f!(any(target_feature = "fma", target_arch = "aarch64"));
    let area = shape.size * shape.size;
    sums.sort(shape, terms);
    let blocks = packed.chunks_exact(shape.filters * area);
    for (weight, dx) in blocks.zip(dx.chunks_mut(LANES * shape.height * shape.width)) {
        sums.vectors.fill([T::zero(); LANES]);
        let lists = sums.terms.chunks_exact(shape.filters).zip(&sums.counts);
        for (place, (terms, &count)) in lists.enumerate().filter(|(_, (_, count))| **count > 0) {
            let window = &mut sums.vectors[place..];
            for u in 0..shape.size {
                let (row, rest) = window[u * stage.width()..][..shape.size].as_chunks_mut::<PLACES>();
                let mut first = u * shape.size;
                for sums in row {
                    add_terms(fused, area, &weight[first..], &terms[..count], sums);
                    first += PLACES;
                }
                for sum in rest {
                    add_terms(fused, area, &weight[first..], &terms[..count], from_mut(sum));
                    first += 1;
                }
            }
        }
        for (c, dx) in dx.chunks_exact_mut(shape.height * shape.width).enumerate() {
            for (i, dx) in dx.chunks_exact_mut(shape.width).enumerate() {
                let vectors = &sums.vectors[(i + shape.padding) * stage.width() + shape.padding..];
                for (dx, vector) in dx.iter_mut().zip(vectors) {
                    *dx = vector[c];
                }
            }
        }
    }
}

/// Adds to the sums of N neighbouring places of the filter, whose weights the first filter's `weight` begins
/// with.
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
