//! A batch's images: taken from the set in the order given, padded to 32×32 and normalised.
//!
//! x = (byte/255 − 0.5)/0.5, so bytes 0 and 255 become −1 and 1. An image of 28×28 is padded by 2 raw
//! zeros on each side, which makes them −1, the colour of MNIST's background.
//!
//! Shapes: a split of N images `[C, H, W]` and an order `[B]` → x `[B, C, 32, 32]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::{for_each_part, part_len};
use crate::data::ImageSet;
use crate::model::lenet::IMAGE_SIDE;

/// Fills x `[B, C, 32, 32]` with the images `order` `[B]` of a split.
///
/// # Panics
/// Where an image is larger than 32×32, where the order names an image that the split does not have, or
/// where x is not of the order's length.
pub fn gather<T: Real>(split: &ImageSet, order: &[u32], x: &mut [T]) {
    let (top, left) = split.margins();
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let image_len = split.channels * plane;
    assert_eq!(x.len(), order.len() * image_len, "x is not [batch, channels, 32, 32]");

    let value = std::array::from_fn::<T, 256, _>(|byte| normalised(T::of(byte as f64)));
    let part = part_len(order.len());
    for_each_part(x.par_chunks_mut(part * image_len).zip(order.par_chunks(part)), |(x, order)| {
        x.fill(value[0]);
        for (x, &index) in x.chunks_exact_mut(image_len).zip(order) {
            let planes = split.image(index as usize).chunks_exact(split.height * split.width);
            for (bytes, x) in planes.zip(x.chunks_exact_mut(plane)) {
                let rows = x.chunks_exact_mut(IMAGE_SIDE).skip(top);
                for (bytes, x) in bytes.chunks_exact(split.width).zip(rows) {
                    for (&byte, x) in bytes.iter().zip(&mut x[left..]) {
                        *x = value[usize::from(byte)];
                    }
                }
            }
        }
    });
}

/// (pixel/255 − 0.5)/0.5
pub(super) fn normalised<T: Real>(pixel: T) -> T {
    let half = T::of(0.5);
    (pixel / T::of(255.0) - half) / half
}
