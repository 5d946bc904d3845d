//! The CPU as an [`Engine`]: a training step is gather, forward, backward, look for what is not
//! finite, Adam; an evaluation is gather and forward.

use std::sync::Arc;

use super::{Network, gather};
use crate::data::Split;
use crate::engine::{Adam, AdamState, Engine, EngineError, Observer, Part, SampleOutcome, Step};
use crate::model::LeNet5;

/// Images of one pass of an evaluation at most.
const EVALUATION_BATCH: usize = 256;

/// LeNet-5 in `f32` on all threads of the current rayon pool.
#[derive(Debug)]
pub struct CpuEngine {
    network: Network<f32>,
    adam: Adam,
    batch_size: usize,
    train: Option<Arc<Split>>,
    test: Option<Arc<Split>>,
    labels: Vec<u32>,
    outcomes: Vec<SampleOutcome>,
}

impl CpuEngine {
    /// An engine for batches of up to `batch_size` images; all parameters are 0.
    pub fn new(network: LeNet5, batch_size: usize, adam: Adam) -> Self {
        let largest_batch = batch_size.max(EVALUATION_BATCH);
        Self {
            network: Network::new(network, largest_batch),
            adam,
            batch_size,
            train: None,
            test: None,
            labels: Vec::with_capacity(largest_batch),
            outcomes: Vec::with_capacity(largest_batch),
        }
    }

    /// # Panics
    /// Where the part was not loaded: a caller's error, which the trait forbids.
    fn part(&self, part: Part) -> Arc<Split> {
        let split = match part {
            Part::Train => &self.train,
            Part::Test => &self.test,
        };
        Arc::clone(split.as_ref().expect("a part is loaded before it is used"))
    }

    /// Runs a batch forward; its outcomes are in `self.outcomes`.
    fn forward(&mut self, split: &Split, order: &[u32]) {
        gather(split, order, self.network.input(order.len()));
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
        match part {
            Part::Train => self.train = Some(split),
            Part::Test => self.test = Some(split),
        }
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        Ok(self.network.parameters().to_vec())
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.network.set_parameters(arena);
        Ok(())
    }

    fn adam_state(&mut self) -> Result<AdamState, EngineError> {
        let (step, first, second) = self.network.adam_state();
        Ok(AdamState { step, first_moment: first.to_vec(), second_moment: second.to_vec() })
    }

    fn set_adam_state(&mut self, state: &AdamState) -> Result<(), EngineError> {
        self.network.set_adam_state(state.step, &state.first_moment, &state.second_moment);
        Ok(())
    }

    fn train(
        &mut self,
        order: &[u32],
        steps: &[Step],
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let split = self.part(Part::Train);
        for (done, step) in steps.iter().enumerate() {
            assert!(step.count <= self.batch_size, "a step is at most one batch");
            self.forward(&split, &order[step.first..][..step.count]);
            self.network.backward();
            // Steps are counted from 1, as Adam counts them; a bad one is told of and not applied.
            if let Some((tensor, what)) = self.network.non_finite() {
                return Err(EngineError::NonFinite { tensor, what, step: self.network.adam_state().0 + 1 });
            }
            self.network.adam_step(&self.adam, step.learning_rate);
            if observer(step.first, &self.outcomes).is_break() {
                return Ok(done + 1);
            }
        }
        Ok(steps.len())
    }

    fn evaluate(&mut self, part: Part) -> Result<Vec<SampleOutcome>, EngineError> {
        let split = self.part(part);
        let mut outcomes = Vec::with_capacity(split.len());
        let order: Vec<u32> = (0..split.len() as u32).collect();
        for order in order.chunks(EVALUATION_BATCH) {
            self.forward(&split, order);
            outcomes.extend_from_slice(&self.outcomes);
        }
        Ok(outcomes)
    }
}
