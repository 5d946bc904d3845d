//! Random inputs of the checks.

use crate::data::ImageSet;
use crate::model::Activation;
use crate::random::{Draws, Purpose};

/// Random tensors, each from a stream of its own.
#[derive(Debug)]
pub struct Tensors {
    seed: u64,
    stream: u64,
}

impl Tensors {
    pub fn new(seed: u64) -> Self {
        Self { seed, stream: 0 }
    }

    fn draws(&mut self) -> Draws {
        self.stream += 1;
        Draws::new(Purpose::Verify, self.seed, self.stream)
    }

    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        let mut draws = self.draws();
        (0..len).map(|_| draws.normal() as f32).collect()
    }

    /// −2, −1, 0, 1 or 2.
    pub fn levels(&mut self, len: usize) -> Vec<f32> {
        let mut draws = self.draws();
        (0..len).map(|_| draws.below(5) as f32 - 2.0).collect()
    }

    /// What `activation` may have left of one value a layer: after ReLU, zeros for about half.
    pub fn activations(&mut self, len: usize, activation: Activation) -> Vec<f32> {
        let of = |x: f32| match activation {
            Activation::Identity => x,
            Activation::Relu => x.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Activation::Sign => x.signum(),
            Activation::Tanh => x.tanh(),
            Activation::HardTanh => x.clamp(-1.0, 1.0),
            Activation::LogSoftmax => -x.abs(),
        };
        self.normal(len).into_iter().map(of).collect()
    }

    /// Random square images with random labels.
    pub fn split(&mut self, channels: usize, side: usize, images: usize, classes: usize) -> ImageSet {
        let mut draws = self.draws();
        let pixels = (0..images * channels * side * side).map(|_| draws.below(256) as u8).collect();
        let labels = (0..images).map(|_| draws.below(classes as u32) as u16).collect();
        ImageSet { channels, height: side, width: side, pixels, labels }
    }
}

/// What lies where a result is to be written: nothing that could pass for one.
pub fn stale(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
