//! Submits the batches of an epoch, several at a time, and reads their outcomes late, so that the device never waits
//! for the host.

use std::ops::ControlFlow;

use super::GpuEngine;
use crate::data::ImageSet;
use crate::engine::{EngineError, Epoch, MicroBatch, Mode, NonFinite, Observer, Setup, Split, Step};
use crate::gpu::context::Context;
use crate::gpu::loaded_split::{TensorCopy, record_batches, span};
use crate::gpu::pace::Pace;
use crate::gpu::readback::Ring;
use crate::gpu::recording::{BatchRecord, BufferName, Fault};
use crate::model::ParameterTable;

impl GpuEngine {
    /// Runs the steps of an epoch; see [`crate::engine::Engine::train`]. The network's outputs for each sample are
    /// copied to `outputs`, if given. Nothing is left in flight, whatever the result.
    ///
    /// # Panics
    /// If a step extends past the end of the order or has more samples than the workspace, or if the order has an index
    /// outside of the split. Kernels do not check this.
    pub(super) fn run(
        &mut self,
        split: Split,
        mode: Mode,
        epoch: &Epoch,
        outputs: Option<&wgpu::Buffer>,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let result = self.submit_all(split, mode, epoch, outputs, observer);
        // Otherwise the next epoch would receive the outcomes left over from this one.
        self.ring.clear(&self.context);
        result
    }

    fn submit_all(
        &mut self,
        split: Split,
        mode: Mode,
        epoch: &Epoch,
        outputs: Option<&wgpu::Buffer>,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let Epoch { order, steps, .. } = *epoch;
        let Setup { loss, optimizer, augmented, class_weighted, network, .. } = self.options.setup;
        let Self { context, executor, ring, table, splits, .. } = self;
        let loaded = splits.get_mut(split);
        check_epoch(epoch, &self.options.setup, &loaded.images);
        let recording = &executor.recording;
        let (dispatches, views, loss) = match mode {
            Mode::Train => {
                ([&recording.micro_batch[..], &recording.last_micro_batch], epoch.views_for(augmented), loss)
            }
            Mode::Evaluate => ([&recording.evaluation[..]; 2], None, loss.without_smoothing()),
        };
        let copy = outputs.map(|to| TensorCopy {
            tensor: recording.tensor("outputs").expect("every kernel set stores the outputs"),
            workspace: executor.buffers.get(BufferName::Workspace),
            to,
        });
        let meanwhile = &mut || observer(0, &[]);
        if meanwhile().is_break() {
            return Ok(0);
        }
        if executor.warm_up(&loaded.bindings, dispatches.into_iter().flatten(), meanwhile)?.is_break() {
            return Ok(0);
        }
        loaded.begin_epoch(context, order, views.as_deref());
        if class_weighted && mode == Mode::Train {
            let ones = || vec![1.0; network.classes];
            let weights = epoch.class_weights.map_or_else(ones, |weights| weights.values().to_vec());
            executor.buffers.write(context, BufferName::ClassWeights, &weights);
        }

        let batches: Vec<_> = steps.iter().flat_map(Step::micro_batches).collect();
        // The number of batches to submit, and the number submitted so far.
        let (mut end, mut done) = (batches.len(), 0);
        while done < end {
            let window = &batches[done..end][..loaded.policy.window(&batches[done..end])];
            let base = loaded.load_window(context, order, views.as_deref(), window);
            let mut t = self.step + 1;
            // Of the step whose micro-batches are being recorded.
            let mut step_weight = None;
            let records: Vec<_> = window
                .iter()
                .map(|batch| {
                    let first = batch.first - base;
                    let weight = *step_weight
                        .get_or_insert_with(|| epoch.step_weight(&batch.step, &loaded.images.labels));
                    let record = BatchRecord::new(batch, first, t, weight, &loss, &optimizer, &loaded.images);
                    if batch.ends_step() {
                        step_weight = None;
                    }
                    t += u64::from(batch.ends_step());
                    record
                })
                .collect();
            executor.write_records(&records);

            let begin = done;
            while done < end.min(begin + window.len()) {
                if ring.in_flight() >= loaded.pace.in_flight() {
                    if report_oldest(ring, context, table, &mut loaded.pace, observer)?.is_break() {
                        end = end.min(end_of_step(&batches, done));
                    }
                    continue;
                }
                let next = &batches[done..end.min(begin + window.len())];
                let next = &next[..fitting(next, ring.capacity()).min(loaded.pace.batches(done))];
                let mut encoder = context.device.create_command_encoder(&Default::default());
                let mut record = done - begin;
                // One compute pass for all, unless something is copied after each batch.
                for batches in next.chunks(if copy.is_some() { 1 } else { next.len() }) {
                    record_batches(&mut encoder, executor, loaded, dispatches, batches, record);
                    if let Some(copy) = &copy {
                        copy.record(&mut encoder, &batches[0]);
                    }
                    record += batches.len();
                }
                let outcomes = loaded.bindings.buffers.get(BufferName::Outcomes);
                let faults = executor.buffers.get(BufferName::Faults);
                ring.submit(context, encoder, (outcomes, faults), span(next));
                done += next.len();
                if mode == Mode::Train {
                    self.step += completed_steps(next) as u64;
                }
            }
        }
        // Work in flight is reported even after the observer stopped the epoch.
        while ring.in_flight() > 0 {
            let _ = report_oldest(ring, context, table, &mut loaded.pace, observer)?;
        }
        Ok(completed_steps(&batches[..done]))
    }
}

/// # Panics
/// If the epoch would make kernels read or write out of bounds.
fn check_epoch(epoch: &Epoch, setup: &Setup, images: &ImageSet) {
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

/// Waits for the oldest submit and passes its outcomes to the observer, which is also called without outcomes while the
/// wait is long.
fn report_oldest(
    ring: &mut Ring,
    context: &Context,
    table: &ParameterTable,
    pace: &mut Pace,
    observer: &mut Observer,
) -> Result<ControlFlow<()>, EngineError> {
    let first = ring.oldest().expect("the caller has submitted something");
    let mut flow = ControlFlow::Continue(());
    let mut meanwhile = || {
        if flow.is_continue() {
            flow = observer(first, &[]);
        }
    };
    let result = ring.take(context, &mut meanwhile).expect("there is an oldest submit")?;
    pace.note(result.took);
    check_faults(table, &result.faults)?;
    let reported = observer(result.first, &result.outcomes);
    Ok(if flow.is_break() { flow } else { reported })
}

/// Reports the first value that was not finite: by step, then parameters before gradients, which they make non-finite,
/// then in the order of the table.
fn check_faults(table: &ParameterTable, faults: &[Fault]) -> Result<(), EngineError> {
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

/// How many of `batches`, from the first, have at most `samples` samples together.
fn fitting(batches: &[MicroBatch], samples: usize) -> usize {
    let end = batches[0].first + samples;
    batches.iter().take_while(|batch| batch.first + batch.count <= end).count()
}

/// How many steps end in `batches`.
fn completed_steps(batches: &[MicroBatch]) -> usize {
    batches.iter().filter(|batch| batch.ends_step()).count()
}

/// The end of the step that is in progress after the first `submitted` of `batches`.
fn end_of_step(batches: &[MicroBatch], submitted: usize) -> usize {
    let rest = batches[submitted..].iter().position(MicroBatch::starts_step);
    rest.map_or(batches.len(), |rest| submitted + rest)
}
