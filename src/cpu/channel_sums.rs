//! Sums per channel over a batch and its positions, in a fixed order: the chunks of a batch as in `blocks.rs`, the
//! images of a chunk in sequence, and within a plane [`LANES`] partial sums of every LANES-th value.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;
use super::blocks::{LANES, add, chunk_len, sum_in_pairs};
use crate::model::NormShape;

/// Adds `of_plane` over the images of a batch, for each channel. `of_plane` is given the range of a plane in
/// `[B, C, P]` and its channel. `sums` `[C]` is overwritten.
pub(super) fn channel_sums<T: Real>(
    shape: &NormShape,
    batch: usize,
    sums: &mut [T],
    of_plane: impl Fn(Range<usize>, usize) -> T + Sync,
) {
    let chunk = chunk_len(batch);
    let chunks: Vec<Vec<T>> = (0..batch.div_ceil(chunk))
        .into_par_iter()
        .map(|index| {
            let mut sums = vec![T::zero(); shape.channels];
            for image in index * chunk..((index + 1) * chunk).min(batch) {
                for (channel, sum) in sums.iter_mut().enumerate() {
                    let first = (image * shape.channels + channel) * shape.positions;
                    *sum += of_plane(first..first + shape.positions, channel);
                }
            }
            sums
        })
        .collect();
    sums.fill(T::zero());
    for chunk in &chunks {
        add(sums, chunk);
    }
}

/// Adds `term` over the positions of `N` planes of one length.
#[inline(always)]
pub(super) fn sum<T: Real, const N: usize>(planes: [&[T]; N], term: impl Fn([T; N]) -> T) -> T {
    let planes = planes.map(|plane| plane.as_chunks::<LANES>());
    let mut rest = T::zero();
    for index in 0..planes[0].1.len() {
        rest += term(planes.map(|(_, rest)| rest[index]));
    }
    // A dense layer has one value per channel: there is nothing to add.
    if planes[0].0.is_empty() {
        return rest;
    }
    let mut sums = [T::zero(); LANES];
    for chunk in 0..planes[0].0.len() {
        let chunk = planes.map(|(chunks, _)| chunks[chunk]);
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(chunk.map(|values| values[lane]));
        }
    }
    sum_in_pairs(sums) + rest
}
