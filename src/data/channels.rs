//! Grey images as colour ones, and colour images as grey ones.

use serde::{Deserialize, Serialize};

use super::ImageSet;

/// What images are seen in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Grey, which is the luma (ITU-R BT.601) of colour
    Grey,
    /// Red, green and blue, all three of which are grey's own where an image is grey
    Colour,
}

impl Channels {
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

/// Brings images of one or three channels to those that are wanted; where they have them, nothing is done.
///
/// # Panics
/// Where images have two channels, or more than three: no data set's have.
pub fn convert(split: ImageSet, wanted: Channels) -> ImageSet {
    let plane = split.height * split.width;
    let pixels = match (split.channels, wanted) {
        (1, Channels::Grey) | (3, Channels::Colour) => return split,
        (1, Channels::Colour) => repeat(split.pixels, plane),
        (3, Channels::Grey) => luma(split.pixels, plane),
        (other, _) => panic!("images have 1 channel or 3, not {other}"),
    };
    ImageSet { channels: wanted.count(), pixels, ..split }
}

/// N×H×W to N×3×H×W, as the paper's loader does. In place, from the last image on.
fn repeat(mut pixels: Vec<u8>, plane: usize) -> Vec<u8> {
    let grey = pixels.len();
    pixels.reserve_exact(2 * grey);
    pixels.resize(3 * grey, 0);
    for image in (0..grey).step_by(plane).rev() {
        for channel in (0..3).rev() {
            pixels.copy_within(image..image + plane, 3 * image + channel * plane);
        }
    }
    pixels
}

/// N×3×H×W to N×H×W, in place, from the first image on.
fn luma(mut pixels: Vec<u8>, plane: usize) -> Vec<u8> {
    let images = pixels.len() / (3 * plane);
    for place in 0..images * plane {
        let (image, pixel) = (place / plane, place % plane);
        let channel = |index| u32::from(pixels[(3 * image + index) * plane + pixel]);
        // 0.299, 0.587 and 0.114 in units of 2⁻¹⁶, which together are 1, as Pillow's "L" has them.
        let luma = 19_595 * channel(0) + 38_470 * channel(1) + 7_471 * channel(2);
        pixels[place] = ((luma + (1 << 15)) >> 16) as u8;
    }
    pixels.truncate(images * plane);
    pixels.shrink_to_fit();
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of 1×2 in each channel.
    fn split(channels: usize, pixels: &[u8]) -> ImageSet {
        ImageSet { channels, height: 1, width: 2, pixels: pixels.to_vec(), labels: vec![0, 1] }
    }

    #[test]
    fn grey_is_repeated_three_times_image_by_image() {
        let colour = convert(split(1, &[1, 2, 3, 4]), Channels::Colour);
        assert_eq!(colour, split(3, &[1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4]));
    }

    #[test]
    fn colour_becomes_its_luma() {
        // Red and green, then blue and a mixture: 0.299·10 + 0.587·100 + 0.114·200 = 84.49.
        let colour = split(3, &[255, 0, 0, 255, 0, 0, 0, 10, 0, 100, 255, 200]);
        assert_eq!(convert(colour, Channels::Grey), split(1, &[76, 150, 29, 84]));
    }

    #[test]
    fn grey_that_became_colour_becomes_the_same_grey() {
        let all: Vec<u8> = (0..=255).collect();
        let grey = ImageSet { channels: 1, height: 8, width: 8, pixels: all, labels: vec![0; 4] };
        assert_eq!(convert(convert(grey.clone(), Channels::Colour), Channels::Grey), grey);
    }

    #[test]
    fn what_has_its_channels_stays_as_it_is() {
        let (grey, colour) = (split(1, &[1, 2, 3, 4]), split(3, &[7; 12]));
        assert_eq!(convert(grey.clone(), Channels::Grey), grey);
        assert_eq!(convert(colour.clone(), Channels::Colour), colour);
    }
}
