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
