//! Steps whose micro-batches are divided among ranks. The device computes the gradient of each of this rank's micro-batches;
//! the host exchanges and adds them, and the device updates the parameters with the sum.

use std::ops::ControlFlow;
use std::slice;

use super::job::Job;
use super::population::Member;
use super::submit::{check_epoch, check_faults};
use super::{GpuEngine, GpuPopulation, ONLY};
use crate::data::View;
use crate::engine::{
    EngineError, Epoch, MicroBatch, Mode, Observer, SampleOutcome, Setup, Split, Step, steps,
};
use crate::gpu::buffers::storage;
use crate::gpu::loaded_split::{Slot, record_batches};
use crate::gpu::readback::read;
use crate::gpu::recording::{BatchRecord, BufferName, Dispatch, Fault};
use crate::ranks::{Contribution, Exchange, Ranks, gather_outcomes, part_of, running};

impl GpuEngine {
    /// Trains the steps of an epoch together with the other ranks; see [`crate::engine::Engine::train`]. The observer is
    /// called once after each step.
    pub(super) fn train_on_ranks(
        &mut self,
        exchange: &mut Exchange,
        epoch: &Epoch,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let accumulates = self.population.options.setup.accumulates();
        let mut prepared = if accumulates { self.prepare(epoch) } else { Ok(()) };
        for (index, step) in epoch.steps.iter().enumerate() {
            let outcomes = if accumulates {
                let prepared = std::mem::replace(&mut prepared, Ok(()));
                self.step_on_ranks(exchange, epoch, step, prepared)?
            } else {
                self.step_alone(epoch, slice::from_ref(step))?
            };
            if observer(step.first, &outcomes).is_break() {
                return Ok(index + 1);
            }
        }
        Ok(epoch.steps.len())
    }

    /// Trains a step of one micro-batch, which every rank computes: there is nothing to divide.
    fn step_alone(&mut self, epoch: &Epoch, step: &[Step]) -> Result<Vec<SampleOutcome>, EngineError> {
        let mut outcomes = Vec::with_capacity(step[0].count);
        let mut collect = |_: usize, some: &[SampleOutcome]| {
            outcomes.extend_from_slice(some);
            ControlFlow::Continue(())
        };
        let job = Job::new(ONLY, Epoch { steps: step, ..*epoch }, &mut collect);
        self.population.run(Split::Train, Mode::Train, vec![job], None)?.remove(0)?;
        Ok(outcomes)
    }

    /// Compiles the kernels and writes what stays the same in an epoch.
    fn prepare(&self, epoch: &Epoch) -> Result<(), EngineError> {
        let population = &self.population;
        let Setup { augmented, class_weighted, network, .. } = population.options.setup;
        let (context, executor) = (&population.context, &population.executor);
        let loaded = population.splits.get(Split::Train);
        check_epoch(epoch, &population.options.setup, &loaded.images);
        let all = executor.recording.last_micro_batch.iter();
        let _ = executor.warm_up(&loaded.bindings, all, &mut || ControlFlow::Continue(()))?;
        loaded.begin_epoch(context, ONLY, epoch.order, epoch.views_for(augmented).as_deref());
        if class_weighted {
            let ones = || vec![1.0; network.classes];
            let weights = epoch.class_weights.map_or_else(ones, |weights| weights.values().to_vec());
            executor.buffers.write(context, BufferName::ClassWeights, 0, &weights);
        }
        Ok(())
    }

    /// Trains a step and returns its outcomes. `prepared` is whether the epoch could be prepared.
    fn step_on_ranks(
        &mut self,
        exchange: &mut Exchange,
        epoch: &Epoch,
        step: &Step,
        prepared: Result<(), EngineError>,
    ) -> Result<Vec<SampleOutcome>, EngineError> {
        let batches: Vec<MicroBatch> = step.micro_batches().collect();
        let mine = exchange.begin(&batches);
        let computed = prepared.and_then(|()| self.running_statistics()).and_then(|running| {
            self.contribute(exchange, epoch, step, mine, &running)?;
            Ok(running)
        });
        let (mut running, computed) = match computed {
            Ok(running) => (running, Ok(())),
            Err(error) => (Vec::new(), Err(error)),
        };

        let table = &self.population.table;
        let frozen = self.population.options.setup.optimizer.frozen;
        let mut outcomes = Vec::with_capacity(step.count);
        let mut sum: Vec<f32> = Vec::new();
        for (contribution, batch) in exchange.finish(&batches, computed)?.zip(&batches) {
            if sum.is_empty() {
                sum.extend_from_slice(contribution.gradient);
            } else {
                sum.iter_mut().zip(contribution.gradient).for_each(|(sum, &value)| *sum += value);
            }
            running::follow(table, frozen, &mut running, contribution.running, batch.count);
            outcomes.extend_from_slice(contribution.outcomes);
        }
        self.update(&sum, &running, &batches[batches.len() - 1])?;
        Ok(outcomes)
    }

    fn running_statistics(&self) -> Result<Vec<f32>, EngineError> {
        let table = &self.population.table;
        let trained = table.trained_len();
        match table.arena_len() - trained {
            0 => Ok(Vec::new()),
            len => self.population.read(BufferName::Parameters, trained, len),
        }
    }

    /// Computes the contribution of each micro-batch in `mine`. `running` are the running statistics before the step.
    fn contribute(
        &self,
        exchange: &mut Exchange,
        epoch: &Epoch,
        step: &Step,
        mine: &[MicroBatch],
        running: &[f32],
    ) -> Result<(), EngineError> {
        let population = &self.population;
        let views = epoch.views_for(population.options.setup.augmented);
        let views: Option<&[View]> = views.as_deref();
        let (context, executor) = (&population.context, &population.executor);
        let loaded = population.splits.get(Split::Train);
        let frozen = population.options.setup.optimizer.frozen;
        let trained = population.table.trained_len();
        let outcome_len = size_of::<SampleOutcome>() / size_of::<f32>();
        let lens = mine.iter().map(|batch| trained + running.len() + outcome_len * batch.count);
        let total = lens.sum::<usize>();
        if total == 0 {
            return Ok(());
        }
        let mut cleared = running.to_vec();
        running::clear(&population.table, frozen, &mut cleared);
        let step_weight = epoch.step_weight(step, &loaded.images.labels);
        let bytes = |values: usize| (values * size_of::<f32>()) as u64;
        let to = context.checked(|| storage(context, "contributions", bytes(total)))?;
        let dispatches = [&executor.recording.micro_batch[..]; 2];
        let mut end = 0;
        for batch in mine {
            let base = loaded.load_window(context, epoch.order, views, slice::from_ref(batch));
            // Its gradient alone, as if it were a step of its own.
            let alone = Step { first: batch.first, count: batch.count, ..batch.step };
            let alone = MicroBatch { step: alone, ..*batch };
            population.write_record(&alone, base, step_weight);
            if !running.is_empty() {
                executor.buffers.write(context, BufferName::Parameters, trained, &cleared);
            }
            let mut encoder = context.device.create_command_encoder(&Default::default());
            let slot = Slot { members: 1, images: batch.count, ends_step: false };
            record_batches(&mut encoder, executor, loaded, dispatches, &[slot], 0);
            let outcomes = loaded.bindings.buffers.get(BufferName::Outcomes);
            for (from, first, len) in [
                (executor.buffers.get(BufferName::Gradients), 0, trained),
                (executor.buffers.get(BufferName::Parameters), trained, running.len()),
                (outcomes, outcome_len * batch.first, outcome_len * batch.count),
            ] {
                if len > 0 {
                    encoder.copy_buffer_to_buffer(from, bytes(first), &to, bytes(end), bytes(len));
                }
                end += len;
            }
            context.queue.submit([encoder.finish()]);
        }
        let values = read::<f32>(context, &to, 0, total)?;
        let mut rest = &values[..];
        for batch in mine {
            let (gradient, others) = rest.split_at(trained);
            let (running, others) = others.split_at(running.len());
            let (outcomes, others) = others.split_at(outcome_len * batch.count);
            exchange.push(&Contribution { gradient, running, outcomes: bytemuck::cast_slice(outcomes) });
            rest = others;
        }
        Ok(())
    }

    /// Updates the parameters with the gradient of a step, of which `last` is the last micro-batch.
    fn update(&mut self, gradient: &[f32], running: &[f32], last: &MicroBatch) -> Result<(), EngineError> {
        let population = &self.population;
        let (context, executor) = (&population.context, &population.executor);
        let loaded = population.splits.get(Split::Train);
        executor.buffers.write(context, BufferName::Gradients, 0, gradient);
        if !running.is_empty() {
            let trained = population.table.trained_len();
            executor.buffers.write(context, BufferName::Parameters, trained, running);
        }
        population.write_record(last, last.first, 1.0);
        let recording = &executor.recording;
        let of_step = recording.last_micro_batch.iter().filter(|one| !recording.micro_batch.contains(one));
        let of_step: Vec<Dispatch> = of_step.copied().collect();
        let mut encoder = context.device.create_command_encoder(&Default::default());
        let slot = Slot { members: 1, images: last.count, ends_step: true };
        record_batches(&mut encoder, executor, loaded, [&of_step; 2], &[slot], 0);
        context.queue.submit([encoder.finish()]);
        let tensors = population.table.tensors().len();
        let faults: Vec<Fault> = executor.buffers.read(context, BufferName::Faults, 0, tensors)?;
        check_faults(&population.table, &faults)?;
        self.population.members[ONLY].step += 1;
        Ok(())
    }

    /// Evaluates this rank's part of a split, and returns the outcomes of all of it.
    pub(super) fn evaluate_on_ranks(
        &mut self,
        ranks: &dyn Ranks,
        split: Split,
    ) -> Result<Vec<SampleOutcome>, EngineError> {
        let images = self.population.splits.get(split).images.len();
        let part = part_of(images, ranks.rank(), ranks.size());
        let order: Vec<u32> = (part.start as u32..part.end as u32).collect();
        let mut mine = Vec::with_capacity(order.len());
        let computed = if order.is_empty() {
            Ok(())
        } else {
            let batches = steps(order.len(), self.population.evaluation_batch, 0.0);
            let mut collect = |_: usize, outcomes: &[SampleOutcome]| {
                mine.extend_from_slice(outcomes);
                ControlFlow::Continue(())
            };
            let job = Job::new(ONLY, Epoch::new(&order, &batches), &mut collect);
            let ran = self.population.run(split, Mode::Evaluate, vec![job], None);
            ran.and_then(|mut results| results.remove(0)).map(drop)
        };
        gather_outcomes(ranks, images, computed.map(|()| mine))
    }
}

impl GpuPopulation {
    /// Writes the record of a batch of the only member, whose first image on the device is that of position `base` in the
    /// order.
    fn write_record(&self, batch: &MicroBatch, base: usize, step_weight: f64) {
        let images = &self.splits.get(Split::Train).images;
        let Member { loss, optimizer, step } = &self.members[ONLY];
        let first = batch.first - base;
        let record = BatchRecord::new(batch, first, step + 1, step_weight, loss, optimizer, images);
        self.executor.write_records([&[record.of_member(ONLY, images.len())][..]].into_iter());
    }
}
