//! The CPU as an [`Engine`]: a training step is gather, forward, backward, look for what is not
//! finite, Adam; an evaluation is gather and forward.

use std::sync::Arc;

use super::{Network, gather, gather_augmented};
use crate::data::{Split, View};
use crate::engine::{
    Engine, EngineError, Epoch, Observer, OptimizerState, Part, Parts, Rule, SampleOutcome, Setup,
};

/// Images of one pass of an evaluation at most.
const EVALUATION_BATCH: usize = 256;

/// LeNet-5 in `f32` on all threads of the current rayon pool.
#[derive(Debug)]
pub struct CpuEngine {
    network: Network<f32>,
    setup: Setup,
    parts: Parts<Arc<Split>>,
    labels: Vec<u32>,
    outcomes: Vec<SampleOutcome>,
}

impl CpuEngine {
    /// An engine whose parameters are all 0.
    pub fn new(setup: &Setup) -> Self {
        let largest_batch = setup.batch_size.max(EVALUATION_BATCH);
        Self {
            network: Network::new(setup.network, largest_batch),
            setup: *setup,
            parts: Parts::default(),
            labels: Vec::with_capacity(largest_batch),
            outcomes: Vec::with_capacity(largest_batch),
        }
    }

    /// Runs a batch forward, seen through views where there are any; its outcomes are in `self.outcomes`.
    fn forward(&mut self, split: &Split, order: &[u32], views: Option<&[View]>) {
        let x = self.network.input(order.len());
        match views {
            Some(views) => gather_augmented(split, order, views, x),
            None => gather(split, order, x),
        }
        self.labels.clear();
        self.labels.extend(order.iter().map(|&index| u32::from(split.labels[index as usize])));
        self.network.forward(&self.labels);
        let outcomes = self.network.losses().iter().zip(self.network.predicted());
        self.outcomes.clear();
        self.outcomes.extend(outcomes.map(|(&loss, &predicted)| SampleOutcome { loss, predicted }));
    }
}

impl Engine for CpuEngine {
    fn name(&self) -> String {
        match rayon::current_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            threads => format!("CPU, {threads} threads"),
        }
    }

    fn load(&mut self, part: Part, split: Arc<Split>) -> Result<(), EngineError> {
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
        let split = Arc::clone(self.parts.get(Part::Train));
        let views = epoch.views_of(self.setup.augmented);
        for (done, step) in epoch.steps.iter().enumerate() {
            assert!(step.count <= self.setup.batch_size, "a step is at most one batch");
            let batch = step.first..step.first + step.count;
            let views = views.as_deref().map(|views| &views[batch.clone()]);
            self.forward(&split, &epoch.order[batch], views);
            self.network.backward();
            // Steps are counted from 1, as Adam counts them; a bad one is told of and not applied.
            if let Some((tensor, what)) = self.network.non_finite() {
                return Err(EngineError::NonFinite {
                    tensor,
                    what,
                    step: self.network.optimizer_state().0 + 1,
                });
            }
            let Rule::Adam(adam) = self.setup.optimizer.rule else { unimplemented!() };
            self.network.adam_step(&adam, step.learning_rate);
            if observer(step.first, &self.outcomes).is_break() {
                return Ok(done + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    fn evaluate(&mut self, part: Part) -> Result<Vec<SampleOutcome>, EngineError> {
        let split = Arc::clone(self.parts.get(part));
        let mut outcomes = Vec::with_capacity(split.len());
        let order: Vec<u32> = (0..split.len() as u32).collect();
        for order in order.chunks(EVALUATION_BATCH) {
            self.forward(&split, order, None);
            outcomes.extend_from_slice(&self.outcomes);
        }
        Ok(outcomes)
    }
}
