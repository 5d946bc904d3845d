//! A training loop of your own over the `Engine` trait: it chooses the order of the images, the batches and the learning
//! rate of each step, and prints the loss as training proceeds.
//!
//! `lenet_gpu::train::train` is the ready-made loop, with schedules, early stopping and checkpoints.
//!
//! ```sh
//! cargo run --release --example training_loop
//! ```

use std::error::Error;
use std::f32::consts::PI;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{self, Conversion, Dataset};
use lenet_gpu::engine::{self, Engine, Epoch, Setup, Split, Tally};
use lenet_gpu::model::{Init, LeNet5, ParameterTable};

const EPOCHS: u64 = 2;
const BATCH_SIZE: usize = 64;
const PEAK_LEARNING_RATE: f32 = 2e-3;
const SEED: u64 = 7;

fn main() -> Result<(), Box<dyn Error>> {
    // The first 20,000 training images, to finish in seconds.
    let mnist = Dataset::embedded_mnist(Conversion::default())?.limited(NonZeroUsize::new(20_000), None);
    let samples = mnist.train.len();

    // Every engine works the same from here on; `GpuEngine` implements the same trait.
    let network = LeNet5::new(1, mnist.classes);
    let mut engine: Box<dyn Engine> = Box::new(CpuEngine::new(&Setup::new(network, BATCH_SIZE)));
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), SEED))?;
    engine.load(Split::Train, Arc::clone(&mnist.train))?;
    engine.load(Split::Test, Arc::clone(&mnist.test))?;

    let steps_per_epoch = samples.div_ceil(BATCH_SIZE);
    let total_steps = EPOCHS as usize * steps_per_epoch;
    for epoch in 0..EPOCHS {
        // A new random order in each epoch, and a cosine schedule over all steps.
        let order = data::order(samples, SEED, epoch, true);
        let mut steps = engine::steps(samples, BATCH_SIZE, PEAK_LEARNING_RATE);
        for (index, step) in steps.iter_mut().enumerate() {
            let progress = (epoch as usize * steps_per_epoch + index) as f32 / total_steps as f32;
            step.learning_rate = PEAK_LEARNING_RATE * 0.5 * (1.0 + (PI * progress).cos());
        }

        // The engine reports each image's loss and prediction, in the epoch's order.
        let mut recent = Tally::default();
        engine.train(&Epoch::new(&order, &steps), &mut |first, outcomes| {
            for (outcome, &image) in outcomes.iter().zip(&order[first..]) {
                recent.add(outcome, mnist.train.labels[image as usize]);
            }
            if recent.samples >= 4_000 {
                let seen = first + outcomes.len();
                println!("epoch {}, {seen:5} images: loss {:.4}", epoch + 1, recent.loss());
                recent = Tally::default();
            }
            ControlFlow::Continue(())
        })?;

        let mut test = Tally::default();
        for (outcome, &label) in engine.evaluate(Split::Test)?.iter().zip(&mnist.test.labels) {
            test.add(outcome, label);
        }
        println!("epoch {}: test accuracy {:.2} %", epoch + 1, 100.0 * test.accuracy());
    }
    Ok(())
}
