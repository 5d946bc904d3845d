//! Where a digit stands in MNIST's images.

use image::imageops::{self, FilterType};

use super::{Grey, SIDE};

/// The side of the square that a digit fills in its longer direction.
const BOX: u32 = 20;

/// What of a pixel must be ink for the digit to reach that far.
const REACHES: f32 = 0.25;

/// Where MNIST's images have their centre of mass, from either edge: not between the two middle pixels but in the
/// second of them. Over the 10,000 test images the means are 14.51 and 14.49.
const CENTRE: f32 = 14.5;

/// Scales a digit's ink into 20×20, its proportions kept, and lays it into 28×28 by its centre of mass, as near to
/// [`CENTRE`] as whole pixels and the image's edges let it.
pub fn placed(digit: &Grey) -> [u8; SIDE * SIDE] {
    let mut placed = [0; SIDE * SIDE];
    let Some((x, y, width, height)) = extent(digit) else { return placed };
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

/// The smallest rectangle around what reaches: its left and upper edge, its width and its height.
fn extent(digit: &Grey) -> Option<(u32, u32, u32, u32)> {
    let reaches = |pixel: &image::Luma<f32>| pixel.0[0] >= REACHES;
    let places = || digit.enumerate_pixels().filter(|(_, _, pixel)| reaches(pixel)).map(|(x, y, _)| (x, y));
    let (left, right) = (places().map(|(x, _)| x).min()?, places().map(|(x, _)| x).max()?);
    let (top, bottom) = (places().map(|(_, y)| y).min()?, places().map(|(_, y)| y).max()?);
    Some((left, top, right - left + 1, bottom - top + 1))
}

/// Where along a direction the digit begins for its centre of mass to be where MNIST's is.
fn start(digit: &Grey, along: impl Fn(u32, u32) -> u32, length: u32) -> usize {
    let (mut mass, mut moment) = (0.0, 0.0);
    for (x, y, pixel) in digit.enumerate_pixels() {
        mass += pixel.0[0];
        moment += pixel.0[0] * (along(x, y) as f32 + 0.5);
    }
    let begin = CENTRE - moment / mass.max(f32::MIN_POSITIVE);
    begin.round().clamp(0.0, SIDE as f32 - length as f32) as usize
}

#[cfg(test)]
mod tests {
    use image::Luma;

    use super::*;

    #[test]
    fn a_digit_fills_20_pixels_and_stands_by_its_centre_of_mass() {
        // An upright bar of 20×100, and a foot that draws its centre of mass to the right.
        let bar = |x: u32, y: u32| (50..70).contains(&x) && (30..130).contains(&y);
        let foot = |x: u32, y: u32| (70..110).contains(&x) && (110..130).contains(&y);
        let digit = Grey::from_fn(300, 200, |x, y| Luma([f32::from(bar(x, y) || foot(x, y))]));
        let placed = placed(&digit);
        let rows: Vec<usize> = (0..SIDE).filter(|row| placed[row * SIDE..][..SIDE].contains(&255)).collect();
        assert_eq!(rows.len(), 20);
        // Of the mass, 2,000 parts at 2 pixels from the left and 800 at 8; 700 above the middle's.
        let left = (0..SIDE).find(|x| placed[rows[0] * SIDE + x] == 255).unwrap();
        let centre = (2_000.0 * 2.0 + 800.0 * 8.0) / 2_800.0;
        assert_eq!(left, (CENTRE - centre).round() as usize);
    }
}
