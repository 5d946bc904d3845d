//! Converts a photograph of a digit to the form of MNIST's images: NIST's black-and-white digits, scaled into 20×20
//! with their proportions kept (which produces the grey levels) and centred in 28×28 by their centre of mass
//! (LeCun et al., 1998, section III.A; <http://yann.lecun.com/exdb/mnist/>).
//!
//! The steps: [`search`] guesses the background in several ways, so that shadows and desks belong to it
//! ([`background`], [`morphology`]), takes each pixel's [`contrast`] to it, groups dark pixels into [`components`] and
//! keeps those that look like digits ([`candidates`]); [`figures`] puts the strokes of each digit together and the digits
//! in reading order; [`placement`] scales and centres each.

mod background;
mod candidates;
mod components;
mod contrast;
mod figures;
mod morphology;
mod placement;
mod search;
mod threshold;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};

use super::preparation::{DigitPlace, RESIZE_PIXEL};
use crate::data::{ImageFile, ImageSize};
use figures::Figures;

/// Grey levels from 0 (black) to 1, or ink coverage from 0 to 1.
type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The side of MNIST's images, in pixels.
pub(super) const SIDE: usize = 28;

/// Larger photographs are first shrunk to this side: it is large enough for a digit, and averaging reduces noise.
const MAX_SIDE: u32 = 400;

/// The image contains no digit: nothing that looks like one stands out from its background. Digits lower than 6 % of the
/// image's shorter side are not looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shows no digit: nothing that looks like one stands out from its background")]
pub struct NoDigit {
    /// The image's longer side, in pixels.
    pub side: usize,
}

/// A digit in the form of MNIST's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digit {
    /// 28×28, 0 (background) to 255.
    pub pixels: [u8; SIDE * SIDE],
    pub place: DigitPlace,
}

/// Images whose shorter side has at least this many pixels are blurred to reduce noise.
const BLUR_SIDE: u32 = 100;

/// The standard deviation of the blur in pixels, and the share of independent noise that it leaves.
const BLUR: f32 = 1.0;
const BLURRED_NOISE: f32 = 0.28;

/// The digits in an image.
pub(super) struct Digits {
    /// In reading order, at least one.
    pub digits: Vec<Digit>,
    /// Whether something beside them may be another digit.
    pub has_unread: bool,
}

/// Finds the digits in a photograph.
///
/// # Errors
/// [`NoDigit`] if nothing looks like a digit.
pub(super) fn find(image: &ImageFile) -> Result<Digits, NoDigit> {
    let grey = shrink(to_grey(image));
    let (width, height) = grey.dimensions();
    let noise = contrast::noise(&grey);
    let (grey, noise) = match width.min(height) < BLUR_SIDE {
        true => (grey, noise),
        false => (imageops::blur(&grey, BLUR), BLURRED_NOISE * noise),
    };
    let finding = search::search(&grey, noise).ok_or(NoDigit { side: image.width.max(image.height) })?;
    let Figures { in_order, has_unread } = figures::assemble(&finding);
    let to_original = |at: u32, length: u32, original: usize| {
        ((u64::from(at) * original as u64 + u64::from(length) / 2) / u64::from(length)) as u32
    };
    let digits = in_order.iter().map(|figure| {
        let bounds = &figure.bounds;
        let (x, y) = (|at| to_original(at, width, image.width), |at| to_original(at, height, image.height));
        Digit {
            pixels: placement::place(&figure.cover(&finding)),
            place: DigitPlace {
                left: x(bounds.left),
                top: y(bounds.top),
                right: x(bounds.right),
                bottom: y(bounds.bottom),
                line: figure.line,
            },
        }
    });
    Ok(Digits { digits: digits.collect(), has_unread })
}

/// The number of copies of the shrunk image that the steps keep at most, runs of pixels included.
const COPIES: u64 = 20;

/// The bytes that [`find`] needs besides the image: grey values of all pixels, and what shrinking them and the later
/// steps take.
pub(super) fn memory(size: ImageSize) -> u64 {
    let value = size_of::<f32>() as u64;
    let side = u64::from(MAX_SIDE);
    value * size.pixels() + RESIZE_PIXEL * side * u64::from(size.width) + COPIES * value * side * side
}

/// Converts colour to luma (ITU-R BT.601).
fn to_grey(image: &ImageFile) -> Grey {
    let plane = image.height * image.width;
    let luma = |pixel: usize| match image.channels {
        1 => f32::from(image.pixels[pixel]),
        _ => {
            let channel = |index: usize| f32::from(image.pixels[index * plane + pixel]);
            0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2)
        }
    };
    let values = (0..plane).map(|pixel| luma(pixel) / 255.0).collect();
    Grey::from_raw(image.width as u32, image.height as u32, values).expect("a value for each pixel")
}

fn shrink(image: Grey) -> Grey {
    let (width, height) = image.dimensions();
    let side = width.max(height);
    if side <= MAX_SIDE {
        return image;
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(MAX_SIDE) / u64::from(side)).max(1) as u32;
    imageops::resize(&image, scaled(width), scaled(height), FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAPER: u8 = 230;
    const INK: u8 = 20;

    fn paper() -> ImageFile {
        ImageFile { channels: 1, height: 160, width: 200, pixels: vec![PAPER; 160 * 200] }
    }

    fn fill(image: &mut ImageFile, (left, top): (usize, usize), (width, height): (usize, usize)) {
        for y in top..top + height {
            image.pixels[y * image.width + left..][..width].fill(INK);
        }
    }

    /// Draws a 2 of bars, half as wide as it is high.
    fn two(image: &mut ImageFile, (left, top): (usize, usize), height: usize) {
        let (width, pen) = (height / 2, height / 8);
        for bar in [top, top + height / 2 - pen / 2, top + height - pen] {
            fill(image, (left, bar), (width, pen));
        }
        fill(image, (left + width - pen, top), (pen, height / 2));
        fill(image, (left, top + height / 2), (pen, height / 2));
    }

    #[test]
    fn a_dark_digit_on_a_bright_disc_is_the_digit() {
        let mut image = paper();
        for (index, pixel) in image.pixels.iter_mut().enumerate() {
            let (x, y) = ((index % 200).abs_diff(100), (index / 200).abs_diff(80));
            if x * x + y * y > 50 * 50 {
                *pixel = 90;
            }
        }
        two(&mut image, (84, 48), 64);
        let found = find(&image).unwrap().digits;
        assert_eq!(found.len(), 1);
        let place = found[0].place;
        assert!(place.left.abs_diff(84) <= 2 && place.bottom.abs_diff(112) <= 2, "{place:?}");
    }

    #[test]
    fn a_shape_with_more_holes_than_digits_have_is_no_digit() {
        for (holes, is_digit) in [(2, true), (5, false)] {
            let mut image = paper();
            fill(&mut image, (80, 30), (6, 100));
            fill(&mut image, (106, 30), (6, 100));
            (0..=holes).for_each(|rung| fill(&mut image, (80, 30 + 94 * rung / holes), (32, 6)));
            assert_eq!(find(&image).is_ok(), is_digit, "{holes} holes");
        }
    }

    #[test]
    fn a_mark_beside_a_number_that_may_be_a_digit_is_noted() {
        let mut image = paper();
        two(&mut image, (40, 40), 64);
        two(&mut image, (90, 40), 64);
        let found = find(&image).unwrap();
        assert_eq!((found.digits.len(), found.has_unread), (2, false));
        let mut with_point = image.clone();
        fill(&mut with_point, (130, 96), (8, 8));
        assert!(!find(&with_point).unwrap().has_unread);
        two(&mut image, (140, 76), 24);
        let found = find(&image).unwrap();
        assert_eq!((found.digits.len(), found.has_unread), (2, true));
    }
}
