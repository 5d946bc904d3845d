//! How far each pixel is darker than the background behind it.

use image::GrayImage;

use super::{Grey, background::median, morphology};

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
pub(super) fn noise(image: &Grey) -> f32 {
    /// The median of such differences of normal noise with a standard deviation of 1.
    const MEDIAN: f32 = 0.6745 * 1.2247;
    let rows = image.as_raw().chunks_exact(image.width() as usize);
    let differences = rows.flat_map(|row| row.windows(3).step_by(3));
    let differences: Vec<f32> =
        differences.map(|window| (window[1] - (window[0] + window[2]) / 2.0).abs()).collect();
    if differences.is_empty() { 0.0 } else { 255.0 * median(differences) / MEDIAN }
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn the_contrast_of_a_stroke_is_the_same_in_light_and_in_shadow() {
        let light = |x: u32| if x < 30 { 240 } else { 120 };
        let is_stroke = |x: u32, y: u32| (10..50).contains(&x) && (10..14).contains(&y);
        let image =
            GrayImage::from_fn(60, 30, |x, y| Luma([if is_stroke(x, y) { light(x) / 4 } else { light(x) }]));
        let contrast = Contrast::to_closing(&image, 4).values;
        let expected = GrayImage::from_fn(60, 30, |x, y| Luma([if is_stroke(x, y) { 191 } else { 0 }]));
        assert_eq!(contrast, expected);
    }

    #[test]
    fn the_noise_is_measured_beside_an_edge_and_on_a_slope() {
        // A triangle wave is as far from the mean of its neighbours as its height, at every pixel.
        let image = Grey::from_fn(90, 40, |x, y| {
            let edge = if y < 10 { 0.4 } else { 0.0 };
            Luma([0.2 + edge + 0.002 * x as f32 + if x % 2 == 0 { 0.01 } else { -0.01 }])
        });
        assert!((noise(&image) - 255.0 * 0.02 / (0.6745 * 1.2247)).abs() < 0.1, "{}", noise(&image));
    }
}
