//! Random inputs for the checks.

use crate::data::ImageSet;
use crate::engine::ClassWeights;
use crate::model::Activation;
use crate::random::{Draws, Purpose};

/// A source of random tensors, each drawn from a stream of its own.
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

    /// Normally distributed values.
    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        let mut draws = self.draws();
        (0..len).map(|_| draws.normal() as f32).collect()
    }

    /// Values from −2, −1, 0, 1 and 2, so that many are equal.
    pub fn levels(&mut self, len: usize) -> Vec<f32> {
        let mut draws = self.draws();
        (0..len).map(|_| draws.below(5) as f32 - 2.0).collect()
    }

    /// Plausible outputs of `activation`: after ReLU, about half of them are zeros.
    pub fn activations(&mut self, len: usize, activation: Activation) -> Vec<f32> {
        let activate = |x: f32| match activation {
            Activation::Identity => x,
            Activation::Relu => x.max(0.0),
            Activation::Sigmoid => 1.0 / (1.0 + libm::expf(-x)),
            Activation::Sign => x.signum(),
            Activation::Tanh => libm::tanhf(x),
            Activation::HardTanh => x.clamp(-1.0, 1.0),
            Activation::LogSoftmax => -x.abs(),
        };
        self.normal(len).into_iter().map(activate).collect()
    }

    /// Weights of 1/4 to 2 for the classes.
    pub fn class_weights(&mut self, classes: usize) -> ClassWeights {
        let mut draws = self.draws();
        let weights = (0..classes).map(|_| (1 + draws.below(8)) as f32 / 4.0).collect();
        ClassWeights::new(weights).expect("the weights are above 0")
    }

    /// Random square images with random labels.
    pub fn image_set(&mut self, channels: usize, side: usize, images: usize, classes: usize) -> ImageSet {
        let mut draws = self.draws();
        let pixels = (0..images * channels * side * side).map(|_| draws.below(256) as u8).collect();
        let labels = (0..images).map(|_| draws.below(classes as u32) as u16).collect();
        ImageSet { channels, height: side, width: side, pixels, labels }
    }
}

/// NaNs to fill the destination of a result, so that a missing write is noticed.
pub fn stale(len: usize) -> Vec<f32> {
    vec![f32::NAN; len]
}

/// The values as f64.
pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}
