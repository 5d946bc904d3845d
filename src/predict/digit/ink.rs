//! Ink told from paper.

use image::imageops;

use super::paper::{self, Paper, median};
use super::threshold::otsu;
use super::{Grey, NoInk};

/// A picture's ink.
#[derive(Debug, Clone)]
pub struct Ink {
    /// How much of each pixel is ink: 0 for paper, 1 where strokes are full.
    pub cover: Grey,
    /// What is more than this is ink and no noise.
    pub threshold: f32,
}

/// Less contrast than this, of what lies between black and white, is none.
const LEAST_CONTRAST: f32 = 0.06;

/// How many of the noise's standard deviations ink stands out by at least.
const LEAST_DEVIATIONS: f32 = 5.0;

/// Of pictures of this side at least, noise is blurred away.
const BLURRED_SIDE: u32 = 100;

/// What of a full stroke is paper still: JPEG's and other shades.
const FAINT: f32 = 0.1;

/// The ink of a picture, be it dark on bright paper or the other way round.
pub fn of(image: Grey) -> Result<Ink, NoInk> {
    let (width, height) = image.dimensions();
    let image = if width.min(height) < BLURRED_SIDE { image } else { imageops::blur(&image, 1.0) };
    let Paper { surface, noise } = paper::under(&image);
    let mut ink = image;
    for (pixel, level) in ink.pixels_mut().zip(surface.pixels()) {
        pixel.0[0] -= level.0[0];
    }
    let sign = if is_darker(&ink, noise) { -1.0 } else { 1.0 };
    ink.pixels_mut().for_each(|pixel| pixel.0[0] = (sign * pixel.0[0]).clamp(0.0, 1.0));

    let threshold = otsu(values(&ink)).max(LEAST_DEVIATIONS / 2.0 * noise);
    let strokes: Vec<f32> = values(&ink).filter(|&value| value > threshold).collect();
    if strokes.is_empty() {
        return Err(NoInk);
    }
    let full = median(strokes);
    if full < LEAST_CONTRAST.max(LEAST_DEVIATIONS * noise) {
        return Err(NoInk);
    }
    let faint = (FAINT * full).max(noise);
    let cover = |value: f32| ((value - faint) / (full - faint)).clamp(0.0, 1.0);
    ink.pixels_mut().for_each(|pixel| pixel.0[0] = cover(pixel.0[0]));
    Ok(Ink { cover: ink, threshold: cover(threshold) })
}

fn values(image: &Grey) -> impl Iterator<Item = f32> {
    image.pixels().map(|pixel| pixel.0[0])
}

/// Whether what stands out from the paper is darker than it.
fn is_darker(differs: &Grey, noise: f32) -> bool {
    let least = (LEAST_DEVIATIONS * noise).max(LEAST_CONTRAST);
    let outstanding = values(differs).filter(|value| value.abs() >= least);
    outstanding.map(|value| f64::from(value * value.abs())).sum::<f64>() < 0.0
}
