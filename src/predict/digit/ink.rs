//! Separates ink from the background.

use image::imageops;

use super::background::{self, Background, median};
use super::threshold::otsu;
use super::{Grey, NoDigit};

/// The ink of an image.
#[derive(Debug, Clone)]
pub(super) struct Ink {
    /// Each pixel's ink coverage: 0 is background, 1 a full stroke.
    pub cover: Grey,
    /// Coverage above this is ink; below it is noise.
    pub threshold: f32,
}

/// Ink must differ from the background by this share of the range from black to white.
const MIN_CONTRAST: f32 = 0.06;

/// Ink must differ from the background by this many standard deviations of the noise.
const MIN_DEVIATIONS: f32 = 5.0;

/// Images whose shorter side has at least this many pixels are blurred to reduce noise.
const BLUR_SIDE: u32 = 100;

/// Differences below this share of a full stroke count as background, such as JPEG artefacts and faint shading.
const FAINT: f32 = 0.1;

/// Extracts the ink, dark on a bright background or bright on a dark one.
///
/// # Errors
/// [`NoDigit`] if nothing stands out from the background.
pub(super) fn extract(image: Grey) -> Result<Ink, NoDigit> {
    let (width, height) = image.dimensions();
    let image = if width.min(height) < BLUR_SIDE { image } else { imageops::blur(&image, 1.0) };
    let Background { surface, noise } = background::estimate(&image);
    let mut ink = image;
    for (pixel, level) in ink.pixels_mut().zip(surface.pixels()) {
        pixel.0[0] -= level.0[0];
    }
    let sign = if is_dark(&ink, noise) { -1.0 } else { 1.0 };
    ink.pixels_mut().for_each(|pixel| pixel.0[0] = (sign * pixel.0[0]).clamp(0.0, 1.0));

    let threshold = otsu(values(&ink)).max(MIN_DEVIATIONS / 2.0 * noise);
    let strokes: Vec<f32> = values(&ink).filter(|&value| value > threshold).collect();
    if strokes.is_empty() {
        return Err(NoDigit);
    }
    let full = median(strokes);
    if full < MIN_CONTRAST.max(MIN_DEVIATIONS * noise) {
        return Err(NoDigit);
    }
    let faint = (FAINT * full).max(noise);
    let cover = |value: f32| ((value - faint) / (full - faint)).clamp(0.0, 1.0);
    ink.pixels_mut().for_each(|pixel| pixel.0[0] = cover(pixel.0[0]));
    Ok(Ink { cover: ink, threshold: cover(threshold) })
}

fn values(image: &Grey) -> impl Iterator<Item = f32> {
    image.pixels().map(|pixel| pixel.0[0])
}

/// Returns whether the ink is darker than the background, from each pixel's difference to the background.
fn is_dark(difference: &Grey, noise: f32) -> bool {
    let least = (MIN_DEVIATIONS * noise).max(MIN_CONTRAST);
    let significant = values(difference).filter(|value| value.abs() >= least);
    significant.map(|value| f64::from(value * value.abs())).sum::<f64>() < 0.0
}
