//! Decoding gives what the `image` crate's own conversions give, and rejects what is no image.

use image::codecs::{jpeg::JpegEncoder, png::PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageReader};

use super::*;

fn png(pixels: &[u8], width: u32, height: u32, kind: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, width, height, kind).unwrap();
    bytes
}

#[test]
fn grey_images_have_one_plane_and_colour_images_three() {
    let grey = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 3, 2, ExtendedColorType::L8)).unwrap();
    assert_eq!(grey, ImageFile { channels: 1, height: 2, width: 3, pixels: vec![1, 2, 3, 4, 5, 6] });
    let colour = ImageFile::decode(&png(&[1, 2, 3, 4, 5, 6], 1, 2, ExtendedColorType::Rgb8)).unwrap();
    assert_eq!(colour, ImageFile { channels: 3, height: 2, width: 1, pixels: vec![1, 4, 2, 5, 3, 6] });
}

#[test]
fn transparent_pixels_are_blended_with_white() {
    let pixels = [10, 0, 10, 255, 0, 128];
    let image = ImageFile::decode(&png(&pixels, 3, 1, ExtendedColorType::La8)).unwrap();
    assert_eq!((image.channels, image.pixels), (1, vec![255, 10, 127]));
}

#[test]
fn jpeg_files_are_decoded_and_truncated_ones_rejected() {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 95)
        .write_image(&[200; 64], 8, 8, ExtendedColorType::L8)
        .unwrap();
    let image = ImageFile::decode(&bytes).unwrap();
    assert_eq!((image.channels, image.height, image.width), (1, 8, 8));
    assert!(image.pixels.iter().all(|pixel| pixel.abs_diff(200) <= 2), "{:?}", image.pixels);
    for len in [bytes.len() - 1, bytes.len() - 2, bytes.len() / 2] {
        assert!(ImageFile::decode(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn other_files_and_truncated_png_files_are_rejected() {
    let valid = png(&[7; 64 * 64], 64, 64, ExtendedColorType::L8);
    for (bytes, expected) in [
        (&b""[..], "is empty"),
        (b"hello, I am a text", "is not a PNG, JPEG, WebP, BMP, GIF or TIFF file"),
        (b"BMWs are cars; this is a text", "is not a PNG"),
        (b"\0\0\0\x18ftypheic", "is a HEIC or AVIF file; convert it"),
        (b"GIF89a rest", "truncated"),
        (&valid[..valid.len() / 2], "truncated"),
    ] {
        let message = ImageFile::decode(bytes).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn huge_sizes_are_rejected_before_memory_is_allocated() {
    let side = 0xfffff_u32.to_be_bytes();
    let header = chunk(b"IHDR", &[&side[..], &side, &[8, 0, 0, 0, 0]].concat());
    let bytes = [png::SIGNATURE, &header].concat();
    let error = ImageFile::decode(&bytes).unwrap_err();
    assert!(matches!(error, ImageFileError::TooManyPixels { width: 0xfffff, height: 0xfffff }), "{error}");
}

/// The same by the `image` crate's own conversions, which keep several copies of the image.
fn by_conversion(bytes: &[u8]) -> ImageFile {
    let mut decoder =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().into_decoder().unwrap();
    let orientation = image::ImageDecoder::orientation(&mut decoder).unwrap();
    let mut image = DynamicImage::from_decoder(decoder).unwrap();
    image.apply_orientation(orientation);
    let (height, width) = (image.height() as usize, image.width() as usize);
    let blended = |pixels: Vec<u8>, count: usize, channel: usize| {
        let pixels = pixels.chunks_exact(count).map(|it| blend_with_white(it[channel], it[count - 1]));
        pixels.collect::<Vec<_>>()
    };
    if image.color().has_color() {
        let pixels = image.to_rgba8().into_raw();
        let planes = [0, 1, 2].map(|channel| blended(pixels.clone(), 4, channel));
        ImageFile { channels: 3, height, width, pixels: planes.concat() }
    } else {
        let pixels = blended(image.to_luma_alpha8().into_raw(), 2, 0);
        ImageFile { channels: 1, height, width, pixels }
    }
}

/// A chunk of a PNG file.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(&[kind, data].concat());
    [&(data.len() as u32).to_be_bytes(), &kind[..], data, &crc.sum().to_be_bytes()].concat()
}

/// A PNG file of 5×7 pixels with any content.
fn any_png(colour: u8, depth: u8, is_interlaced: bool, chunks: &[u8]) -> Vec<u8> {
    const SIZE: [usize; 2] = [5, 7];
    let samples = [1, 0, 3, 1, 2, 0, 4][usize::from(colour)];
    // The first pixel and the distance of the pixels of each pass, in x and y.
    let passes: &[[usize; 4]] = match is_interlaced {
        false => &[[0, 0, 1, 1]],
        true => &[
            [0, 0, 8, 8],
            [4, 0, 8, 8],
            [0, 4, 4, 8],
            [2, 0, 4, 4],
            [0, 2, 2, 4],
            [1, 0, 2, 2],
            [0, 1, 1, 2],
        ],
    };
    let mut rows = Vec::new();
    for &[x, y, across, down] in passes {
        let (width, height) =
            (SIZE[0].saturating_sub(x).div_ceil(across), SIZE[1].saturating_sub(y).div_ceil(down));
        for _ in (0..height).filter(|_| width > 0) {
            rows.push(0);
            let bytes = (width * samples * usize::from(depth)).div_ceil(8);
            let start = rows.len();
            rows.extend((start..start + bytes).map(|index| (index * index * 31 + index * 7) as u8));
        }
    }
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &rows).unwrap();
    let [width, height] = SIZE.map(|side| (side as u32).to_be_bytes());
    let header = [&width[..], &height, &[depth, colour, 0, 0, is_interlaced.into()]].concat();
    [
        png::SIGNATURE,
        &chunk(b"IHDR", &header),
        chunks,
        &chunk(b"IDAT", &packed.finish().unwrap()),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

#[test]
fn png_of_every_type_is_decoded_as_by_conversion() {
    let palette: Vec<u8> = (0..=255u8).flat_map(|index| [index, 255 - index, index / 2]).collect();
    for (colour, depths) in
        [(0, &[1, 2, 4, 8, 16][..]), (2, &[8, 16]), (3, &[1, 2, 4, 8]), (4, &[8, 16]), (6, &[8, 16])]
    {
        for (&depth, is_interlaced) in depths.iter().flat_map(|depth| [(depth, false), (depth, true)]) {
            let colours = 3 << if colour == 3 { depth } else { 0 };
            let palette = if colour == 3 { chunk(b"PLTE", &palette[..colours]) } else { Vec::new() };
            let transparent: &[u8] = match colour {
                0 => &[0, 1],
                2 => &[0, 7, 0, 38, 0, 1],
                3 => &[9, 200],
                _ => &[],
            };
            let transparency = if transparent.is_empty() { Vec::new() } else { chunk(b"tRNS", transparent) };
            for chunks in [palette.clone(), [palette, transparency].concat()] {
                let file = any_png(colour, depth, is_interlaced, &chunks);
                let expected = by_conversion(&file);
                assert_eq!(ImageFile::decode(&file).unwrap(), expected, "colour {colour}, depth {depth}");
            }
        }
    }
}

/// Exif data whose only entry is the orientation.
fn exif(orientation: u8) -> Vec<u8> {
    [&b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"[..], &[orientation, 0, 0, 0, 0, 0, 0, 0]].concat()
}

#[test]
fn images_are_turned_as_by_conversion() {
    let jpeg = {
        let pixels: Vec<u8> = (0..24 * 16 * 3).map(|index| (index * index / 50) as u8).collect();
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut bytes, 90);
        encoder.write_image(&pixels, 24, 16, ExtendedColorType::Rgb8).unwrap();
        bytes
    };
    for orientation in 1..=8 {
        let exif = exif(orientation);
        let segment = [b"Exif\0\0", &exif[..]].concat();
        let length = (segment.len() as u16 + 2).to_be_bytes();
        let turned_jpeg = [&jpeg[..2], &[0xff, 0xe1], &length, &segment, &jpeg[2..]].concat();
        for file in [turned_jpeg, any_png(2, 8, false, &chunk(b"eXIf", &exif))] {
            let decoded = ImageFile::decode(&file).unwrap();
            assert_eq!(
                decoded.width > decoded.height,
                (orientation < 5) == (file[0] == 0xff),
                "{orientation}"
            );
            assert_eq!(decoded, by_conversion(&file), "orientation {orientation}");
        }
    }
}
