//! An engine with weights and images loaded, ready to be timed at one batch size.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::results::Task;
use crate::data::ImageSet;
use crate::device::AnyEngine;
use crate::engine::{Engine, EngineError, Epoch, Setup, Split, steps};

/// Small enough for the weights to stay finite with any images.
const LEARNING_RATE: f32 = 1e-4;

/// An engine with weights and training images.
#[derive(Debug)]
pub struct LoadedEngine {
    pub engine: AnyEngine,
    images: Arc<ImageSet>,
    batch: usize,
    /// The order of an epoch, which consists of whole batches.
    order: Vec<u32>,
    /// The number of images in the loaded test split; 0 if none is loaded.
    test_images: usize,
}

impl LoadedEngine {
    /// Loads weights and images into an engine that was created for `setup`.
    ///
    /// # Panics
    /// If there are fewer images than a batch has.
    pub fn new(
        mut engine: AnyEngine,
        setup: &Setup,
        weights: &[f32],
        images: &Arc<ImageSet>,
    ) -> Result<Self, EngineError> {
        let batch = setup.batch_size;
        assert!(batch <= images.len(), "there are images for a batch");
        engine.set_parameters(weights)?;
        engine.load(Split::Train, Arc::clone(images))?;
        let order = order(images, batch);
        Ok(Self { engine, images: Arc::clone(images), batch, order, test_images: 0 })
    }

    /// Seconds per step over about `count` steps of whole batches, from the call until the outcomes of the last
    /// step are known.
    pub fn seconds_per_step(&mut self, task: Task, count: usize) -> Result<f64, EngineError> {
        match task {
            Task::Train => self.train(count),
            Task::Infer => self.infer(count),
        }
    }

    fn train(&mut self, count: usize) -> Result<f64, EngineError> {
        let started = Instant::now();
        train(&mut self.engine, &self.order, self.batch, count)?;
        Ok(started.elapsed().as_secs_f64() / count as f64)
    }

    /// An evaluation always covers the whole test split, so a few more steps than `count` may run.
    fn infer(&mut self, count: usize) -> Result<f64, EngineError> {
        let steps_per_evaluation = count.min(self.order.len() / self.batch);
        self.load_test(steps_per_evaluation)?;
        let evaluations = count.div_ceil(steps_per_evaluation);
        let started = Instant::now();
        for _ in 0..evaluations {
            self.engine.evaluate(Split::Test)?;
        }
        Ok(started.elapsed().as_secs_f64() / (evaluations * steps_per_evaluation) as f64)
    }

    /// Loads the images of the first `batches` batches as the test split.
    fn load_test(&mut self, batches: usize) -> Result<(), EngineError> {
        let count = batches * self.batch;
        if count != self.test_images {
            let first = ImageSet {
                pixels: self.images.pixels[..count * self.images.image_len()].to_vec(),
                labels: self.images.labels[..count].to_vec(),
                ..*self.images
            };
            self.engine.load(Split::Test, Arc::new(first))?;
            self.test_images = count;
        }
        Ok(())
    }

    /// Warms up, and finds how many steps take about `seconds`.
    ///
    /// The number of steps is doubled until they take that long. Meanwhile drivers compile, caches fill, clock rates
    /// rise and submits grow.
    pub fn warm_up(&mut self, task: Task, seconds: f64) -> Result<usize, EngineError> {
        // The first step may include compilation.
        self.seconds_per_step(task, 1)?;
        let mut count = 1;
        let mut step = self.seconds_per_step(task, count)?;
        while step * (count as f64) < seconds {
            count *= 2;
            step = self.seconds_per_step(task, count)?;
        }
        let count = (seconds / step).round().max(1.0) as usize;
        // Loads the test split that the runs use.
        self.seconds_per_step(task, count)?;
        Ok(count)
    }
}

/// The order of an epoch of whole batches.
pub fn order(images: &ImageSet, batch: usize) -> Vec<u32> {
    (0..(images.len() / batch * batch) as u32).collect()
}

/// Trains `count` steps of whole batches, in epochs of this order.
pub fn train(engine: &mut dyn Engine, order: &[u32], batch: usize, count: usize) -> Result<(), EngineError> {
    let epoch = steps(order.len(), batch, LEARNING_RATE);
    let mut remaining = count;
    while remaining > 0 {
        let now = remaining.min(epoch.len());
        let order = &order[..now * batch];
        engine.train(&Epoch::new(order, &epoch[..now]), &mut |_, _| ControlFlow::Continue(()))?;
        remaining -= now;
    }
    Ok(())
}
