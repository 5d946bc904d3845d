//! Submits the batches of epochs, several at a time, and reads their outcomes late, so that the device never waits for
//! the host.

use std::ops::ControlFlow;

use super::job::{Job, Submit};
use super::population::GpuPopulation;
use crate::data::ImageSet;
use crate::engine::{EngineError, Epoch, Mode, NonFinite, Setup, Split};
use crate::gpu::context::Context;
use crate::gpu::loaded_split::{TensorCopy, record_batches};
use crate::gpu::pace::Pace;
use crate::gpu::readback::Ring;
use crate::gpu::recording::{BatchRecord, BufferName, Fault};
use crate::gpu::residency::Policy;
use crate::model::ParameterTable;

impl GpuPopulation {
    /// Runs the epochs of some members; see [`crate::engine::Population::train`]. Returns the result of each job. The
    /// outputs of the first job's network for each sample are copied to `outputs`, if given. Nothing is left in flight,
    /// whatever the result.
    ///
    /// # Panics
    /// If a step extends past the end of the order or has more samples than the workspace, or if the order has an index
    /// outside of the split. Kernels do not check this. Also if two jobs have the same member.
    pub(super) fn run(
        &mut self,
        split: Split,
        mode: Mode,
        mut jobs: Vec<Job>,
        outputs: Option<&wgpu::Buffer>,
    ) -> Result<Vec<Result<usize, EngineError>>, EngineError> {
        let result = self.submit_all(split, mode, &mut jobs, outputs);
        // Otherwise the next epoch would receive the outcomes left over from this one.
        self.ring.clear(&self.context);
        result?;
        Ok(jobs.into_iter().map(Job::finish).collect())
    }

    fn submit_all(
        &mut self,
        split: Split,
        mode: Mode,
        jobs: &mut [Job],
        outputs: Option<&wgpu::Buffer>,
    ) -> Result<(), EngineError> {
        let Setup { augmented, class_weighted, network, .. } = self.options.setup;
        let Self { context, executor, ring, table, splits, members, .. } = self;
        let loaded = splits.get_mut(split);
        for (index, job) in jobs.iter().enumerate() {
            assert!(job.member < members.len(), "a job is that of a member");
            let is_other = |other: &Job| other.member != job.member;
            assert!(jobs[..index].iter().all(is_other), "a member occurs once");
            check_epoch(&job.epoch, &self.options.setup, &loaded.images);
        }
        let recording = &executor.recording;
        let strides = recording.strides;
        let dispatches = match mode {
            Mode::Train => [&recording.micro_batch[..], &recording.last_micro_batch],
            Mode::Evaluate => [&recording.evaluation[..]; 2],
        };
        let copy = outputs.map(|to| TensorCopy {
            tensor: recording.tensor("outputs").expect("every kernel set stores the outputs"),
            workspace: executor.buffers.get(BufferName::Workspace),
            start: jobs[0].member * strides.workspace,
            to,
        });
        let meanwhile = &mut || {
            jobs.iter_mut().for_each(|job| job.poll(0));
            if jobs.iter().any(Job::is_active) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        if meanwhile().is_break() {
            return Ok(());
        }
        if executor.warm_up(&loaded.bindings, dispatches.into_iter().flatten(), meanwhile)?.is_break() {
            return Ok(());
        }
        let views = jobs.iter().map(|job| match mode {
            Mode::Train => job.epoch.views_for(augmented),
            Mode::Evaluate => None,
        });
        let views: Vec<_> = views.collect();
        for (job, views) in jobs.iter().zip(&views) {
            loaded.begin_epoch(context, job.member, job.epoch.order, views.as_deref());
            if class_weighted && mode == Mode::Train {
                let ones = || vec![1.0; network.classes];
                let weights = job.epoch.class_weights.map_or_else(ones, |weights| weights.values().to_vec());
                let start = job.member * strides.classes;
                executor.buffers.write(context, BufferName::ClassWeights, start, &weights);
            }
        }

        // The number of slots submitted so far.
        let mut done = 0;
        // If the images are streamed: the position of the first on the device in the order of the only job, and the
        // number of its batches up to the last one on the device.
        let (mut base, mut loaded_batches) = (0, 0);
        loop {
            if ring.in_flight() >= loaded.pace.in_flight() {
                report_oldest(ring, context, table, &mut loaded.pace, mode, jobs)?;
                continue;
            }
            let mut most = loaded.pace.batches(done);
            if let Policy::Streamed { .. } = loaded.policy {
                let [job] = &*jobs else { panic!("only a network alone trains on streamed images") };
                let rest = &job.batches[job.submitted..job.end];
                if job.submitted == loaded_batches && !rest.is_empty() {
                    let window = &rest[..loaded.policy.window(rest)];
                    base = loaded.load_window(context, job.epoch.order, views[0].as_deref(), window);
                    loaded_batches += window.len();
                }
                most = most.min(loaded_batches - job.submitted);
            }
            let submit = Submit::next(jobs, most, ring.capacity(), loaded.images.len());
            if submit.slots.is_empty() {
                break;
            }
            let mut records = Vec::with_capacity(submit.slots.len());
            for slot in &submit.slots {
                let record = |(job, batch): &(usize, _)| {
                    let job = &mut jobs[*job];
                    let weight = job.step_weight(batch, &loaded.images.labels);
                    let member = &mut members[job.member];
                    let loss = match mode {
                        Mode::Train => member.loss,
                        Mode::Evaluate => member.loss.without_smoothing(),
                    };
                    let (t, optimizer) = (member.step + 1, &member.optimizer);
                    member.step += u64::from(mode == Mode::Train && batch.ends_step());
                    let first = batch.first - base;
                    BatchRecord::new(batch, first, t, weight, &loss, optimizer, &loaded.images)
                        .of_member(job.member, loaded.images.len())
                };
                records.push(slot.iter().map(record).collect::<Vec<_>>());
            }
            executor.write_records(records.iter().map(Vec::as_slice));

            let mut encoder = context.device.create_command_encoder(&Default::default());
            let slots = submit.sizes();
            match &copy {
                // One compute pass for all, unless something is copied after each batch.
                None => record_batches(&mut encoder, executor, loaded, dispatches, &slots, 0),
                Some(copy) => {
                    for (index, batches) in submit.slots.iter().enumerate() {
                        let slot = &slots[index..=index];
                        record_batches(&mut encoder, executor, loaded, dispatches, slot, index);
                        copy.record(&mut encoder, &batches[0].1);
                    }
                }
            }
            let outcomes = loaded.bindings.buffers.get(BufferName::Outcomes);
            let faults = executor.buffers.get(BufferName::Faults);
            ring.submit(context, encoder, (outcomes, faults), submit.ranges);
            done += slots.len();
        }
        // Work in flight is reported even after the observer stopped the epoch.
        while ring.in_flight() > 0 {
            report_oldest(ring, context, table, &mut loaded.pace, mode, jobs)?;
        }
        Ok(())
    }
}

/// # Panics
/// If the epoch would make kernels read or write out of bounds.
pub(super) fn check_epoch(epoch: &Epoch, setup: &Setup, images: &ImageSet) {
    let largest = setup.batch_size.max(setup.evaluation_batch);
    epoch.check_class_weights(setup.class_weighted, setup.network.classes);
    for step in epoch.steps {
        assert!((1..=largest).contains(&step.count), "a step is at most one batch");
        assert!(step.first + step.count <= epoch.order.len(), "a step is within the order");
    }
    assert!(epoch.order.len() <= images.len(), "an order is no longer than its split");
    let in_range = |&index: &u32| (index as usize) < images.len();
    assert!(epoch.order.iter().all(in_range), "an order has indices of its split");
}

/// Waits for the oldest submit and passes its outcomes to the observers, which are also called without outcomes while
/// the wait is long.
fn report_oldest(
    ring: &mut Ring,
    context: &Context,
    table: &ParameterTable,
    pace: &mut Pace,
    mode: Mode,
    jobs: &mut [Job],
) -> Result<(), EngineError> {
    let ranges = ring.oldest().expect("the caller has submitted something");
    let mut meanwhile = || ranges.iter().for_each(|range| jobs[range.job].poll(range.first));
    let result = ring.take(context, &mut meanwhile).expect("there is an oldest submit")?;
    pace.note(result.took);
    let mut outcomes = &result.outcomes[..];
    let tensors = table.tensors().len();
    for range in &result.ranges {
        let (of_job, others) = outcomes.split_at(range.count);
        outcomes = others;
        let job = &mut jobs[range.job];
        // An evaluation checks nothing: it would find what ended an epoch before.
        let checked = match mode {
            Mode::Train => check_faults(table, &result.faults[job.member * tensors..][..tensors]),
            Mode::Evaluate => Ok(()),
        };
        job.report(range.first, checked.map(|()| of_job));
    }
    Ok(())
}

/// Reports the first value that was not finite: by step, then parameters before gradients, which they make non-finite,
/// then in the order of the table.
pub(super) fn check_faults(table: &ParameterTable, faults: &[Fault]) -> Result<(), EngineError> {
    let parameters = faults.iter().map(|fault| (fault.parameter, NonFinite::Parameter));
    let gradients = faults.iter().map(|fault| (fault.gradient, NonFinite::Gradient));
    let first = parameters
        .zip(table.tensors())
        .chain(gradients.zip(table.tensors()))
        .filter(|((step, _), _)| *step != u32::MAX)
        .min_by_key(|((step, _), _)| *step);
    match first {
        Some(((step, what), tensor)) => {
            Err(EngineError::NonFinite { tensor: tensor.name, what, step: u64::from(step) })
        }
        None => Ok(()),
    }
}
