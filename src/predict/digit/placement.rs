//! Scales and centres a digit as in MNIST's images.

use image::imageops::{self, FilterType};

use super::{Grey, SIDE};

/// The longer side of a digit, in pixels.
const BOX: u32 = 20;

/// A digit's bounding box encloses the pixels with at least this coverage.
const EDGE_COVER: f32 = 0.25;

/// The centre of mass of MNIST's images, in pixels from the left and the top: not between the two middle pixels but in
/// the second of them. The means over the 10,000 test images are 14.51 and 14.49.
const CENTRE: f32 = 14.5;

/// Scales a digit's ink into 20×20 with its proportions kept, and places it in 28×28 with its centre of mass as close
/// to [`CENTRE`] as whole pixels and the image's edges allow.
pub(super) fn place(digit: &Grey) -> [u8; SIDE * SIDE] {
    let mut placed = [0; SIDE * SIDE];
    let Some((x, y, width, height)) = bounding_box(digit) else { return placed };
    let longer = width.max(height);
    let scaled = |length: u32| ((length * BOX) as f32 / longer as f32).round().max(1.0) as u32;
    let cut = imageops::crop_imm(digit, x, y, width, height);
    let small = imageops::resize(&*cut, scaled(width), scaled(height), FilterType::Triangle);

    let (left, top) = (start(&small, |x, _| x, small.width()), start(&small, |_, y| y, small.height()));
    for (x, y, pixel) in small.enumerate_pixels() {
        placed[(top + y as usize) * SIDE + left + x as usize] = (pixel.0[0] * 255.0).round() as u8;
    }
    placed
}

/// Returns the left and upper edge, the width and the height of the smallest rectangle around the digit.
fn bounding_box(digit: &Grey) -> Option<(u32, u32, u32, u32)> {
    let is_inside = |pixel: &image::Luma<f32>| pixel.0[0] >= EDGE_COVER;
    let inside = || digit.enumerate_pixels().filter(|(_, _, pixel)| is_inside(pixel)).map(|(x, y, _)| (x, y));
    let (left, right) = (inside().map(|(x, _)| x).min()?, inside().map(|(x, _)| x).max()?);
    let (top, bottom) = (inside().map(|(_, y)| y).min()?, inside().map(|(_, y)| y).max()?);
    Some((left, top, right - left + 1, bottom - top + 1))
}

/// Returns the first row or column of a digit of this length whose centre of mass is at [`CENTRE`].
fn start(digit: &Grey, along: impl Fn(u32, u32) -> u32, length: u32) -> usize {
    let (mut mass, mut moment) = (0.0, 0.0);
    for (x, y, pixel) in digit.enumerate_pixels() {
        mass += pixel.0[0];
        moment += pixel.0[0] * (along(x, y) as f32 + 0.5);
    }
    let start = CENTRE - moment / mass.max(f32::MIN_POSITIVE);
    start.round().clamp(0.0, SIDE as f32 - length as f32) as usize
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn a_digit_is_scaled_to_20_pixels_and_centred_by_mass() {
        // An upright bar of 20×100 with a foot that pulls the centre of mass to the right.
        let bar = |x: u32, y: u32| (50..70).contains(&x) && (30..130).contains(&y);
        let foot = |x: u32, y: u32| (70..110).contains(&x) && (110..130).contains(&y);
        let digit = Grey::from_fn(300, 200, |x, y| Luma([f32::from(bar(x, y) || foot(x, y))]));
        let placed = place(&digit);
        let rows: Vec<usize> = (0..SIDE).filter(|row| placed[row * SIDE..][..SIDE].contains(&255)).collect();
        assert_eq!(rows.len(), 20);
        // The bar has mass 2,000 at 2 pixels from the left, the foot 800 at 8 pixels.
        let left = (0..SIDE).find(|x| placed[rows[0] * SIDE + x] == 255).unwrap();
        let centre = (2_000.0 * 2.0 + 800.0 * 8.0) / 2_800.0;
        assert_eq!(left, (CENTRE - centre).round() as usize);
    }
}
