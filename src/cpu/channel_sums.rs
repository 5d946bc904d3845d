//! Sums over a batch and its positions, a channel at a time, in an order that nothing changes: parts of the
//! batch as `blocks.rs` cuts them, a part's images one after the other, and within a map [`LANES`] sums of
//! every LANES-th value each.

use std::ops::Range;

use rayon::prelude::*;

use super::Real;
use super::blocks::{LANES, add, part_len, sum_in_pairs};
use crate::model::NormShape;

/// Sums for each channel what `map` tells of its map in each image of a batch, given the map's place in
/// `[B, C, P]` and the channel. `sums` `[C]` is overwritten.
pub(super) fn channel_sums<T: Real>(
    shape: &NormShape,
    batch: usize,
    sums: &mut [T],
    map: impl Fn(Range<usize>, usize) -> T + Sync,
) {
    let part = part_len(batch);
    let parts: Vec<Vec<T>> = (0..batch.div_ceil(part))
        .into_par_iter()
        .map(|index| {
            let mut sums = vec![T::zero(); shape.channels];
            for image in index * part..((index + 1) * part).min(batch) {
                for (channel, sum) in sums.iter_mut().enumerate() {
                    let first = (image * shape.channels + channel) * shape.positions;
                    *sum += map(first..first + shape.positions, channel);
                }
            }
            sums
        })
        .collect();
    sums.fill(T::zero());
    for part in &parts {
        add(sums, part);
    }
}

/// Sums `term` over the places of `N` maps of one length.
#[inline(always)]
pub(super) fn sum<T: Real, const N: usize>(maps: [&[T]; N], term: impl Fn([T; N]) -> T) -> T {
    let maps = maps.map(|map| map.as_chunks::<LANES>());
    let mut rest = T::zero();
    for place in 0..maps[0].1.len() {
        rest += term(maps.map(|(_, rest)| rest[place]));
    }
    // A dense layer's maps are of one value: nothing is to be added up.
    if maps[0].0.is_empty() {
        return rest;
    }
    let mut sums = [T::zero(); LANES];
    for chunk in 0..maps[0].0.len() {
        let chunk = maps.map(|(chunks, _)| chunks[chunk]);
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(chunk.map(|values| values[lane]));
        }
    }
    sum_in_pairs(sums) + rest
}
