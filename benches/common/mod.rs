//! Synthetic training data for the benchmarks. The content of images does not affect the time.

use std::sync::Arc;

use lenet_gpu::data::ImageSet;
use lenet_gpu::model::{LeNet5, ParameterTable};

pub const NETWORK: LeNet5 = LeNet5::new(1, 10);
pub const IMAGES: usize = 2_048;

/// 28×28 images whose pixels are spread over all byte values.
pub fn images() -> Arc<ImageSet> {
    let byte = |i: usize| (i.wrapping_mul(2_654_435_761) >> 13) as u8;
    Arc::new(ImageSet {
        channels: 1,
        height: 28,
        width: 28,
        pixels: (0..IMAGES * 28 * 28).map(byte).collect(),
        labels: (0..IMAGES).map(|i| (i % NETWORK.classes) as u16).collect(),
    })
}

/// Small positive and negative weights.
pub fn weights() -> Vec<f32> {
    let value = |i: usize| (i.wrapping_mul(2_654_435_761) % 1_000) as f32 / 10_000.0 - 0.05;
    (0..ParameterTable::new(&NETWORK).arena_len()).map(value).collect()
}
