//! The CPU as an [`Engine`]: a training step is gather, forward and backward for each of its micro-batches,
//! look for what is not finite, update; an evaluation is gather and forward.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Network, gather, gather_augmented};
use crate::data::{ImageSet, View};
use crate::engine::{
    Engine, EngineError, Epoch, LARGEST_MICRO_BATCH, MicroBatch, Mode, Observer, OptimizerState, PerSplit,
    SampleOutcome, Setup, Split, Step,
};

/// Images whose activations caches hold on the way there and back, and which still keep many threads busy.
const CACHED_BATCH: usize = 128;

/// LeNet-5 in `f32` on all threads of the current rayon pool.
#[derive(Debug)]
pub struct CpuEngine {
    network: Network<f32>,
    setup: Setup,
    parts: PerSplit<Arc<ImageSet>>,
    labels: Vec<u32>,
    outcomes: Vec<SampleOutcome>,
}

impl CpuEngine {
    /// An engine whose parameters are all 0.
    pub fn new(setup: &Setup) -> Self {
        let largest_batch = setup.at_once();
        Self {
            network: Network::new(setup.network, largest_batch).with_loss(setup.loss),
            setup: *setup,
            parts: PerSplit::default(),
            labels: Vec::with_capacity(largest_batch),
            outcomes: Vec::with_capacity(largest_batch),
        }
    }

    /// Runs a batch forward, seen through views where there are any; its outcomes are in `self.outcomes`. In
    /// training it is one of a step of `step_count` images.
    fn forward(
        &mut self,
        pass: Mode,
        split: &ImageSet,
        order: &[u32],
        views: Option<&[View]>,
        step_count: usize,
    ) {
        let x = self.network.input(order.len());
        match views {
            Some(views) => gather_augmented(split, order, views, x),
            None => gather(split, order, x),
        }
        self.labels.clear();
        self.labels.extend(order.iter().map(|&index| u32::from(split.labels[index as usize])));
        match pass {
            Mode::Train => self.network.forward_of(&self.labels, step_count),
            Mode::Evaluate => self.network.evaluate(&self.labels),
        }
        let outcomes = self.network.losses().iter().zip(self.network.predicted());
        self.outcomes.clear();
        self.outcomes.extend(outcomes.map(|(&loss, &predicted)| SampleOutcome { loss, predicted }));
    }

    /// Trains one micro-batch, and where it ends its step, updates the parameters.
    fn micro_batch(
        &mut self,
        split: &ImageSet,
        order: &[u32],
        views: Option<&[View]>,
        batch: &MicroBatch,
    ) -> Result<(), EngineError> {
        let step = batch.step;
        self.forward(Mode::Train, split, order, views, step.count);
        self.network.backward();
        if !(batch.starts_step() && batch.ends_step()) {
            self.network.accumulate(!batch.starts_step());
        }
        // Steps are counted from 1, as Adam counts them; a bad one is told of and not applied.
        if let Some((tensor, what)) = self.network.non_finite() {
            let step = self.network.optimizer_state().0 + 1;
            return Err(EngineError::NonFinite { tensor, what, step });
        }
        if batch.ends_step() {
            self.network.update(&self.setup.optimizer, step.learning_rate);
        }
        Ok(())
    }

    /// Images that go through the network at once in training, at most.
    fn at_once(&self) -> usize {
        if self.setup.network.batch_norm { LARGEST_MICRO_BATCH } else { CACHED_BATCH }
    }

    /// Trains a step to its end, also where the observer breaks off within.
    fn step(
        &mut self,
        split: &ImageSet,
        order: &[u32],
        views: Option<&[View]>,
        step: &Step,
        observer: &mut Observer,
    ) -> Result<ControlFlow<()>, EngineError> {
        let mut flow = ControlFlow::Continue(());
        for batch in step.micro_batches_of(self.at_once()) {
            let samples = batch.first..batch.first + batch.count;
            let views = views.map(|views| &views[samples.clone()]);
            // On a thread of the pool all the while, so that the operations need not enter it one by one.
            rayon::scope(|_| self.micro_batch(split, &order[samples], views, &batch))?;
            if observer(batch.first, &self.outcomes).is_break() {
                flow = ControlFlow::Break(());
            }
        }
        Ok(flow)
    }

    /// Runs a part forward, and hands itself over after each batch.
    fn evaluate_batches(&mut self, part: Split, mut ran: impl FnMut(&Self)) {
        let split = Arc::clone(self.parts.get(part));
        let order: Vec<u32> = (0..split.len() as u32).collect();
        for order in order.chunks(self.setup.evaluation_batch.min(self.setup.at_once())) {
            rayon::scope(|_| self.forward(Mode::Evaluate, &split, order, None, order.len()));
            ran(self);
        }
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        match rayon::current_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            threads => format!("CPU, {threads} threads"),
        }
    }

    fn load(&mut self, part: Split, split: Arc<ImageSet>) -> Result<(), EngineError> {
        self.parts.set(part, split);
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
        let split = Arc::clone(self.parts.get(Split::Train));
        let views = epoch.views_of(self.setup.augmented);
        for (done, step) in epoch.steps.iter().enumerate() {
            assert!(step.count <= self.setup.batch_size, "a step is at most one batch");
            if self.step(&split, epoch.order, views.as_deref(), step, observer)?.is_break() {
                return Ok(done + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    fn evaluate(&mut self, part: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        let mut all = Vec::with_capacity(self.parts.get(part).len());
        self.evaluate_batches(part, |engine| all.extend_from_slice(&engine.outcomes));
        Ok(all)
    }

    fn log_probabilities(&mut self, part: Split) -> Result<Vec<f32>, EngineError> {
        let Setup { network, loss, .. } = self.setup;
        let mut all = Vec::with_capacity(self.parts.get(part).len() * network.classes);
        self.evaluate_batches(part, |engine| all.extend_from_slice(engine.network.outputs()));
        Ok(loss.kind.log_probabilities(network.classes, all))
    }
}
