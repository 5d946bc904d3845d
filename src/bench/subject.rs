//! An engine at one batch size, with weights and images: what is timed.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::contender::AnyEngine;
use super::results::Task;
use crate::data::ImageSet;
use crate::engine::{EngineError, Epoch, Setup, Split, steps};

/// Small, so that weights stay finite whatever the images are.
const LEARNING_RATE: f32 = 1e-4;

/// An engine that has been given weights and images to train on.
#[derive(Debug)]
pub struct Subject {
    pub engine: AnyEngine,
    images: Arc<ImageSet>,
    batch: usize,
    /// The order of an epoch: as many images as make whole batches.
    order: Vec<u32>,
    /// Images of the part that is inferred, once there is one.
    inferred: usize,
}

impl Subject {
    /// Hands weights and images to an engine that was made for `setup`.
    ///
    /// # Panics
    /// Where there are fewer images than a batch has: a caller's error.
    pub fn new(
        mut engine: AnyEngine,
        setup: &Setup,
        weights: &[f32],
        images: &Arc<ImageSet>,
    ) -> Result<Self, EngineError> {
        let batch = setup.batch_size;
        assert!(batch <= images.len(), "there are images for a batch");
        engine.as_engine().set_parameters(weights)?;
        engine.as_engine().load(Split::Train, Arc::clone(images))?;
        let order = (0..(images.len() / batch * batch) as u32).collect();
        Ok(Self { engine, images: Arc::clone(images), batch, order, inferred: 0 })
    }

    /// Seconds of a step, over about `count` steps of whole batches: from when the first is asked for until the
    /// last one's outcomes are known.
    pub fn seconds_a_step(&mut self, task: Task, count: usize) -> Result<f64, EngineError> {
        match task {
            Task::Train => self.train(count),
            Task::Infer => self.infer(count),
        }
    }

    fn train(&mut self, count: usize) -> Result<f64, EngineError> {
        let epoch = steps(self.order.len(), self.batch, LEARNING_RATE);
        let mut left = count;
        let started = Instant::now();
        while left > 0 {
            let now = left.min(epoch.len());
            let order = &self.order[..now * self.batch];
            let engine = self.engine.as_engine();
            engine.train(&Epoch::new(order, &epoch[..now]), &mut |_, _| ControlFlow::Continue(()))?;
            left -= now;
        }
        Ok(started.elapsed().as_secs_f64() / count as f64)
    }

    /// What can be inferred is a whole part, so there may be some more steps.
    fn infer(&mut self, count: usize) -> Result<f64, EngineError> {
        let an_evaluation = count.min(self.order.len() / self.batch);
        self.load_test(an_evaluation)?;
        let evaluations = count.div_ceil(an_evaluation);
        let started = Instant::now();
        for _ in 0..evaluations {
            self.engine.as_engine().evaluate(Split::Test)?;
        }
        Ok(started.elapsed().as_secs_f64() / (evaluations * an_evaluation) as f64)
    }

    /// Makes the first images of so many batches the part that is inferred.
    fn load_test(&mut self, batches: usize) -> Result<(), EngineError> {
        let count = batches * self.batch;
        if count != self.inferred {
            let first = ImageSet {
                pixels: self.images.pixels[..count * self.images.image_len()].to_vec(),
                labels: self.images.labels[..count].to_vec(),
                ..*self.images
            };
            self.engine.as_engine().load(Split::Test, Arc::new(first))?;
            self.inferred = count;
        }
        Ok(())
    }

    /// Warms up, and finds how many steps take about `seconds`.
    ///
    /// The number of steps is doubled until they take so long: meanwhile drivers compile, caches fill, clocks rise
    /// and submits grow.
    pub fn warm_up(&mut self, task: Task, seconds: f64) -> Result<usize, EngineError> {
        // The first one may have to compile.
        self.seconds_a_step(task, 1)?;
        let mut count = 1;
        let mut a_step = self.seconds_a_step(task, count)?;
        while a_step * (count as f64) < seconds {
            count *= 2;
            a_step = self.seconds_a_step(task, count)?;
        }
        let count = (seconds / a_step).round().max(1.0) as usize;
        // With the images that are inferred from now on.
        self.seconds_a_step(task, count)?;
        Ok(count)
    }
}
