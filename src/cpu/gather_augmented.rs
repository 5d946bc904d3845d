//! A batch's images as [`super::gather()`] takes them, each seen through a view of its own.
//!
//! x at (row, column) is the normalised value of the padded image at the view's point
//! (a·row + b·column + c, d·row + e·column + f), interpolated bilinearly between its four neighbours, of
//! which those outside are raw zeros. At a whole point that is the pixel itself, bit for bit.
//!
//! Shapes: a split of N images `[C, H, W]`, an order `[B]` and its views `[B]` → x `[B, C, 32, 32]`.

use rayon::prelude::*;

use super::Real;
use super::blocks::part_len;
use super::gather::normalised;
use crate::data::{ImageSet, View};
use crate::model::lenet::IMAGE_SIDE;

/// Zeros before an image in its frame.
const BEFORE: usize = 1;

/// A frame around the padded image: what is further away than a pixel is as black as what is one away,
/// so points are brought to −1..=32, and their neighbours are in −1..=33.
const FRAME_SIDE: usize = BEFORE + IMAGE_SIDE + 2;
const FRAME_LEN: usize = FRAME_SIDE * FRAME_SIDE;

/// Fills x `[B, C, 32, 32]` with the images `order` `[B]` of a split, seen through `views` `[B]`.
///
/// # Panics
/// As [`super::gather()`] does, and where there is not one view for each place of the order.
pub fn gather_augmented<T: Real>(split: &ImageSet, order: &[u32], views: &[View], x: &mut [T]) {
    let (top, left) = split.margins();
    let plane = IMAGE_SIDE * IMAGE_SIDE;
    let image_len = split.channels * plane;
    assert_eq!(x.len(), order.len() * image_len, "x is not [batch, channels, 32, 32]");
    assert_eq!(views.len(), order.len(), "each sample has a view");

    let part = part_len(order.len());
    let parts = order.par_chunks(part).zip(views.par_chunks(part));
    x.par_chunks_mut(part * image_len).zip(parts).for_each(|(x, (order, views))| {
        let mut frames = vec![T::zero(); split.channels * FRAME_LEN];
        for (x, (&index, view)) in x.chunks_exact_mut(image_len).zip(order.iter().zip(views)) {
            let planes = split.image(index as usize).chunks_exact(split.height * split.width);
            for (bytes, frame) in planes.zip(frames.chunks_exact_mut(FRAME_LEN)) {
                let rows = frame.chunks_exact_mut(FRAME_SIDE).skip(BEFORE + top);
                for (bytes, row) in bytes.chunks_exact(split.width).zip(rows) {
                    for (&byte, pixel) in bytes.iter().zip(&mut row[BEFORE + left..]) {
                        *pixel = T::of(f64::from(byte));
                    }
                }
            }
            see(&frames, view, x);
        }
    });
}

/// Fills x `[C, 32, 32]` with what a view sees of an image's frames `[C, 35, 35]`.
fn see<T: Real>(frames: &[T], view: &View, x: &mut [T]) {
    let [a, b, c] = view.row.map(|value| T::of(f64::from(value)));
    let [d, e, f] = view.column.map(|value| T::of(f64::from(value)));
    let mix = |first: T, second: T, share: T| first + share * (second - first);
    for i in 0..IMAGE_SIDE {
        for j in 0..IMAGE_SIDE {
            let (at_row, at_column) = (T::of(i as f64), T::of(j as f64));
            let (row, down) = cell(a * at_row + b * at_column + c);
            let (column, right) = cell(d * at_row + e * at_column + f);
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

/// The place in the frame of the pixel at or before a coordinate, and how far it is to the next, in [0, 1).
fn cell<T: Real>(coordinate: T) -> (usize, T) {
    let inside = coordinate.max(-T::one()).min(T::of(IMAGE_SIDE as f64)) + T::of(BEFORE as f64);
    // Cut off is rounded down, where nothing is negative.
    let place = inside.to_usize().expect("a frame has few places");
    (place, inside - T::of(place as f64))
}
