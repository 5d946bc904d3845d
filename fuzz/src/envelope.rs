//! Repairs what surrounds mutated contents, such as lengths and checksums, so that parsers look at the contents.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

/// The first bytes of gzip data.
pub const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The length of a record of CIFAR-10.
pub const CIFAR_RECORD: usize = 1 + 3 * 32 * 32;

/// The length of a block of a tar archive.
const BLOCK: usize = 512;

/// The first bytes of a PNG file.
const PNG: [u8; 8] = *b"\x89PNG\r\n\x1a\n";

/// Compresses bytes.
pub fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::new(level));
    packed.write_all(bytes).and_then(|()| packed.finish()).expect("memory can be written to")
}

/// Decompresses at most `most` bytes; `None` if the data is invalid.
pub fn gunzip(packed: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(packed).take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Makes an IDX header fit the values after it: labels if the rank is 1, else images of 1×1 to 8×8.
pub fn repair_idx(bytes: &mut Vec<u8>) {
    let labels = bytes.get(3) == Some(&1);
    let header = if labels { 8 } else { 16 };
    bytes.resize(bytes.len().max(header + 1), 0);
    bytes[..4].copy_from_slice(&[0, 0, 8, if labels { 1 } else { 3 }]);
    let [height, width] =
        if labels { [1, 1] } else { [bytes[11], bytes[15]].map(|side| usize::from(side % 8) + 1) };
    let count = ((bytes.len() - header) / (height * width)).max(1);
    bytes.resize(header + count * height * width, 7);
    for (dimension, field) in [count, height, width].into_iter().zip(bytes[4..header].chunks_exact_mut(4)) {
        field.copy_from_slice(&(dimension as u32).to_be_bytes());
    }
}

/// Makes the checksums of a tar archive's headers fit.
pub fn repair_tar(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
    let mut start = 0;
    while let Some(header) = bytes.get_mut(start..start + BLOCK) {
        if header.iter().all(|&byte| byte == 0) {
            break;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = header[124..136].iter().filter(|byte| (b'0'..b'8').contains(byte));
        let size = digits.fold(0, |size: usize, &digit| size.saturating_mul(8) + usize::from(digit - b'0'));
        start = start.saturating_add(BLOCK).saturating_add(size.min(1 << 40).next_multiple_of(BLOCK));
    }
}

/// Makes the lengths and the checksums of a PNG file's chunks fit.
pub fn repair_png(bytes: &mut [u8]) {
    let Some(mut rest) = bytes.get_mut(PNG.len()..) else { return };
    while rest.len() >= 12 {
        let claimed = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
        let length = claimed.min(rest.len() - 12);
        rest[..4].copy_from_slice(&(length as u32).to_be_bytes());
        let sum = crc32fast::hash(&rest[4..8 + length]);
        rest[8 + length..12 + length].copy_from_slice(&sum.to_be_bytes());
        rest = &mut rest[12 + length..];
    }
}

/// Changes the filtered rows of a PNG file that has a single chunk of them.
pub fn edit_png_rows(bytes: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
    let kind = bytes.windows(4).position(|kind| kind == b"IDAT")?;
    let length = u32::from_be_bytes(bytes[kind.checked_sub(4)?..kind].try_into().ok()?) as usize;
    let (start, end) = (kind + 4, kind.checked_add(4)?.checked_add(length)?);
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(bytes.get(start..end)?).take(1 << 16).read_to_end(&mut rows).ok()?;
    edit(&mut rows);
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&rows).ok()?;
    let packed = packed.finish().ok()?;
    let length = (packed.len() as u32).to_be_bytes();
    let mut edited = [&bytes[..kind - 4], &length, b"IDAT", &packed, &bytes[end..]].concat();
    repair_png(&mut edited);
    Some(edited)
}

/// Copies a mutated input back into libFuzzer's buffer.
pub fn store(bytes: &[u8], data: &mut [u8], max_size: usize) -> usize {
    let size = bytes.len().min(max_size);
    data[..size].copy_from_slice(&bytes[..size]);
    size
}

/// Lets libFuzzer mutate bytes that are not its input, within `most` bytes.
pub fn mutate(bytes: &mut Vec<u8>, most: usize) {
    let size = bytes.len().min(most);
    bytes.resize(most, 0);
    let size = libfuzzer_sys::fuzzer_mutate(bytes, size, most);
    bytes.truncate(size);
}
