//! Resizing and padding to the network's 32×32 input.

use rayon::prelude::*;

use crate::data::{DataError, ImageSet};
use crate::model::Fit;
use crate::model::lenet::IMAGE_SIDE as SIDE;

/// The smallest number of planes worth a second thread. A single image is resized on the calling thread.
const MIN_PLANES_PER_THREAD: usize = 8;

/// Resizes images to 32×32, or leaves images to be padded as they are: engines pad while loading.
///
/// Resizing is bilinear between pixel centres (PyTorch's `interpolate` with `mode="bilinear"`). When shrinking, the
/// triangle filter is as wide as the distance between two outputs, so that no input is skipped (`antialias=True`).
pub fn fit(images: ImageSet, requested: Option<Fit>) -> Result<ImageSet, DataError> {
    let (height, width) = (images.height, images.width);
    match requested.unwrap_or(Fit::of(height, width)) {
        Fit::Pad if height.max(width) > SIDE => Err(DataError::TooLargeToPad { height, width }),
        Fit::Pad => Ok(images),
        Fit::Resize if height == SIDE && width == SIDE => Ok(images),
        Fit::Resize => Ok(resize_all(images)),
    }
}

/// Centres images of at most 32×32 in 32×32 pixels of black, as engines do.
pub fn pad(images: ImageSet) -> ImageSet {
    let (height, width) = (images.height, images.width);
    if height == SIDE && width == SIDE {
        return images;
    }
    let (above, left) = images.margins();
    let mut pixels = vec![0; images.len() * images.channels * SIDE * SIDE];
    for (to, from) in pixels.chunks_exact_mut(SIDE * SIDE).zip(images.pixels.chunks_exact(height * width)) {
        for (to, from) in to.chunks_exact_mut(SIDE).skip(above).zip(from.chunks_exact(width)) {
            to[left..left + width].copy_from_slice(from);
        }
    }
    ImageSet { height: SIDE, width: SIDE, pixels, ..images }
}

fn resize_all(images: ImageSet) -> ImageSet {
    let planes = images.len() * images.channels;
    let (rows, columns) = (filters(images.height), filters(images.width));
    let mut pixels = vec![0; planes * SIDE * SIDE];
    pixels
        .par_chunks_exact_mut(SIDE * SIDE)
        .with_min_len(MIN_PLANES_PER_THREAD)
        .zip(images.pixels.par_chunks_exact(images.height * images.width))
        .for_each(|(to, from)| resize(from, images.width, &rows, &columns, to));
    ImageSet { height: SIDE, width: SIDE, pixels, ..images }
}

/// The triangle filter of one output along a side.
struct Filter {
    /// The first input with a weight.
    first: usize,
    /// The weights from that input on; their sum is 1.
    weights: Vec<f32>,
}

/// The filters of the 32 outputs of a side with `inputs` inputs. Weights fall linearly from the output's position to 0
/// at the distance of one input or one output, whichever is larger. At the borders the triangle is cut off.
fn filters(inputs: usize) -> Vec<Filter> {
    let step = inputs as f64 / SIDE as f64;
    let reach = step.max(1.0);
    let filter = |output| {
        let centre = (output as f64 + 0.5) * step;
        let first = (centre - reach).max(0.0) as usize;
        let end = ((centre + reach).ceil() as usize).min(inputs);
        let weight = |input| (1.0 - (input as f64 + 0.5 - centre).abs() / reach).max(0.0);
        let sum: f64 = (first..end).map(weight).sum();
        Filter { first, weights: (first..end).map(|input| (weight(input) / sum) as f32).collect() }
    };
    (0..SIDE).map(filter).collect()
}

/// Resizes one plane from H×W to 32×32: for each output row, first along the columns, then along the row.
fn resize(plane: &[u8], width: usize, rows: &[Filter], columns: &[Filter], to: &mut [u8]) {
    let mut row = vec![0.0; width];
    for (filter, to) in rows.iter().zip(to.chunks_exact_mut(SIDE)) {
        row.fill(0.0);
        for (weight, from) in filter.weights.iter().zip(plane.chunks_exact(width).skip(filter.first)) {
            for (sum, &pixel) in row.iter_mut().zip(from) {
                *sum += weight * f32::from(pixel);
            }
        }
        for (filter, to) in columns.iter().zip(to) {
            let terms = filter.weights.iter().zip(&row[filter.first..]);
            let sum: f32 = terms.map(|(weight, value)| weight * value).sum();
            *to = (sum + 0.5) as u8; // truncation, hence rounding to the nearest
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two channels; each plane has one value.
    fn flat(height: usize, width: usize) -> ImageSet {
        let pixels = [10, 20, 30, 40].iter().flat_map(|&value| vec![value; height * width]).collect();
        ImageSet { channels: 2, height, width, pixels, labels: vec![0, 1] }
    }

    #[test]
    fn images_of_28_and_32_are_unchanged_by_default() {
        for side in [28, 32] {
            assert_eq!(fit(flat(side, side), None).unwrap(), flat(side, side));
        }
    }

    #[test]
    fn padding_leaves_images_unchanged_and_rejects_images_above_32() {
        for (height, width) in [(1, 1), (28, 28), (20, 31), (32, 32)] {
            assert_eq!(fit(flat(height, width), Some(Fit::Pad)).unwrap(), flat(height, width));
        }
        for (height, width) in [(33, 1), (28, 33)] {
            let error = fit(flat(height, width), Some(Fit::Pad)).unwrap_err();
            assert!(
                matches!(error, DataError::TooLargeToPad { height: h, width: w } if (h, w) == (height, width)),
                "{error}"
            );
            assert!(error.to_string().contains(&format!("{height} pixels high and {width} wide")), "{error}");
        }
    }

    #[test]
    fn images_of_28_can_be_resized() {
        assert_eq!(fit(flat(28, 28), Some(Fit::Resize)).unwrap(), flat(32, 32));
    }

    #[test]
    fn padded_images_are_centred_in_black() {
        let padded = pad(flat(30, 29));
        assert_eq!((padded.height, padded.width, padded.pixels.len()), (32, 32, 2 * 2 * 32 * 32));
        for (plane, value) in padded.pixels.chunks(32 * 32).zip([10, 20, 30, 40]) {
            for (index, &pixel) in plane.iter().enumerate() {
                let inside = (1..31).contains(&(index / 32)) && (1..30).contains(&(index % 32));
                assert_eq!(pixel, if inside { value } else { 0 }, "pixel {index}");
            }
        }
        assert_eq!(pad(flat(32, 32)), flat(32, 32));
    }

    #[test]
    fn images_of_other_sizes_are_resized_plane_by_plane() {
        for (height, width) in [(1, 1), (28, 32), (30, 30), (48, 100)] {
            assert_eq!(fit(flat(height, width), None).unwrap(), flat(32, 32), "{height}×{width}");
        }
    }

    #[test]
    fn halving_a_linear_ramp_gives_a_linear_ramp() {
        let pixels = (0..64 * 64).map(|index| (index % 64) as u8 * 2).collect();
        let ramp = ImageSet { channels: 1, height: 64, width: 64, pixels, labels: vec![0] };
        let half = fit(ramp, None).unwrap();
        // Output x is halfway between inputs 2x and 2x + 1; at the borders the triangle is cut off.
        for x in 1..31 {
            assert_eq!(half.pixels[5 * 32 + x].abs_diff(4 * x as u8 + 1), 0, "column {x}");
        }
    }
}
