//! The MNIST embedded in the binary. `data/README.md` documents its origin and the contents of `data/mnist.zst`.

use zstd::{bulk, zstd_safe};

use crate::data::ImageSet;

/// Zstandard frames without a container: the pixels of the first half of the training images, of the second half, the
/// training labels, the pixels of the test images and the test labels.
static FRAMES: &[u8] = include_bytes!("../../../data/mnist.zst");

const TRAIN: usize = 60_000;
const TEST: usize = 10_000;
const SIDE: usize = 28;

/// Decodes the 60,000 training images.
pub fn train() -> ImageSet {
    let [first_half, second_half, labels, ..] = frames();
    let mut pixels = vec![0; TRAIN * SIDE * SIDE];
    let (first, second) = pixels.split_at_mut(TRAIN / 2 * SIDE * SIDE);
    rayon::join(|| decode(first_half, first), || decode(second_half, second));
    image_set(pixels, labels, TRAIN)
}

/// Decodes the 10,000 test images.
pub fn test() -> ImageSet {
    let [.., images, labels] = frames();
    let mut pixels = vec![0; TEST * SIDE * SIDE];
    decode(images, &mut pixels);
    image_set(pixels, labels, TEST)
}

fn image_set(pixels: Vec<u8>, labels_frame: &[u8], count: usize) -> ImageSet {
    let mut labels = vec![0; count];
    decode(labels_frame, &mut labels);
    let labels = labels.into_iter().map(u16::from).collect();
    ImageSet { channels: 1, height: SIDE, width: SIDE, pixels, labels }
}

/// The frames, found by the lengths in their block headers.
fn frames() -> [&'static [u8]; 5] {
    let mut rest = FRAMES;
    std::array::from_fn(|_| {
        let length = zstd_safe::find_frame_compressed_size(rest).expect("mnist.zst contains five frames");
        let (frame, after) = rest.split_at(length);
        rest = after;
        frame
    })
}

/// Decodes a frame that fills `values`.
fn decode(frame: &[u8], values: &mut [u8]) {
    let length = bulk::decompress_to_buffer(frame, values).expect("the embedded MNIST is valid");
    assert_eq!(length, values.len(), "a frame of mnist.zst has another length");
}
