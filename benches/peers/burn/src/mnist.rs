//! MNIST's training images from the project's own files, as network input.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// The side of an image after padding, and its number of pixels.
pub const SIDE: usize = 32;
const PIXELS: usize = SIDE * SIDE;

/// The side of an image in the file.
const STORED_SIDE: usize = 28;

/// The header lengths of IDX files of images and of labels.
const IMAGES_HEADER: usize = 16;
const LABELS_HEADER: usize = 8;

pub struct Mnist {
    /// N×32×32, padded and normalised to −1..1.
    images: Vec<f32>,
    labels: Vec<i32>,
}

impl Mnist {
    pub fn read() -> Self {
        let background = normalise(0);
        let stored = unpack("train-images-idx3-ubyte.gz");
        let (stored, _) = stored[IMAGES_HEADER..].as_chunks::<{ STORED_SIDE * STORED_SIDE }>();
        let mut images = vec![background; stored.len() * PIXELS];
        let margin = (SIDE - STORED_SIDE) / 2;
        for (image, stored) in images.chunks_exact_mut(PIXELS).zip(stored) {
            for (row, stored) in stored.chunks_exact(STORED_SIDE).enumerate() {
                let row = &mut image[(row + margin) * SIDE + margin..];
                for (pixel, &stored) in row.iter_mut().zip(stored) {
                    *pixel = normalise(stored);
                }
            }
        }
        let labels = unpack("train-labels-idx1-ubyte.gz");
        Self { images, labels: labels[LABELS_HEADER..].iter().map(|&label| label.into()).collect() }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images and labels with these indices.
    pub fn gather(&self, indices: &[usize]) -> (Vec<f32>, Vec<i32>) {
        let images = indices.iter().flat_map(|&index| &self.images[index * PIXELS..][..PIXELS]);
        (images.copied().collect(), indices.iter().map(|&index| self.labels[index]).collect())
    }
}

fn normalise(pixel: u8) -> f32 {
    (f32::from(pixel) / 255.0 - 0.5) / 0.5
}

fn unpack(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../data/mnist").join(name);
    let mut bytes = Vec::new();
    File::open(&path)
        .and_then(|file| GzDecoder::new(file).read_to_end(&mut bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    bytes
}
