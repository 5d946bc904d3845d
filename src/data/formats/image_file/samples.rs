//! Interleaved samples of any type, as the `image` crate's decoders return them, to planes of bytes.

use image::metadata::Orientation;
use image::{ColorType, ImageDecoder};

use super::{Decoded, ImageFile, ImageFileError, blend_with_white, failed, orient};
use crate::memory::Reservation;

/// Decodes an image whose memory has been reserved.
pub fn decode(
    decoder: impl ImageDecoder,
    format: &'static str,
    orientation: Orientation,
    memory: Reservation<'static>,
) -> Result<Decoded, ImageFileError> {
    let (colour, (width, height)) = (decoder.color_type(), decoder.dimensions());
    let mut interleaved = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut interleaved).map_err(failed(format))?;
    let (channels, pixels) = to_planes(interleaved, colour);
    let image = ImageFile { channels, height: height as usize, width: width as usize, pixels };
    Ok(Decoded { image: orient::apply(image, orientation), memory })
}

/// Keeps one plane of an image in a format without greyscale if all of its pixels are grey.
pub fn grey_if_all_are(decoded: Decoded) -> Decoded {
    let Decoded { mut image, memory } = decoded;
    let plane = image.height * image.width;
    let (first, others) = image.pixels.split_at(plane);
    if others.chunks_exact(plane).all(|other| other == first) {
        image.channels = 1;
        image.pixels.truncate(plane);
        image.pixels.shrink_to_fit();
    }
    Decoded { image, memory }
}

/// Separates interleaved samples. Returns the number of planes, 1 or 3, and the planes. The second or fourth sample of a
/// pixel is alpha.
pub fn to_planes(samples: Vec<u8>, colour: ColorType) -> (usize, Vec<u8>) {
    let count = usize::from(colour.channel_count());
    match usize::from(colour.bytes_per_pixel()) / count {
        1 if count == 1 => (1, samples),
        1 => separate(&samples, count, |&[byte]: &[u8; 1]| byte),
        2 => separate(&samples, count, |&bytes| narrow(u16::from_ne_bytes(bytes))),
        _ => separate(&samples, count, |&bytes| {
            (f32::from_ne_bytes(bytes).clamp(0.0, 1.0) * 255.0).round() as u8
        }),
    }
}

fn separate<const BYTES: usize>(
    samples: &[u8],
    count: usize,
    to_byte: impl Fn(&[u8; BYTES]) -> u8,
) -> (usize, Vec<u8>) {
    let planes = if count < 3 { 1 } else { 3 };
    let samples = samples.as_chunks().0;
    let mut pixels = Vec::with_capacity(samples.len() / count * planes);
    for plane in 0..planes {
        pixels.extend(samples.chunks_exact(count).map(|pixel| {
            let value = to_byte(&pixel[plane]);
            if count == planes { value } else { blend_with_white(value, to_byte(&pixel[count - 1])) }
        }));
    }
    (planes, pixels)
}

/// Rounds 16 bits to 8, as [`image`] does.
pub fn narrow(value: u16) -> u8 {
    ((u32::from(value) + 128) / 257) as u8
}
