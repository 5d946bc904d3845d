//! Images of any size brought to one that the network takes.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};
use rayon::prelude::*;

use super::{DataError, Split};

/// The side that images are resized to, the network's own.
const SIDE: usize = 32;

/// The side of square images that stay as they are, beside 32: engines pad them by 2 on each side.
const PADDED_SIDE: usize = 28;

/// The most bytes that are made of a part by resizing: a small file may hold many images of a pixel.
const MOST_BYTES: usize = 2 << 30;

/// Images of 28×28 and 32×32 stay as they are. All others become 32×32, bilinearly; where that makes
/// them smaller, the triangle is as wide as the step between two outputs, so that nothing is skipped.
/// The proportions of an image that is not square are not kept.
pub fn fit(split: Split) -> Result<Split, DataError> {
    if split.height == split.width && [PADDED_SIDE, SIDE].contains(&split.width) {
        return Ok(split);
    }
    let planes = split.len() * split.channels;
    if planes > MOST_BYTES / (SIDE * SIDE) {
        return Err(DataError::TooManyToResize { images: split.len(), most: MOST_BYTES });
    }
    let mut pixels = vec![0; planes * SIDE * SIDE];
    pixels
        .par_chunks_exact_mut(SIDE * SIDE)
        .zip(split.pixels.par_chunks_exact(split.height * split.width))
        .for_each(|(to, from)| to.copy_from_slice(&resize(from, split.height, split.width)));
    Ok(Split { height: SIDE, width: SIDE, pixels, ..split })
}

/// One plane, H×W to 32×32.
fn resize(plane: &[u8], height: usize, width: usize) -> Vec<u8> {
    let from = ImageBuffer::<Luma<u8>, _>::from_raw(width as u32, height as u32, plane)
        .expect("a plane has height × width bytes");
    imageops::resize(&from, SIDE as u32, SIDE as u32, FilterType::Triangle).into_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of two channels each, every plane of one value.
    fn flat(height: usize, width: usize) -> Split {
        let pixels = [10, 20, 30, 40].iter().flat_map(|&value| vec![value; height * width]).collect();
        Split { channels: 2, height, width, pixels, labels: vec![0, 1] }
    }

    #[test]
    fn images_of_28_and_of_32_stay_as_they_are() {
        for side in [28, 32] {
            assert_eq!(fit(flat(side, side)).unwrap(), flat(side, side));
        }
    }

    #[test]
    fn other_images_become_32_by_32_and_keep_their_planes() {
        for (height, width) in [(1, 1), (28, 32), (30, 30), (48, 100)] {
            assert_eq!(fit(flat(height, width)).unwrap(), flat(32, 32), "{height}×{width}");
        }
    }

    #[test]
    fn more_images_than_memory_would_hold_when_resized_are_refused() {
        let images = (2 << 20) + 1;
        let dots =
            Split { channels: 1, height: 1, width: 1, pixels: vec![0; images], labels: vec![0; images] };
        assert!(matches!(fit(dots), Err(DataError::TooManyToResize { .. })));
    }

    #[test]
    fn a_ramp_of_64_halves_to_a_ramp_of_32() {
        let pixels = (0..64 * 64).map(|place| (place % 64) as u8 * 2).collect();
        let ramp = Split { channels: 1, height: 64, width: 64, pixels, labels: vec![0] };
        let half = fit(ramp).unwrap();
        // Output x stands between inputs 2x and 2x + 1; at the borders the triangle is cut off.
        for x in 1..31 {
            assert_eq!(half.pixels[5 * 32 + x].abs_diff(4 * x as u8 + 1), 0, "column {x}");
        }
    }
}
