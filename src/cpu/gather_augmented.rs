//! Gathers the images of a batch as [`super::gather()`] does, each transformed by its view, an affine map.
//!
//! x at (row, column) is the normalised value of the padded image at the point
//! `(a·row + b·column + c, d·row + e·column + f)` of the view, interpolated bilinearly between its four neighbours.
//! Neighbours outside of the image are raw zeros. At integer points the result is the pixel itself, bit for bit.
//!
//! Shapes: N images `[C, H, W]`, an order `[B]` and its views `[B]` → x `[B, C, 32, 32]`.

use rayon::prelude::*;

use super::Real;
use super::array_view::{ArrayView, indices};
use super::blocks::chunk_len;
use super::gather::{normalised, padded_pixel};
use crate::data::{ImageSet, View};
use crate::model::lenet::IMAGE_SIDE;

/// Zeros before an image in its frame.
const BEFORE: usize = 1;

/// Side of the frame of zeros around the padded image. Points are clamped to [−1, 32], because everything further
/// away is just as black, and their neighbours are then in −1..=33.
const FRAME_SIDE: usize = BEFORE + IMAGE_SIDE + 2;
const FRAME_LEN: usize = FRAME_SIDE * FRAME_SIDE;

/// Fills x `[B, C, 32, 32]` with the images at the indices `order` `[B]` of a set, transformed by `views` `[B]`.
///
/// # Panics
/// As [`super::gather()`], and if `views` does not have the length of `order`.
pub fn gather_augmented<T: Real>(images: &ImageSet, order: &[u32], views: &[View], x: &mut [T]) {
    let (top, left) = images.margins();
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let image_len = images.channels * plane;
    assert_eq!(x.len(), order.len() * image_len, "x is not [batch, channels, 32, 32]");
    assert_eq!(views.len(), order.len(), "there is not one view per sample");

    let chunk = chunk_len(order.len());
    let samples = order.par_chunks(chunk).zip(views.par_chunks(chunk));
    x.par_chunks_mut(chunk * image_len).zip(samples).for_each(|(x, (order, views))| {
        let mut frames = vec![T::zero(); images.channels * FRAME_LEN];
        for (x, (&index, view)) in x.chunks_exact_mut(image_len).zip(order.iter().zip(views)) {
            let planes = images.image(index as usize).chunks_exact(images.height * images.width);
            for (bytes, frame) in planes.zip(frames.chunks_exact_mut(FRAME_LEN)) {
                let rows = frame.chunks_exact_mut(FRAME_SIDE).skip(BEFORE + top);
                for (bytes, row) in bytes.chunks_exact(images.width).zip(rows) {
                    for (&byte, pixel) in bytes.iter().zip(&mut row[BEFORE + left..]) {
                        *pixel = T::of(f64::from(byte));
                    }
                }
            }
            sample(&frames, view, x);
        }
    });
}

/// The naive definition of [`gather_augmented()`].
///
/// # Panics
/// As [`gather_augmented()`].
pub fn reference<T: Real>(images: &ImageSet, order: &[u32], views: &[View], x: &mut [T]) {
    let dims = [order.len(), images.channels, IMAGE_SIDE, IMAGE_SIDE];
    let mut x = ArrayView::new(x, dims);
    for [s, channel, i, j] in indices(dims) {
        let [a, b, c] = views[s].row.map(|value| T::of(value.into()));
        let [d, e, f] = views[s].column.map(|value| T::of(value.into()));
        let (i_real, j_real) = (T::of(i as f64), T::of(j as f64));
        let (row, column) = (a * i_real + b * j_real + c, d * i_real + e * j_real + f);
        let (down, right) = (row - row.floor(), column - column.floor());
        let neighbour = |below: isize, beside: isize| -> T {
            let (i, j) = (row.floor().as_f64() as isize, column.floor().as_f64() as isize);
            padded_pixel(images, order[s], channel, i + below, j + beside)
        };
        let pixel = (T::one() - down) * (T::one() - right) * neighbour(0, 0)
            + (T::one() - down) * right * neighbour(0, 1)
            + down * (T::one() - right) * neighbour(1, 0)
            + down * right * neighbour(1, 1);
        x[[s, channel, i, j]] = normalised(pixel);
    }
}

/// Fills x `[C, 32, 32]` with a view of an image's frames `[C, 35, 35]`.
fn sample<T: Real>(frames: &[T], view: &View, x: &mut [T]) {
    let [a, b, c] = view.row.map(|value| T::of(f64::from(value)));
    let [d, e, f] = view.column.map(|value| T::of(f64::from(value)));
    let mix = |first: T, second: T, share: T| first + share * (second - first);
    for i in 0..IMAGE_SIDE {
        for j in 0..IMAGE_SIDE {
            let (i_real, j_real) = (T::of(i as f64), T::of(j as f64));
            let (row, down) = split(a * i_real + b * j_real + c);
            let (column, right) = split(d * i_real + e * j_real + f);
            let planes = x.chunks_exact_mut(IMAGE_SIDE * IMAGE_SIDE);
            for (x, frame) in planes.zip(frames.chunks_exact(FRAME_LEN)) {
                let corner = &frame[row * FRAME_SIDE + column..];
                let above = mix(corner[0], corner[1], right);
                let below = mix(corner[FRAME_SIDE], corner[FRAME_SIDE + 1], right);
                x[i * IMAGE_SIDE + j] = normalised(mix(above, below, down));
            }
        }
    }
}

/// Splits a coordinate into the frame index of the pixel at or before it and the distance to that pixel, in [0, 1).
fn split<T: Real>(coordinate: T) -> (usize, T) {
    let inside = coordinate.max(-T::one()).min(T::of(IMAGE_SIDE as f64)) + T::of(BEFORE as f64);
    // Truncation rounds down because nothing is negative.
    let index = inside.to_usize().expect("a frame index fits into usize");
    (index, inside - T::of(index as f64))
}
