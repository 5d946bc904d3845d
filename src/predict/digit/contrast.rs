//! How far each pixel is darker than the background behind it.

use image::GrayImage;

use super::morphology;

/// A guess at the background of an image with dark ink, and each pixel's contrast to it.
pub(super) struct Contrast {
    /// The share of the background's light that is missing, 0 to 255. It does not depend on the light, so a stroke has
    /// the same contrast on both sides of a shadow's edge.
    pub values: GrayImage,
    /// The background.
    pub background: GrayImage,
}

/// Backgrounds darker than this count as this bright: ratios of dark values are mostly noise.
const MIN_BACKGROUND: u32 = 70;

impl Contrast {
    pub fn new(image: &GrayImage, background: GrayImage) -> Self {
        let mut values = image.clone();
        for (value, level) in values.pixels_mut().zip(background.pixels()) {
            let (value, level) = (&mut value.0[0], level.0[0]);
            let missing = u32::from(level.saturating_sub(*value));
            *value = (255 * missing / u32::from(level).max(MIN_BACKGROUND)).min(255) as u8;
        }
        Self { values, background }
    }

    /// Takes as background what remains when dark structures narrower than 2·`radius` + 1 pixels are filled.
    pub fn to_closing(image: &GrayImage, radius: u32) -> Self {
        Self::new(image, morphology::close(image, radius))
    }
}

/// The standard deviation of the noise, 0 to 255: from the median difference between a pixel and the mean of its two
/// neighbours, which edges and slopes hardly change.
pub(super) fn noise(image: &GrayImage) -> f32 {
    /// The median of such differences of normal noise with a standard deviation of 1.
    const MEDIAN: f32 = 0.6745 * 1.2247;
    let mut counts = [0u32; 256];
    let mut total = 0;
    for row in image.rows() {
        let row: Vec<i32> = row.map(|pixel| i32::from(pixel.0[0])).collect();
        for window in row.windows(3) {
            counts[((2 * window[1] - window[0] - window[2]).unsigned_abs() / 2) as usize] += 1;
            total += 1;
        }
    }
    let mut below = 0;
    for (difference, count) in counts.iter().enumerate() {
        if below + count > total / 2 {
            let within = (total as f32 / 2.0 - below as f32) / *count as f32;
            return (difference as f32 + within - 0.5).max(0.0) / MEDIAN;
        }
        below += count;
    }
    0.0
}
