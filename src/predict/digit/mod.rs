//! Converts a photograph of a digit to the form of MNIST's images: NIST's black-and-white digits, scaled into 20×20
//! with their proportions kept (which produces the grey levels) and centred in 28×28 by their centre of mass
//! (LeCun et al., 1998, section III.A; <http://yann.lecun.com/exdb/mnist/>).
//!
//! The steps: [`background`] estimates the background, including uneven lighting; [`ink`] subtracts it, so that ink is
//! bright on black, and separates ink from noise by a [`threshold`]; [`strokes`] drops specks; [`placement`] scales
//! and centres the rest.

mod background;
mod ink;
mod placement;
mod strokes;
mod threshold;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};

use super::preparation::RESIZE_PIXEL;
use crate::data::{ImageFile, ImageSize};

/// Grey levels from 0 (black) to 1, or ink coverage from 0 to 1.
type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The side of MNIST's images, in pixels.
pub(super) const SIDE: usize = 28;

/// Larger photographs are first shrunk to this side: it is large enough for a digit, and averaging reduces noise.
const MAX_SIDE: u32 = 400;

/// The image contains no digit: nothing stands out from its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("shows no digit: nothing stands out from its background")]
pub struct NoDigit;

/// Converts a photograph of one digit to the form of MNIST's images: 28×28, 0 (background) to 255.
///
/// The digit must be darker than its surroundings or brighter, it must be the largest object in the image, and the
/// background must reach the image's edges.
///
/// # Errors
/// [`NoDigit`] if nothing stands out from the background.
pub(super) fn to_mnist(image: &ImageFile) -> Result<[u8; SIDE * SIDE], NoDigit> {
    let ink = ink::extract(shrink(to_grey(image)))?;
    let digit = strokes::remove_specks(&ink);
    Ok(placement::place(&digit))
}

/// The number of copies of the shrunk image that the steps keep at most.
const COPIES: u64 = 12;

/// The bytes that [`to_mnist`] needs besides the image: grey values of all pixels, and what shrinking them and the later
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
