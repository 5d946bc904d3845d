//! A step whose micro-batches are divided among ranks. It gives the same bits as a step of one process.

use std::ops::ControlFlow;

use super::CpuEngine;
use crate::data::{ImageSet, View};
use crate::engine::{EngineError, Epoch, MicroBatch, Mode, Observer, Step};
use crate::model::ParameterTable;
use crate::ranks::{Contribution, running};

impl CpuEngine {
    /// Trains a whole step together with the other ranks. The observer is called once.
    ///
    /// # Panics
    /// If the engine has no other ranks.
    pub(super) fn step_of_ranks(
        &mut self,
        images: &ImageSet,
        epoch: &Epoch,
        views: Option<&[View]>,
        step: &Step,
        observer: &mut Observer,
    ) -> Result<ControlFlow<()>, EngineError> {
        let mut exchange = self.exchange.take().expect("the engine has ranks");
        let step_weight = epoch.step_weight(step, &images.labels);
        let batches: Vec<MicroBatch> = step.micro_batches_of(Self::micro_batch_limit(&self.setup)).collect();
        let (table, frozen) = (ParameterTable::new(&self.setup.network), self.setup.optimizer.frozen);
        let before = self.network.running_statistics().to_vec();
        for batch in exchange.begin(&batches) {
            let samples = batch.first..batch.first + batch.count;
            let views = views.map(|views| &views[samples.clone()]);
            running::clear(&table, frozen, self.network.running_statistics_mut());
            rayon::scope(|_| {
                self.forward(Mode::Train, images, &epoch.order[samples], views, step_weight);
                self.network.backward();
            });
            exchange.push(&Contribution {
                gradient: self.network.gradient(),
                running: self.network.running_statistics(),
                outcomes: &self.outcomes,
            });
        }
        self.network.running_statistics_mut().copy_from_slice(&before);

        let mut outcomes = Vec::with_capacity(step.count);
        for (contribution, batch) in exchange.finish(&batches, Ok(()))?.zip(&batches) {
            let Contribution { gradient, running, outcomes: of_batch } = contribution;
            let statistics = self.network.running_statistics_mut();
            running::follow(&table, frozen, statistics, running, batch.count);
            self.network.set_gradient(gradient);
            self.add_micro_batch(batch)?;
            outcomes.extend_from_slice(of_batch);
        }
        self.exchange = Some(exchange);
        Ok(observer(step.first, &outcomes))
    }
}
