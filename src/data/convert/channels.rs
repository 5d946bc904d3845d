//! Conversion between grey and colour images.

use serde::{Deserialize, Serialize};

use crate::data::ImageSet;

/// The channels of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Grey; colour images are converted to luma (ITU-R BT.601)
    Grey,
    /// Red, green and blue; grey images are repeated three times
    Colour,
}

impl Channels {
    /// The number of channels, 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

/// Converts images of 1 or 3 channels.
///
/// # Panics
/// If images have another number of channels than 1 or 3.
pub fn convert_channels(images: ImageSet, channels: Channels) -> ImageSet {
    let plane = images.height * images.width;
    let pixels = match (images.channels, channels) {
        (1, Channels::Grey) | (3, Channels::Colour) => return images,
        (1, Channels::Colour) => repeat(images.pixels, plane),
        (3, Channels::Grey) => luma(images.pixels, plane),
        (other, _) => panic!("images have 1 channel or 3, not {other}"),
    };
    ImageSet { channels: channels.count(), pixels, ..images }
}

/// Repeats the only channel, N×H×W to N×3×H×W, as the paper's loader does. In place, from the last image on.
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

/// Computes the luma, N×3×H×W to N×H×W. In place, from the first image on.
fn luma(mut pixels: Vec<u8>, plane: usize) -> Vec<u8> {
    let images = pixels.len() / (3 * plane);
    for index in 0..images * plane {
        let (image, pixel) = (index / plane, index % plane);
        let channel = |channel| u32::from(pixels[(3 * image + channel) * plane + pixel]);
        // 0.299, 0.587 and 0.114 in units of 2⁻¹⁶, which add up to 1, as in Pillow's mode "L".
        let luma = 19_595 * channel(0) + 38_470 * channel(1) + 7_471 * channel(2);
        pixels[index] = ((luma + (1 << 15)) >> 16) as u8;
    }
    pixels.truncate(images * plane);
    pixels.shrink_to_fit();
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of 1×2 pixels per channel.
    fn images(channels: usize, pixels: &[u8]) -> ImageSet {
        ImageSet { channels, height: 1, width: 2, pixels: pixels.to_vec(), labels: vec![0, 1] }
    }

    #[test]
    fn grey_images_are_repeated_in_each_channel() {
        let colour = convert_channels(images(1, &[1, 2, 3, 4]), Channels::Colour);
        assert_eq!(colour, images(3, &[1, 2, 1, 2, 1, 2, 3, 4, 3, 4, 3, 4]));
    }

    #[test]
    fn colour_images_are_converted_to_luma() {
        // Red and green, then blue and a mixture: 0.299·10 + 0.587·100 + 0.114·200 = 84.49.
        let colour = images(3, &[255, 0, 0, 255, 0, 0, 0, 10, 0, 100, 255, 200]);
        assert_eq!(convert_channels(colour, Channels::Grey), images(1, &[76, 150, 29, 84]));
    }

    #[test]
    fn grey_survives_the_conversion_to_colour_and_back() {
        let all: Vec<u8> = (0..=255).collect();
        let grey = ImageSet { channels: 1, height: 8, width: 8, pixels: all, labels: vec![0; 4] };
        let colour = convert_channels(grey.clone(), Channels::Colour);
        assert_eq!(convert_channels(colour, Channels::Grey), grey);
    }

    #[test]
    fn images_of_the_requested_channels_are_unchanged() {
        let (grey, colour) = (images(1, &[1, 2, 3, 4]), images(3, &[7; 12]));
        assert_eq!(convert_channels(grey.clone(), Channels::Grey), grey);
        assert_eq!(convert_channels(colour.clone(), Channels::Colour), colour);
    }
}
