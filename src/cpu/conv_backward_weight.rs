//! The gradient of a convolution's weights: the paper's first proof, as code.
//!
//! dL/dF is X convolved with dL/dY, summed over the images of the batch (the paper's listing keeps the
//! last one's):
//! `dw[f, c, u, v] = Σ_b Σ_r Σ_q dy[b, f, r, q] · x[b, c, r·s + u − p, q·s + v − p]` and
//! `db[f] = Σ_b Σ_r Σ_q dy[b, f, r, q]`.
//!
//! A block of sums is [`LANES`] filters wide and [`COLUMNS`] neighbouring places v of the filter high; it
//! runs over an image's whole map before it is added to the part's sums. Parts are added in their
//! order at the end.
//!
//! Shapes, an image: x `[C, H, W]`, dy `[F, H', W']` → dw `[F, C, f, f]`, db `[F]`.

use multiversion::multiversion;
use rayon::prelude::*;

use super::Real;
use super::blocks::{COLUMNS, LANES, PARTS, Scratch, add, add_scaled, head, part_len};
use super::stage::Stage;
use crate::model::ConvShape;

/// dL/dF and dL/db, summed over the batch: x `[B, C, H, W]`, dy `[B, F, H', W']`. What `dweight` and
/// `dbias` held is overwritten. `dy` is the gradient before the activation, that is, already masked.
///
/// # Panics
/// Where a slice's length is not its shape's, or the batch is empty.
pub fn conv_backward_weight<T: Real>(
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    conv_backward_weight_in(&mut Scratch::default(), shape, x, dy, dweight, dbias);
}

/// [`conv_backward_weight`] with memory to work in.
pub(super) fn conv_backward_weight_in<T: Real>(
    scratch: &mut Scratch<T>,
    shape: &ConvShape,
    x: &[T],
    dy: &[T],
    dweight: &mut [T],
    dbias: &mut [T],
) {
    let batch = x.len() / shape.in_len();
    assert_eq!(x.len(), batch * shape.in_len(), "x is not [batch, channels, height, width]");
    assert_eq!(dy.len(), batch * shape.out_len(), "dy is not [batch, filters, out_height, out_width]");
    assert_eq!(dweight.len(), shape.weight_len(), "dweight is not [filters, channels, size, size]");
    assert_eq!(dbias.len(), shape.filters, "dbias is not [filters]");

    let stage = Stage::of_input(shape);
    let positions = shape.out_height() * shape.out_width();
    let sums_len = sums_len(shape);
    let transposed_len = positions * LANES;
    let (sums, maps) = scratch.pieces(PARTS * sums_len, PARTS * (stage.len() + transposed_len));

    let part = part_len(batch);
    let parts = batch.div_ceil(part);
    assert!(parts > 0, "the batch is empty");
    x.par_chunks(part * shape.in_len())
        .zip(dy.par_chunks(part * shape.out_len()))
        .zip(sums.par_chunks_mut(sums_len))
        .zip(maps.par_chunks_mut(stage.len() + transposed_len))
        .for_each(|(((x, dy), sums), maps)| {
            let (staged, transposed) = maps.split_at_mut(stage.len());
            staged.fill(T::zero());
            sums.fill(T::zero());
            for (x, dy) in x.chunks_exact(shape.in_len()).zip(dy.chunks_exact(shape.out_len())) {
                stage.place(x, staged);
                add_image(shape, &stage, staged, dy, transposed, sums);
            }
        });

    let (total, rest) = sums.split_at_mut(sums_len);
    for part in rest.chunks_exact(sums_len).take(parts - 1) {
        add(total, part);
    }
    unpack(shape, total, dweight, dbias);
}

/// Vectors of a block of sums: one for each place in the filter, and the bias's.
fn block_len(shape: &ConvShape) -> usize {
    shape.channels * shape.size * shape.size + 1
}

/// Values of a part's sums, as vectors over [`LANES`] filters, block after block.
fn sums_len(shape: &ConvShape) -> usize {
    shape.filters.div_ceil(LANES) * block_len(shape) * LANES
}

/// Adds one image's gradients to its part's `sums`.
#[multiversion(targets("x86_64+avx2"))]
fn add_image<T: Real>(
    shape: &ConvShape,
    stage: &Stage,
    x: &[T],
    dy: &[T],
    transposed: &mut [T],
    sums: &mut [T],
) {
    let positions = shape.out_height() * shape.out_width();
    let (transposed, _) = transposed.as_chunks_mut::<LANES>();
    let (sums, _) = sums.as_chunks_mut::<LANES>();
    for (dy, sums) in dy.chunks(LANES * positions).zip(sums.chunks_exact_mut(block_len(shape))) {
        transpose(positions, dy, transposed);
        let (bias, weight) = sums.split_last_mut().expect("a block ends with the bias's sums");
        for dy in transposed.iter() {
            add(bias, dy);
        }
        for (index, sums) in weight.chunks_exact_mut(shape.size).enumerate() {
            let (c, u) = (index / shape.size, index % shape.size);
            let x = &x[(c * stage.staged_height() + u) * stage.staged_width()..];
            let (blocks, rest) = sums.as_chunks_mut::<COLUMNS>();
            let mut v = 0;
            for sums in blocks {
                filter_places(shape, stage, &x[v..], transposed, sums);
                v += COLUMNS;
            }
            for sum in rest {
                filter_places(shape, stage, &x[v..], transposed, std::array::from_mut(sum));
                v += 1;
            }
        }
    }
}

/// Turns up to [`LANES`] maps into one map of vectors; 0 where there is no map for a lane.
#[inline(always)]
fn transpose<T: Real>(positions: usize, maps: &[T], transposed: &mut [[T; LANES]]) {
    if maps.len() < LANES * positions {
        transposed.fill([T::zero(); LANES]);
    }
    for (lane, map) in maps.chunks_exact(positions).enumerate() {
        for (vector, &value) in transposed.iter_mut().zip(map) {
            vector[lane] = value;
        }
    }
}

/// Adds to the sums of N neighbouring places of the filter, the first of which is over the start of `x`
/// at the first position.
#[inline(always)]
fn filter_places<T: Real, const N: usize>(
    shape: &ConvShape,
    stage: &Stage,
    x: &[T],
    dy: &[[T; LANES]],
    sums: &mut [[T; LANES]; N],
) {
    let mut image = [[T::zero(); LANES]; N];
    for (r, dy) in dy.chunks_exact(shape.out_width()).enumerate() {
        let x = &x[r * shape.stride * stage.staged_width()..];
        for (q, dy) in dy.iter().enumerate() {
            let x: &[T; N] = head(&x[q * shape.stride..]);
            for (sum, &x) in image.iter_mut().zip(x) {
                add_scaled(sum, x, dy);
            }
        }
    }
    for (sum, image) in sums.iter_mut().zip(&image) {
        add(sum, image);
    }
}

/// Writes sums kept as vectors over filters to where the filters have them.
fn unpack<T: Real>(shape: &ConvShape, sums: &[T], dweight: &mut [T], dbias: &mut [T]) {
    let (sums, _) = sums.as_chunks::<LANES>();
    let filter_len = shape.weight_len() / shape.filters;
    for (f, (dweight, dbias)) in dweight.chunks_exact_mut(filter_len).zip(dbias).enumerate() {
        let sums = &sums[f / LANES * block_len(shape)..][..block_len(shape)];
        let (bias, weight) = sums.split_last().expect("a block ends with the bias's sums");
        for (dweight, sum) in dweight.iter_mut().zip(weight) {
            *dweight = sum[f % LANES];
        }
        *dbias = bias[f % LANES];
    }
}
