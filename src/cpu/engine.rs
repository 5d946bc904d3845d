//! The CPU [`Engine`]. A training step is gather, forward and backward for each micro-batch, a check for non-finite
//! values, and the update. An evaluation is gather and forward.

mod ranks;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::{Network, gather, gather_augmented};
use crate::data::{ImageSet, View};
use crate::engine::{
    Engine, EngineError, Epoch, LARGEST_MICRO_BATCH, LayerOutput, MicroBatch, Mode, Observer, OptimizerState,
    PerSplit, SampleOutcome, Setup, Split, Step,
};
use crate::model::ParameterTable;
use crate::ranks::{Exchange, Ranks, gather_outcomes, part_of};

/// Images per forward and backward pass without batch normalisation: few enough that their activations stay in the
/// caches, and enough to keep many threads busy.
const CACHED_BATCH: usize = 128;

/// Trains LeNet-5 in `f32` on all threads of the current rayon pool.
///
/// The results do not depend on the number of threads.
#[derive(Debug)]
pub struct CpuEngine {
    network: Network<f32>,
    setup: Setup,
    sets: PerSplit<Arc<ImageSet>>,
    labels: Vec<u32>,
    outcomes: Vec<SampleOutcome>,
    /// With the other ranks, if there are any.
    exchange: Option<Exchange>,
}

impl CpuEngine {
    /// Creates an engine whose parameters are all 0.
    pub fn new(setup: &Setup) -> Self {
        let largest_batch = setup.max_forward_batch();
        Self {
            network: Network::new(setup.network, largest_batch)
                .with_loss(setup.loss)
                .with_frozen(setup.optimizer.frozen),
            setup: *setup,
            sets: PerSplit::default(),
            labels: Vec::with_capacity(largest_batch),
            outcomes: Vec::with_capacity(largest_batch),
            exchange: None,
        }
    }

    /// The name of engines on the threads of the current rayon pool.
    pub(crate) fn device_name() -> String {
        match rayon::current_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            threads => format!("CPU, {threads} threads"),
        }
    }

    /// Runs a batch forward, augmented if there are views, and stores its outcomes in `self.outcomes`. In training
    /// the batch is part of a step over whose `step_weight` a mean is taken (see [`Epoch::step_weight`]).
    fn forward(
        &mut self,
        mode: Mode,
        images: &ImageSet,
        order: &[u32],
        views: Option<&[View]>,
        step_weight: f64,
    ) {
        let x = self.network.input(order.len());
        match views {
            Some(views) => gather_augmented(images, order, views, x),
            None => gather(images, order, x),
        }
        self.labels.clear();
        self.labels.extend(order.iter().map(|&index| u32::from(images.labels[index as usize])));
        match mode {
            Mode::Train => self.network.forward_micro_batch(&self.labels, step_weight),
            Mode::Evaluate => self.network.evaluate(&self.labels),
        }
        let outcomes = self.network.losses().iter().zip(self.network.predicted());
        self.outcomes.clear();
        self.outcomes.extend(outcomes.map(|(&loss, &predicted)| SampleOutcome { loss, predicted }));
    }

    /// Trains one micro-batch. Updates the parameters if it is the last one of its step.
    fn micro_batch(
        &mut self,
        images: &ImageSet,
        order: &[u32],
        views: Option<&[View]>,
        batch: &MicroBatch,
        step_weight: f64,
    ) -> Result<(), EngineError> {
        self.forward(Mode::Train, images, order, views, step_weight);
        self.network.backward();
        self.add_micro_batch(batch)
    }

    /// Adds the gradient of a micro-batch to its step. Updates the parameters if it is the last one.
    fn add_micro_batch(&mut self, batch: &MicroBatch) -> Result<(), EngineError> {
        let step = batch.step;
        if !(batch.starts_step() && batch.ends_step()) {
            self.network.accumulate(!batch.starts_step());
        }
        // Steps are counted from 1, as in Adam's formula. A failed step is reported and not applied.
        if let Some((tensor, what)) = self.network.non_finite() {
            let step = self.network.optimizer_state().0 + 1;
            return Err(EngineError::NonFinite { tensor, what, step });
        }
        if batch.ends_step() {
            self.network.update(&self.setup.optimizer, step.learning_rate);
        }
        Ok(())
    }

    /// Returns the largest number of images per micro-batch. With batch normalisation it is the same on every engine,
    /// because statistics are taken over a micro-batch.
    pub fn micro_batch_limit(setup: &Setup) -> usize {
        if setup.network.batch_norm { LARGEST_MICRO_BATCH } else { CACHED_BATCH }
    }

    /// Trains a whole step, even if the observer breaks within it.
    fn step(
        &mut self,
        images: &ImageSet,
        epoch: &Epoch,
        views: Option<&[View]>,
        step: &Step,
        observer: &mut Observer,
    ) -> Result<ControlFlow<()>, EngineError> {
        if self.exchange.is_some() {
            return self.step_of_ranks(images, epoch, views, step, observer);
        }
        let step_weight = epoch.step_weight(step, &images.labels);
        let mut flow = ControlFlow::Continue(());
        for batch in step.micro_batches_of(Self::micro_batch_limit(&self.setup)) {
            let samples = batch.first..batch.first + batch.count;
            let views = views.map(|views| &views[samples.clone()]);
            // Enter the thread pool once per micro-batch, not once per operation.
            rayon::scope(|_| self.micro_batch(images, &epoch.order[samples], views, &batch, step_weight))?;
            if observer(batch.first, &self.outcomes).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    /// Runs a split forward in batches and calls `after_batch` after each.
    fn evaluate_batches(&mut self, split: Split, after_batch: impl FnMut(&Self)) {
        let all = 0..self.sets.get(split).len();
        self.evaluate_images(split, all, after_batch);
    }

    /// Runs some images of a split forward in batches and calls `after_batch` after each.
    fn evaluate_images(&mut self, split: Split, range: Range<usize>, mut after_batch: impl FnMut(&Self)) {
        let images = Arc::clone(self.sets.get(split));
        let order: Vec<u32> = (range.start as u32..range.end as u32).collect();
        for order in order.chunks(self.setup.evaluation_batch.min(self.setup.max_forward_batch())) {
            rayon::scope(|_| self.forward(Mode::Evaluate, &images, order, None, order.len() as f64));
            after_batch(self);
        }
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        Self::device_name()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        self.sets.set(split, images);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(self.network.parameters().to_vec())
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.network.set_parameters(arena);
        Ok(())
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let (step, first, second) = self.network.optimizer_state();
        Ok(OptimizerState { step, first_moment: first.to_vec(), second_moment: second.to_vec() })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.network.set_optimizer_state(state.step, &state.first_moment, &state.second_moment);
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        let images = Arc::clone(self.sets.get(Split::Train));
        let views = epoch.views_for(self.setup.augmented);
        epoch.check_class_weights(self.setup.class_weighted, self.setup.network.classes);
        self.network.set_class_weights(epoch.class_weights);
        for (done, step) in epoch.steps.iter().enumerate() {
            assert!(step.count <= self.setup.batch_size, "a step is at most one batch");
            if self.step(&images, epoch, views.as_deref(), step, observer)?.is_break() {
                return Ok(done + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    fn set_ranks(&mut self, ranks: Arc<dyn Ranks>) -> Result<(), EngineError> {
        self.exchange = Exchange::with(ranks, &ParameterTable::new(&self.setup.network));
        Ok(())
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        let images = self.sets.get(split).len();
        let ranks = self.exchange.as_ref().map(Exchange::ranks);
        let part = ranks.as_ref().map_or(0..images, |ranks| part_of(images, ranks.rank(), ranks.size()));
        let mut mine = Vec::with_capacity(part.len());
        self.evaluate_images(split, part, |engine| mine.extend_from_slice(&engine.outcomes));
        match ranks {
            Some(ranks) => gather_outcomes(&*ranks, images, Ok(mine)),
            None => Ok(mine),
        }
    }

    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError> {
        let Setup { network, loss, .. } = self.setup;
        let mut all = Vec::with_capacity(self.sets.get(split).len() * network.classes);
        self.evaluate_batches(split, |engine| all.extend_from_slice(engine.network.outputs()));
        Ok(loss.kind.log_probabilities(network.classes, all))
    }

    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        let Setup { network, loss, .. } = self.setup;
        let mut layers = LayerOutput::of_network(&network, self.sets.get(split).len());
        self.evaluate_batches(split, |engine| {
            for (layer, values) in layers.iter_mut().zip(engine.network.layer_outputs()) {
                layer.values.extend_from_slice(&values);
            }
        });
        Ok(LayerOutput::finished(layers, &loss))
    }
}
