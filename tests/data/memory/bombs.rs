//! Small files that expand to a lot, written without holding in memory what they expand to.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compress, Compression, Crc, FlushCompress};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rawzip::{CompressionMethod, ZipArchiveWriter};

/// The size of the blocks of zeros that are compressed on their own.
const BLOCK: u64 = 1 << 20;

/// `count` zeros in the DEFLATE format, after `start`. A compressed block of zeros is repeated.
fn deflate(start: &[u8], count: u64) -> Vec<u8> {
    let mut packed = deflated(start, FlushCompress::Full);
    let block = deflated(&vec![0; BLOCK as usize], FlushCompress::Full);
    (0..count / BLOCK).for_each(|_| packed.extend(&block));
    packed.extend(deflated(&vec![0; (count % BLOCK) as usize], FlushCompress::Finish));
    packed
}

fn deflated(bytes: &[u8], flush: FlushCompress) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() / 100 + 1024);
    Compress::new(Compression::best(), false).compress_vec(bytes, &mut packed, flush).unwrap();
    packed
}

/// `start` and `count` zeros, gzipped.
pub fn gzip(start: &[u8], count: u64) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(start);
    let zeros = vec![0; BLOCK as usize];
    let mut of_block = Crc::new();
    of_block.update(&zeros);
    (0..count / BLOCK).for_each(|_| crc.combine(&of_block));
    crc.update(&zeros[..(count % BLOCK) as usize]);
    let length = (start.len() as u64 + count) as u32; // modulo 2³², as the format says
    [
        &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255][..],
        &deflate(start, count),
        &crc.sum().to_le_bytes(),
        &length.to_le_bytes(),
    ]
    .concat()
}

/// An archive of `count` black images of 28×28, without their labels.
pub fn npz(path: &Path, count: u64) {
    let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({count}, 28, 28)}}");
    let start = [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes()].concat();
    let mut archive = ZipArchiveWriter::new(File::create(path).unwrap());
    for (name, zeros) in [("x_test.npy", count * 28 * 28), ("y_test.npy", 0)] {
        let (mut entry, config) =
            archive.new_file(name).compression_method(CompressionMethod::DEFLATE).start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        io::copy(&mut start.chain(io::repeat(0).take(zeros)), &mut writer).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap();
}

/// A gzipped table of `count` black images of 28×28.
pub fn csv(path: &Path, count: usize) {
    let mut table = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
    let line = format!("7{}\n", ",0".repeat(28 * 28));
    (0..count).for_each(|_| table.write_all(line.as_bytes()).unwrap());
    table.finish().unwrap();
}

/// A black, transparent PNG of 16-bit RGBA, 8 bytes a pixel.
pub fn png(path: &Path, side: u32, is_interlaced: bool) {
    // Passes of an interlaced image have rows of their own; each begins with the number of a filter.
    let passes: &[[u32; 4]] = match is_interlaced {
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
    let zeros: u64 = passes
        .iter()
        .map(|&[x, y, across, down]| {
            let (width, height) = ((side - x).div_ceil(across), (side - y).div_ceil(down));
            u64::from(height) * (1 + 8 * u64::from(width))
        })
        .sum();
    let adler = ((zeros % 65_521) << 16 | 1) as u32;
    let data = [&[0x78, 0x01][..], &deflate(&[], zeros), &adler.to_be_bytes()].concat();
    let header =
        [&side.to_be_bytes()[..], &side.to_be_bytes(), &[16, 6, 0, 0, is_interlaced.into()]].concat();
    let mut file = File::create(path).unwrap();
    file.write_all(b"\x89PNG\r\n\x1a\n").unwrap();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", Vec::new())] {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(&data);
        file.write_all(&(data.len() as u32).to_be_bytes()).unwrap();
        file.write_all(kind).unwrap();
        file.write_all(&data).unwrap();
        file.write_all(&crc.sum().to_be_bytes()).unwrap();
    }
}

/// A JPEG whose header claims `side`² pixels; a decoder fills in what is missing. A progressive one collects
/// coefficients.
pub fn jpeg(path: &Path, side: u16, is_coloured: bool, is_progressive: bool) {
    let mut bytes = Vec::new();
    let (kind, count) = if is_coloured { (ExtendedColorType::Rgb8, 3) } else { (ExtendedColorType::L8, 1) };
    JpegEncoder::new_with_quality(&mut bytes, 90).write_image(&vec![99; 64 * count], 8, 8, kind).unwrap();
    let frame = bytes.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[side.to_be_bytes(), side.to_be_bytes()].concat());
    if is_progressive {
        bytes[frame + 1] = 0xc2;
    }
    fs::write(path, bytes).unwrap();
}

/// The header of an IDX file.
pub fn idx_header(dimensions: &[u32]) -> Vec<u8> {
    let mut header = vec![0, 0, 8, dimensions.len() as u8];
    header.extend(dimensions.iter().flat_map(|size| size.to_be_bytes()));
    header
}

/// Four gzipped IDX files of black images of `side`² pixels, all of class 0.
pub fn idx(folder: &Path, train: u32, test: u32, side: u32) {
    for (prefix, count) in [("train", train), ("t10k", test)] {
        let pixels = u64::from(count) * u64::from(side * side);
        let images = gzip(&idx_header(&[count, side, side]), pixels);
        fs::write(folder.join(format!("{prefix}-images-idx3-ubyte.gz")), images).unwrap();
        let labels = gzip(&idx_header(&[count]), count.into());
        fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte.gz")), labels).unwrap();
    }
}

/// CIFAR-10's archive with so many black images in a training batch and in the test batch.
pub fn cifar(path: &Path, train: u64, test: u64) {
    // Members of a gzip file may follow each other.
    let mut file = File::create(path).unwrap();
    for (name, count) in [("data_batch_1.bin", train), ("test_batch.bin", test)] {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_size(3073 * count);
        header.set_mode(0o644);
        header.set_cksum();
        let padded = (3073 * count).next_multiple_of(512);
        file.write_all(&gzip(header.as_bytes(), padded)).unwrap();
    }
    file.write_all(&gzip(&[], 1024)).unwrap();
}

/// A BMP of `side`² pixels of 24 bits, with as much of them as `length` bytes hold. The file is sparse.
pub fn bmp(path: &Path, side: u32, length: u64) {
    let start = [&b"BM"[..], &[0; 8], &54u32.to_le_bytes()].concat();
    let header = [40, side, side, 24 << 16 | 1, 0, 0, 0, 0, 0, 0].map(u32::to_le_bytes).concat();
    sparse(path, &[start, header].concat(), length);
}

/// A black TIFF of `side`² pixels of three bytes in one strip, with as much of them as `length` bytes hold. The file is
/// sparse.
pub fn tiff(path: &Path, side: u32, length: u64, compression: u32) {
    let entries = [
        (256, side),
        (257, side),
        (258, 8),
        (259, compression),
        (262, 2),
        (273, 8 + 2 + 10 * 12 + 4),
        (277, 3),
        (278, side),
        (279, 3 * side * side),
        (284, 1),
    ];
    let mut bytes = [&b"II*\0"[..], &8u32.to_le_bytes(), &10u16.to_le_bytes()].concat();
    for (tag, value) in entries {
        // A long number.
        bytes.extend(
            [&[tag as u8, (tag >> 8) as u8, 4, 0, 1, 0, 0, 0][..], &u32::to_le_bytes(value)].concat(),
        );
    }
    bytes.extend([0; 4]);
    sparse(path, &bytes, length);
}

fn sparse(path: &Path, start: &[u8], length: u64) {
    fs::write(path, start).unwrap();
    File::options().write(true).open(path).unwrap().set_len(length.max(start.len() as u64)).unwrap();
}

/// A GIF of `side`² pixels with a frame of `frame`² black pixels.
pub fn gif(path: &Path, side: u16, frame: u16) {
    let [side, frame_side] = [side, frame].map(u16::to_le_bytes);
    let mut bytes = [&b"GIF89a"[..], &side, &side, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    bytes.extend([&[0x2c, 0, 0, 0, 0][..], &frame_side, &frame_side, &[0, 7]].concat());
    // Codes have 8 bits as long as the table of codes is cleared after every 126.
    let block = [&[127, 0x80][..], &[0; 126]].concat();
    (0..(u64::from(frame) * u64::from(frame)).div_ceil(126)).for_each(|_| bytes.extend(&block));
    bytes.extend([1, 0x81, 0, 0x3b]);
    fs::write(path, bytes).unwrap();
}

/// Bits, the lowest of each byte first.
#[derive(Default)]
struct Bits(Vec<u8>, usize);

impl Bits {
    fn push(&mut self, count: usize, value: u32) {
        for bit in 0..count {
            if self.1.is_multiple_of(8) {
                self.0.push(0);
            }
            *self.0.last_mut().unwrap() |= (value >> bit & 1) as u8 * (1 << (self.1 % 8));
            self.1 += 1;
        }
    }

    /// A code of a single symbol, 0 or 1.
    fn single(&mut self, symbol: u32) {
        self.push(4, 1 | symbol << 3);
    }
}

/// A lossless WebP of `side`² pixels of one colour.
pub fn webp(path: &Path, side: u32) {
    let mut bits = webp_header(side);
    bits.push(3, 0); // no transform, no colour cache, one group of codes
    (0..5).for_each(|_| bits.single(0));
    fs::write(path, riff(&[(b"VP8L", &bits.0)])).unwrap();
}

/// A lossless WebP of `side`² pixels with so many groups of codes, each with a code for 2,048 symbols of 11 bits.
pub fn webp_codes(path: &Path, side: u32, groups: u32) {
    let mut bits = webp_header(side);
    bits.push(1, 0); // no transform
    bits.push(5, 1 | 11 << 1); // a colour cache of 2,048 colours
    bits.push(4, 1); // numbers of groups, one for each 4×4 pixels
    bits.push(1, 0); // no colour cache for these
    let last = groups - 1;
    for (symbol, two) in [(last & 255, true), (last >> 8, true), (0, false), (0, false), (0, false)] {
        match two {
            true => {
                bits.push(3, 0b111); // two symbols, the first of 8 bits
                bits.push(8, symbol);
                bits.push(8, 0);
            }
            false => bits.single(0),
        }
    }
    // The first pixel is the last group, by the shorter of two equally long codes; all others too.
    let blocks = (side.div_ceil(4) * side.div_ceil(4)) as usize;
    (0..blocks).for_each(|_| bits.push(2, 0));
    for _ in 0..groups {
        bits.push(5, 15 << 1); // a code with lengths of all 19 code lengths
        for symbol in [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15] {
            bits.push(3, u32::from(symbol == 11)); // only 11, which takes no bits
        }
        bits.push(4, 1 | 5 << 1); // the number of symbols, of 12 bits
        bits.push(12, 2_048 - 2);
        (0..4).for_each(|_| bits.single(0));
    }
    (0..side * side).for_each(|_| bits.push(11, 0));
    fs::write(path, riff(&[(b"VP8L", &bits.0)])).unwrap();
}

fn webp_header(side: u32) -> Bits {
    let mut bits = Bits::default();
    bits.push(8, 0x2f);
    bits.push(14, side - 1);
    bits.push(14, side - 1);
    bits.push(4, 0);
    bits
}

/// A lossy WebP of `side`² pixels, whose container claims `canvas`².
pub fn webp_canvas(path: &Path, side: u16, canvas: u32) {
    let image =
        [&[0x10, 0, 0, 0x9d, 1, 0x2a][..], &side.to_le_bytes(), &side.to_le_bytes(), &[0; 64]].concat();
    let [low, middle, high, _] = (canvas - 1).to_le_bytes();
    let header = [0, 0, 0, 0, low, middle, high, low, middle, high];
    fs::write(path, riff(&[(b"VP8X", &header), (b"VP8 ", &image)])).unwrap();
}

fn riff(chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut bytes = b"WEBP".to_vec();
    for (kind, content) in chunks {
        bytes.extend([&kind[..], &(content.len() as u32).to_le_bytes(), content].concat());
        bytes.resize(bytes.len().next_multiple_of(2), 0);
    }
    [&b"RIFF"[..], &(bytes.len() as u32).to_le_bytes(), &bytes].concat()
}
