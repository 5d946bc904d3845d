//! The filters of the first convolution as an image.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::messages::Image;
use crate::model::{LeNet5, ParameterTable};

/// The side of a weight's square, in pixels.
const SCALE: usize = 16;

/// The gap around and between filters, in pixels.
const GAP: usize = 8;

/// The brightness between filters.
const BACKGROUND: u8 = 255;

/// The filters of conv1 side by side, as a PNG file. All are drawn to the same scale: grey is 0, black and white are the
/// largest magnitude of any weight. For colour images, the red of a pixel is the weight of the red channel, and so on.
pub(super) fn conv1(network: &LeNet5, parameters: &[f32]) -> Image {
    let (shape, table) = (network.conv1(), ParameterTable::new(network));
    let weights = &parameters[table.get("conv1.weight").range()];
    let (count, side, channels) = (shape.filters, shape.size, shape.channels);
    let tile = side * SCALE;
    let (width, height) = (count * (tile + GAP) + GAP, tile + 2 * GAP);

    let largest = weights.iter().filter(|weight| weight.is_finite()).fold(0f32, |most, w| most.max(w.abs()));
    let level = |weight: f32| {
        let share = if largest > 0.0 { weight / largest } else { 0.0 };
        // NaN becomes black.
        (127.5 + 127.5 * share).round() as u8
    };
    let mut pixels = vec![BACKGROUND; width * height * channels];
    for (filter, weights) in weights.chunks_exact(channels * side * side).enumerate() {
        let left = GAP + filter * (tile + GAP);
        for y in 0..tile {
            for x in 0..tile {
                let (row, column) = (y / SCALE, x / SCALE);
                let pixel = ((GAP + y) * width + left + x) * channels;
                for channel in 0..channels {
                    pixels[pixel + channel] = level(weights[(channel * side + row) * side + column]);
                }
            }
        }
    }

    let colour = if channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&pixels, width as u32, height as u32, colour)
        .expect("the buffer matches the size, and writing to memory does not fail");
    Image {
        height: height as i32,
        width: width as i32,
        colorspace: channels as i32,
        encoded_image_string: png,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_weight_is_a_square_whose_brightness_is_its_value() {
        for channels in [1, 3] {
            let network = LeNet5::new(channels, 10);
            let mut parameters = vec![0.0; ParameterTable::new(&network).arena_len()];
            let area = 25 * channels;
            // The last weight of the second filter's first channel, and the first of its last channel.
            parameters[area + 24] = 0.5;
            parameters[2 * area - 25] = -0.25;
            let image = conv1(&network, &parameters);
            let png = image::load_from_memory(&image.encoded_image_string).unwrap().to_rgb8();
            assert_eq!(png.dimensions(), (image.width as u32, image.height as u32));
            let pixel = |filter: u32, row: u32, column: u32| {
                png.get_pixel(8 + filter * 88 + column * 16, 8 + row * 16).0
            };
            let (bright, dark) =
                if channels == 1 { ([255; 3], [64; 3]) } else { ([255, 128, 128], [128, 128, 64]) };
            assert_eq!(pixel(1, 4, 4), bright);
            assert_eq!(pixel(1, 0, 0), dark);
            assert_eq!(pixel(0, 4, 4), [128; 3]);
            assert_eq!(png.get_pixel(0, 0).0, [255; 3]);
        }
    }

    #[test]
    fn weights_that_are_not_finite_are_drawn() {
        let network = LeNet5::new(1, 10);
        let parameters = vec![f32::NAN; ParameterTable::new(&network).arena_len()];
        assert!(image::load_from_memory(&conv1(&network, &parameters).encoded_image_string).is_ok());
    }
}
