//! A photograph of a digit, made what MNIST's images are: NIST's black and white digits, scaled into 20×20 with
//! their proportions kept, which is where their greys are from, and laid into 28×28 by their centre of mass
//! (LeCun et al., 1998, section III.A; <http://yann.lecun.com/exdb/mnist/>).
//!
//! On the way there the [`paper`] is taken away, with whatever light lies on it, so that ink is bright on
//! black; a [`threshold`] tells ink from noise; of its [`strokes`] those stay that are no specks; and what
//! they cover is [`placed`](placement).

mod ink;
mod paper;
mod placement;
mod strokes;
mod threshold;

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma};

use crate::data::ImageFile;

/// Grey, from 0 (black) to 1; also how much of a pixel is ink.
type Grey = ImageBuffer<Luma<f32>, Vec<f32>>;

/// The side of MNIST's images.
pub const SIDE: usize = 28;

/// Larger photographs are shrunk to this side first: a digit is told by far fewer pixels, and noise evens out.
const LARGEST_SIDE: u32 = 400;

/// A picture on which nothing stands out from its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "shows no digit: nothing stands out from its background (--preprocess none shows the image to the network as it is)"
)]
pub struct NoInk;

/// A photograph's digit as MNIST has it, 28×28, 0 (background) to 255. The digit is darker than all around it, or
/// brighter; it is the largest thing there, and its background fills the picture's edges.
///
/// # Errors
/// Where nothing stands out.
pub fn as_in_mnist(image: &ImageFile) -> Result<[u8; SIDE * SIDE], NoInk> {
    let ink = ink::of(shrunk(grey(image)))?;
    let digit = strokes::significant(&ink);
    Ok(placement::placed(&digit))
}

/// Colour is seen by its luma (ITU-R BT.601).
fn grey(image: &ImageFile) -> Grey {
    let plane = image.height * image.width;
    let luma = |place: usize| match image.channels {
        1 => f32::from(image.pixels[place]),
        _ => {
            let channel = |index: usize| f32::from(image.pixels[index * plane + place]);
            0.299 * channel(0) + 0.587 * channel(1) + 0.114 * channel(2)
        }
    };
    let values = (0..plane).map(|place| luma(place) / 255.0).collect();
    Grey::from_raw(image.width as u32, image.height as u32, values).expect("a value for each pixel")
}

fn shrunk(image: Grey) -> Grey {
    let (width, height) = image.dimensions();
    let side = width.max(height);
    if side <= LARGEST_SIDE {
        return image;
    }
    let new = |length: u32| (u64::from(length) * u64::from(LARGEST_SIDE) / u64::from(side)).max(1) as u32;
    imageops::resize(&image, new(width), new(height), FilterType::Triangle)
}
