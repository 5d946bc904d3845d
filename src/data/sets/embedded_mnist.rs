//! The MNIST embedded in the binary. `data/README.md` documents its origin and the contents of `data/mnist.zst`.

use std::io::Read;

use zstd::{Decoder, bulk, zstd_safe};

use crate::data::loaded::{self, Loaded};
use crate::data::{DataError, ImageSet};

/// Four Zstandard frames: training pixels, training labels, test pixels and test labels.
static FRAMES: &[u8] = include_bytes!("../../../data/mnist.zst");

const TRAIN: usize = 60_000;
const TEST: usize = 10_000;
const SIDE: usize = 28;

/// Decodes the 60,000 training images.
pub fn train() -> Result<Loaded, DataError> {
    let [pixels, labels, ..] = frames();
    image_set(pixels, labels, TRAIN)
}

/// Decodes the 10,000 test images.
pub fn test() -> Result<Loaded, DataError> {
    let [.., pixels, labels] = frames();
    image_set(pixels, labels, TEST)
}

/// Decodes the first `count` training images with their labels.
pub fn first(count: usize) -> Vec<(Vec<u8>, u8)> {
    let [pixels, labels, ..] = frames();
    let decode = |frame: &'static [u8], length: usize| {
        let mut values = vec![0; length];
        let decoder = Decoder::new(frame).and_then(|mut decoder| decoder.read_exact(&mut values));
        decoder.expect("the frames of mnist.zst are valid and long enough");
        values
    };
    let pixels = decode(pixels, count * SIDE * SIDE);
    let labels = decode(labels, count);
    pixels.chunks_exact(SIDE * SIDE).map(<[u8]>::to_vec).zip(labels).collect()
}

fn image_set(pixels: &[u8], labels: &[u8], count: usize) -> Result<Loaded, DataError> {
    let what = || "the built-in MNIST".to_owned();
    let memory =
        loaded::hold(count, SIDE * SIDE).map_err(|source| DataError::Memory { what: what(), source })?;
    let pixels = decode(pixels, count * SIDE * SIDE);
    let labels = decode(labels, count).into_iter().map(u16::from).collect();
    let images = ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels };
    Ok(Loaded { images, memory: Some(memory) })
}

/// The frames, found by the lengths in their block headers.
fn frames() -> [&'static [u8]; 4] {
    let mut rest = FRAMES;
    std::array::from_fn(|_| {
        let length = zstd_safe::find_frame_compressed_size(rest).expect("mnist.zst contains four frames");
        let (frame, after) = rest.split_at(length);
        rest = after;
        frame
    })
}

/// Decodes a frame of `length` bytes.
fn decode(frame: &[u8], length: usize) -> Vec<u8> {
    let values = bulk::decompress(frame, length).expect("the frames of mnist.zst are valid");
    assert_eq!(values.len(), length, "a frame of mnist.zst has another length");
    values
}
