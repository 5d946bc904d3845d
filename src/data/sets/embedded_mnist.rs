//! The MNIST embedded in the binary. `data/README.md` documents its origin and the contents of `data/mnist.zst`.

use std::io::Read;

use zstd::{Decoder, bulk, zstd_safe};

use crate::data::loaded::{self, Loaded};
use crate::data::{DataError, ImageSet};

/// Six Zstandard frames: run lengths, ink and labels of the training images, then those of the test images.
static FRAMES: &[u8] = include_bytes!("../../../data/mnist.zst");

const TRAIN: usize = 60_000;
const TEST: usize = 10_000;
const SIDE: usize = 28;

/// The compressed values of a set of images.
#[derive(Clone, Copy)]
struct Frames {
    /// The lengths of the runs of background and ink, in turn; the first is of background. A length is written as bytes
    /// whose sum it is: 255 while more follow, then one below 255.
    run_lengths: &'static [u8],
    /// The pixels of ink.
    ink: &'static [u8],
    labels: &'static [u8],
}

/// Decodes the 60,000 training images.
pub fn train() -> Result<Loaded, DataError> {
    image_set(frames()[0], TRAIN)
}

/// Decodes the 10,000 test images.
pub fn test() -> Result<Loaded, DataError> {
    image_set(frames()[1], TEST)
}

/// Decodes the first `count` training images with their labels.
pub fn first(count: usize) -> Vec<(Vec<u8>, u8)> {
    /// The most bytes that an image has of each stream.
    const PIXELS: usize = SIDE * SIDE;
    let [Frames { run_lengths, ink, labels }, _] = frames();
    let decode = |frame: &'static [u8], length: usize| {
        let mut values = Vec::new();
        let decoder =
            Decoder::new(frame).and_then(|decoder| decoder.take(length as u64).read_to_end(&mut values));
        decoder.expect("the frames of mnist.zst are valid");
        values
    };
    let length = count * PIXELS;
    let pixels = pixels(&decode(run_lengths, length), &decode(ink, length), length);
    pixels.chunks_exact(PIXELS).map(<[u8]>::to_vec).zip(decode(labels, count)).collect()
}

fn image_set(frames: Frames, count: usize) -> Result<Loaded, DataError> {
    let what = || "the built-in MNIST".to_owned();
    let memory =
        loaded::hold(count, SIDE * SIDE).map_err(|source| DataError::Memory { what: what(), source })?;
    let pixels = pixels(&decode(frames.run_lengths), &decode(frames.ink), count * SIDE * SIDE);
    let labels: Vec<u16> = decode(frames.labels).into_iter().map(u16::from).collect();
    assert_eq!(labels.len(), count, "mnist.zst has another number of labels");
    let images = ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels };
    Ok(Loaded { images, memory: Some(memory) })
}

/// The first `count` pixels of runs of background and ink.
fn pixels(run_lengths: &[u8], mut ink: &[u8], count: usize) -> Vec<u8> {
    let mut pixels = vec![0; count];
    let mut rest = &mut pixels[..];
    let (mut length, mut is_ink) = (0, false);
    for &byte in run_lengths {
        length += usize::from(byte);
        if byte == u8::MAX {
            continue;
        }
        let (run, after) = rest.split_at_mut(length.min(rest.len()));
        if is_ink {
            let (values, others) = ink.split_at(run.len());
            run.copy_from_slice(values);
            ink = others;
        }
        (rest, length, is_ink) = (after, 0, !is_ink);
        if rest.is_empty() {
            return pixels;
        }
    }
    panic!("the runs of mnist.zst are too short");
}

/// The frames of the training and the test images, found by the lengths in their block headers.
fn frames() -> [Frames; 2] {
    let mut rest = FRAMES;
    let mut next = || {
        let length = zstd_safe::find_frame_compressed_size(rest).expect("mnist.zst contains six frames");
        let (frame, after) = rest.split_at(length);
        rest = after;
        frame
    };
    [(); 2].map(|()| Frames { run_lengths: next(), ink: next(), labels: next() })
}

/// Decodes a frame.
fn decode(frame: &[u8]) -> Vec<u8> {
    let length = zstd_safe::get_frame_content_size(frame).ok().flatten();
    let length = length.expect("the frames of mnist.zst state the length of their contents");
    bulk::decompress(frame, length as usize).expect("the frames of mnist.zst are valid")
}
