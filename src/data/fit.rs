//! Images of any size brought to one that the network takes.

use rayon::prelude::*;

use super::{DataError, ImageSet};
use crate::model::Fit;
use crate::model::lenet::IMAGE_SIDE as SIDE;

/// The most bytes that are made of a part by resizing: a small file may hold many images of a pixel.
const MOST_BYTES: usize = 2 << 30;

/// Fewer planes are not worth a second thread: an image of a file by itself is resized by its own.
const PLANES_A_THREAD: usize = 8;

/// Brings images to 32×32, or leaves those that are padded as they are: engines do that when they load them.
///
/// Resizing is bilinear between the centres of pixels (PyTorch's `interpolate` with `mode="bilinear"`); where
/// it makes images smaller, the triangle is as wide as the step between two outputs, so that nothing is
/// skipped (its `antialias=True`).
pub fn fit(split: ImageSet, wanted: Option<Fit>) -> Result<ImageSet, DataError> {
    let (height, width) = (split.height, split.width);
    match wanted.unwrap_or(Fit::of(height, width)) {
        Fit::Pad if height.max(width) > SIDE => Err(DataError::TooLargeToPad { height, width }),
        Fit::Pad => Ok(split),
        Fit::Resize if height == SIDE && width == SIDE => Ok(split),
        Fit::Resize => resize_all(split),
    }
}

/// Images of at most 32×32 in the middle of as many, with black around them: as engines see them.
pub fn pad(split: ImageSet) -> ImageSet {
    let (height, width) = (split.height, split.width);
    if height == SIDE && width == SIDE {
        return split;
    }
    let (above, left) = split.margins();
    let mut pixels = vec![0; split.len() * split.channels * SIDE * SIDE];
    for (to, from) in pixels.chunks_exact_mut(SIDE * SIDE).zip(split.pixels.chunks_exact(height * width)) {
        for (to, from) in to.chunks_exact_mut(SIDE).skip(above).zip(from.chunks_exact(width)) {
            to[left..left + width].copy_from_slice(from);
        }
    }
    ImageSet { height: SIDE, width: SIDE, pixels, ..split }
}

fn resize_all(split: ImageSet) -> Result<ImageSet, DataError> {
    let planes = split.len() * split.channels;
    if planes > MOST_BYTES / (SIDE * SIDE) {
        return Err(DataError::TooManyToResize { images: split.len(), most: MOST_BYTES });
    }
    let (rows, columns) = (triangles(split.height), triangles(split.width));
    let mut pixels = vec![0; planes * SIDE * SIDE];
    pixels
        .par_chunks_exact_mut(SIDE * SIDE)
        .with_min_len(PLANES_A_THREAD)
        .zip(split.pixels.par_chunks_exact(split.height * split.width))
        .for_each(|(to, from)| resize(from, split.width, &rows, &columns, to));
    Ok(ImageSet { height: SIDE, width: SIDE, pixels, ..split })
}

/// What one output along a side is made of.
struct Triangle {
    /// The first input that counts.
    first: usize,
    /// The inputs' shares from there on, which together are 1.
    weights: Vec<f32>,
}

/// The 32 outputs made of `inputs` inputs. The weights fall off from an output's place on either side, to 0
/// at the next input, or at the next output where that is further; at a border the triangle is cut off.
fn triangles(inputs: usize) -> Vec<Triangle> {
    let step = inputs as f64 / SIDE as f64;
    let reach = step.max(1.0);
    let triangle = |output| {
        let place = (output as f64 + 0.5) * step;
        let first = (place - reach).max(0.0) as usize;
        let end = ((place + reach).ceil() as usize).min(inputs);
        let weight = |input| (1.0 - (input as f64 + 0.5 - place).abs() / reach).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        Triangle { first, weights: (first..end).map(|input| (weight(input) / sum) as f32).collect() }
    };
    (0..SIDE).map(triangle).collect()
}

/// One plane, H×W to 32×32: along the columns first, a row at a time, and then along that row.
fn resize(plane: &[u8], width: usize, rows: &[Triangle], columns: &[Triangle], to: &mut [u8]) {
    let mut row = vec![0.0; width];
    for (triangle, to) in rows.iter().zip(to.chunks_exact_mut(SIDE)) {
        row.fill(0.0);
        for (weight, from) in triangle.weights.iter().zip(plane.chunks_exact(width).skip(triangle.first)) {
            for (sum, &pixel) in row.iter_mut().zip(from) {
                *sum += weight * f32::from(pixel);
            }
        }
        for (triangle, to) in columns.iter().zip(to) {
            let terms = triangle.weights.iter().zip(&row[triangle.first..]);
            let sum: f32 = terms.map(|(weight, value)| weight * value).sum();
            *to = (sum + 0.5) as u8; // cut off, which rounds to the nearest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two channels each, every plane of one value.
    fn flat(height: usize, width: usize) -> ImageSet {
        let pixels = [10, 20, 30, 40].iter().flat_map(|&value| vec![value; height * width]).collect();
        ImageSet { channels: 2, height, width, pixels, labels: vec![0, 1] }
    }

    #[test]
    fn images_of_28_and_of_32_stay_as_they_are() {
        for side in [28, 32] {
            assert_eq!(fit(flat(side, side), None).unwrap(), flat(side, side));
        }
    }

    #[test]
    fn images_that_are_padded_stay_as_they_are_and_none_may_be_larger() {
        for (height, width) in [(1, 1), (28, 28), (20, 31), (32, 32)] {
            assert_eq!(fit(flat(height, width), Some(Fit::Pad)).unwrap(), flat(height, width));
        }
        for (height, width) in [(33, 1), (28, 33)] {
            let error = fit(flat(height, width), Some(Fit::Pad)).unwrap_err().to_string();
            assert!(error.contains(&format!("{height} high and {width} wide")), "{error}");
            assert!(error.contains("--fit resize"), "{error}");
        }
    }

    #[test]
    fn images_of_28_are_resized_where_that_is_asked_for() {
        assert_eq!(fit(flat(28, 28), Some(Fit::Resize)).unwrap(), flat(32, 32));
    }

    #[test]
    fn a_padded_image_is_in_the_middle_of_black() {
        let padded = pad(flat(30, 29));
        assert_eq!((padded.height, padded.width, padded.pixels.len()), (32, 32, 2 * 2 * 32 * 32));
        for (plane, value) in padded.pixels.chunks(32 * 32).zip([10, 20, 30, 40]) {
            for (place, &pixel) in plane.iter().enumerate() {
                let inside = (1..31).contains(&(place / 32)) && (1..30).contains(&(place % 32));
                assert_eq!(pixel, if inside { value } else { 0 }, "pixel {place}");
            }
        }
        assert_eq!(pad(flat(32, 32)), flat(32, 32));
    }

    #[test]
    fn other_images_become_32_by_32_and_keep_their_planes() {
        for (height, width) in [(1, 1), (28, 32), (30, 30), (48, 100)] {
            assert_eq!(fit(flat(height, width), None).unwrap(), flat(32, 32), "{height}×{width}");
        }
    }

    #[test]
    fn more_images_than_memory_would_hold_when_resized_are_refused() {
        let images = (2 << 20) + 1;
        let dots =
            ImageSet { channels: 1, height: 1, width: 1, pixels: vec![0; images], labels: vec![0; images] };
        assert!(matches!(fit(dots, None), Err(DataError::TooManyToResize { .. })));
    }

    #[test]
    fn a_ramp_of_64_halves_to_a_ramp_of_32() {
        let pixels = (0..64 * 64).map(|place| (place % 64) as u8 * 2).collect();
        let ramp = ImageSet { channels: 1, height: 64, width: 64, pixels, labels: vec![0] };
        let half = fit(ramp, None).unwrap();
        // Output x stands between inputs 2x and 2x + 1; at the borders the triangle is cut off.
        for x in 1..31 {
            assert_eq!(half.pixels[5 * 32 + x].abs_diff(4 * x as u8 + 1), 0, "column {x}");
        }
    }
}
