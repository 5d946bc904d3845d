//! Image files: a decoded image has the size that it claims, survives PNG, and can be prepared for a network.

#![no_main]

use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};
use lenet_gpu::data::ImageFile;
use lenet_gpu_fuzz::{Random, check_error, envelope, memory};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

/// The decoders' documented limit, and as much for the conversion of what they return.
const MOST_MEMORY: usize = 2 << 30;

/// The largest image that is encoded again.
const MOST_PIXELS: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let image = match memory::within(MOST_MEMORY, || ImageFile::decode(bytes)) {
        Ok(image) => image,
        Err(error) => return check_error(&error),
    };
    let ImageFile { channels, height, width, pixels } = &image;
    assert!([1, 3].contains(channels));
    assert!([height, width].iter().all(|side| (1..=16_384).contains(*side)));
    assert_eq!(pixels.len(), channels * height * width);
    if height * width > MOST_PIXELS {
        return;
    }
    let (plane, kind) =
        (height * width, if *channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 });
    let interleaved: Vec<u8> = (0..plane)
        .flat_map(|pixel| (0..*channels).map(move |channel| pixels[channel * plane + pixel]))
        .collect();
    let mut png = Vec::new();
    let encoder = PngEncoder::new(&mut png);
    encoder.write_image(&interleaved, *width as u32, *height as u32, kind).expect("memory can be written to");
    assert_eq!(ImageFile::decode(&png).expect("an image that was written"), image);
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    if random.once_in(2)
        && let Some(png) = envelope::edit_png_rows(&data[..size], |rows| envelope::mutate(rows, max_size))
    {
        return envelope::store(&png, data, max_size);
    }
    let size = fuzzer_mutate(data, size, max_size);
    if !random.once_in(3) {
        envelope::repair_png(&mut data[..size]);
    }
    size
});
