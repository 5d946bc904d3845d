//! Gathers the images of a batch: selects them from a set, pads them to 32×32 and normalises them.
//!
//! x = (byte/255 − 0.5)/0.5, so bytes 0 and 255 become −1 and 1. A 28×28 image is padded by 2 raw zeros on each side,
//! which become −1, the colour of MNIST's background.
//!
//! Shapes: N images `[C, H, W]` and an order `[B]` → x `[B, C, 32, 32]`.

use rayon::prelude::*;

use super::Real;
use super::array_view::{ArrayView, indices};
use super::blocks::{chunk_len, for_each_chunk};
use crate::data::ImageSet;
use crate::model::lenet::IMAGE_SIDE;

/// Fills x `[B, C, 32, 32]` with the images at the indices `order` `[B]` of a set.
///
/// # Panics
/// If an image is larger than 32×32, if `order` has an index outside of the set, or if x does not have the length of
/// its shape.
pub fn gather<T: Real>(images: &ImageSet, order: &[u32], x: &mut [T]) {
    let (top, left) = images.margins();
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let image_len = images.channels * plane;
    assert_eq!(x.len(), order.len() * image_len, "x is not [batch, channels, 32, 32]");

    let value = std::array::from_fn::<T, 256, _>(|byte| normalised(T::of(byte as f64)));
    let chunk = chunk_len(order.len());
    for_each_chunk(x.par_chunks_mut(chunk * image_len).zip(order.par_chunks(chunk)), |(x, order)| {
        x.fill(value[0]);
        for (x, &index) in x.chunks_exact_mut(image_len).zip(order) {
            let planes = images.image(index as usize).chunks_exact(images.height * images.width);
            for (bytes, x) in planes.zip(x.chunks_exact_mut(plane)) {
                let rows = x.chunks_exact_mut(IMAGE_SIDE).skip(top);
                for (bytes, x) in bytes.chunks_exact(images.width).zip(rows) {
                    for (&byte, x) in bytes.iter().zip(&mut x[left..]) {
                        *x = value[usize::from(byte)];
                    }
                }
            }
        }
    });
}

/// The naive definition of [`gather()`].
///
/// # Panics
/// As [`gather()`].
pub fn reference<T: Real>(images: &ImageSet, order: &[u32], x: &mut [T]) {
    let dims = [order.len(), images.channels, IMAGE_SIDE, IMAGE_SIDE];
    let mut x = ArrayView::new(x, dims);
    for [b, c, i, j] in indices(dims) {
        let pixel = padded_pixel(images, order[b], c, i as isize, j as isize);
        x[[b, c, i, j]] = normalised(pixel);
    }
}

/// The raw value at (i, j) of channel c of an image padded to 32×32; 0 in the padding and outside.
pub(super) fn padded_pixel<T: Real>(images: &ImageSet, index: u32, c: usize, i: isize, j: isize) -> T {
    let (top, left) = images.margins();
    let pixels = ArrayView::new(images.image(index as usize), [images.channels, images.height, images.width]);
    match (usize::try_from(i - top as isize), usize::try_from(j - left as isize)) {
        (Ok(i), Ok(j)) if i < images.height && j < images.width => T::of(f64::from(pixels[[c, i, j]])),
        _ => T::zero(),
    }
}

/// (pixel/255 − 0.5)/0.5
pub(super) fn normalised<T: Real>(pixel: T) -> T {
    let half = T::of(0.5);
    (pixel / T::of(255.0) - half) / half
}
