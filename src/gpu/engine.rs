//! The engine on the GPU: records steps, submits some at a time, and reads their outcomes late.

use std::ops::ControlFlow;
use std::sync::Arc;

use rayon::prelude::*;

use super::buffers::{BatchRecord, Buffers, Fault, ImageSetBuffers, Lengths, storage};
use super::context::Context;
use super::kernel_config::KernelConfig;
use super::network::{MapPlace, StepPlan};
use super::pace::{MOST_BATCHES_PER_SUBMIT, Pace};
use super::part::{Kept, LoadedPart, span};
use super::readback::{Ring, SubmitResult, read};
use super::residency::{MIB, Policy, Residency};
use super::stage::Stage;
use crate::data::ImageSet;
use crate::engine::{
    Engine, EngineError, Epoch, MicroBatch, Mode, NonFinite, Observer, OptimizerState, PerSplit,
    SampleOutcome, Setup, Split, Step, steps,
};
use crate::model::ParameterTable;

/// Samples in one submit, at most.
const MOST_SAMPLES_PER_SUBMIT: usize = 1 << 16;

/// Outputs of a pass that are kept on the device until they are read, at most: 16 MiB of them.
const MOST_OUTPUTS_KEPT: usize = 4 << 20;

/// What an engine is made for.
#[derive(Debug, Clone, Copy)]
pub struct GpuOptions {
    pub setup: Setup,
    pub residency: Residency,
    pub plan: KernelConfig,
}

/// LeNet-5 on a GPU.
#[derive(Debug)]
pub struct GpuEngine {
    pub(super) context: Context,
    pub(super) options: GpuOptions,
    table: ParameterTable,
    pub(super) plan: StepPlan,
    /// The kernels of `plan`, compiled.
    pub(super) stages: Vec<Stage>,
    pub(super) buffers: Buffers,
    pub(super) ring: Ring,
    pub(super) parts: PerSplit<LoadedPart>,
    /// Steps of the optimizer done.
    step: u64,
}

impl GpuEngine {
    /// Compiles the kernels and allocates all that does not depend on a data set.
    ///
    /// # Errors
    /// [`EngineError::TooManyClasses`] where the device cannot hold an image's logits in workgroup memory,
    /// [`EngineError::BatchTooLarge`] where it cannot hold a batch's activations,
    /// [`EngineError::Device`] where it refuses something else.
    pub fn new(context: Context, options: GpuOptions) -> Result<Self, EngineError> {
        let setup = &options.setup;
        let largest_batch = setup.at_once();
        let plan = StepPlan::new(setup, largest_batch, &options.plan);
        check_classes(&context, setup.network.classes)?;
        check_batch(setup, &plan, context.largest_binding())?;
        let table = ParameterTable::new(&setup.network);
        let samples = MOST_SAMPLES_PER_SUBMIT
            .min(MOST_BATCHES_PER_SUBMIT * setup.micro_batch_size())
            .max(largest_batch);
        let trained = table.trained_len();
        let lengths = Lengths {
            parameters: table.arena_len(),
            trained,
            second_moment: if setup.optimizer.rule.has_second_moment() { trained } else { 0 },
            accumulated: if setup.accumulates() { trained } else { 0 },
            tensors: table.tensors().len(),
            workspace: plan.workspace_len,
            partials: plan.partials_len,
        };
        let (stages, buffers, ring) = context.checked(|| {
            // Side by side: drivers compile on the thread that asks.
            let kernels: Vec<_> = plan.kernels().collect();
            let stages = kernels.into_par_iter().map(|kernel| Stage::new(&context, kernel)).collect();
            (stages, Buffers::new(&context, &lengths), Ring::new(&context, samples, lengths.tensors))
        })?;
        Ok(Self { context, options, table, plan, stages, buffers, ring, parts: PerSplit::default(), step: 0 })
    }

    /// The first `images` images' values of a map of the workspace, as the last pass left them.
    pub fn map(&self, map: MapPlace, images: usize) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.workspace, map.place, images * map.len)
    }

    /// The gradients, in the layout of the arena's trained part, as the last step left them: not clipped.
    pub fn gradients(&self) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.gradients, 0, self.table.trained_len())
    }

    /// The kernels and maps of a step.
    pub fn plan(&self) -> &StepPlan {
        &self.plan
    }

    /// Writes `values` to the beginning of a buffer.
    fn write_all(&self, buffer: &wgpu::Buffer, values: &[f32]) -> Result<(), EngineError> {
        assert!(size_of_val(values) as u64 <= buffer.size(), "an arena has the table's length");
        self.context.queue.write_buffer(buffer, 0, bytemuck::cast_slice(values));
        self.context.check()
    }

    /// Runs a pass over the steps; see [`Engine::train`]. The outputs of each sample are copied to `outputs`, where
    /// they are wanted. Whatever comes of it, nothing is left under way.
    ///
    /// # Panics
    /// Where a step leaves the order or has more samples than the workspace, or the order leaves its part:
    /// kernels do not check that.
    fn run(
        &mut self,
        part: Split,
        pass: Mode,
        epoch: &Epoch,
        outputs: Option<&wgpu::Buffer>,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let result = self.submit_all(part, pass, epoch, outputs, observer);
        // Else the next pass would be told what was left over from this one.
        self.ring.clear(&self.context);
        result
    }

    fn submit_all(
        &mut self,
        part: Split,
        pass: Mode,
        epoch: &Epoch,
        outputs: Option<&wgpu::Buffer>,
        observer: &mut Observer,
    ) -> Result<usize, EngineError> {
        let Epoch { order, steps, .. } = *epoch;
        let Setup { batch_size, loss, optimizer, evaluation_batch, augmented, .. } = self.options.setup;
        let Self { context, buffers, ring, table, parts, plan, .. } = self;
        let loaded = parts.get_mut(part);
        for step in steps {
            let largest = batch_size.max(evaluation_batch);
            assert!((1..=largest).contains(&step.count), "a step is at most one batch");
            assert!(step.first + step.count <= order.len(), "a step lies within the order");
        }
        assert!(order.len() <= loaded.split.len(), "an order is no longer than its part");
        let within = |&place: &u32| (place as usize) < loaded.split.len();
        assert!(order.iter().all(within), "an order has places of its part");
        let (stages, views, loss) = match pass {
            Mode::Train => (&self.stages[..], epoch.views_of(augmented), loss),
            Mode::Evaluate => (&self.stages[..plan.forward.len()], None, loss.unsmoothed()),
        };
        // Of a micro-batch that does not end its step, and of one that does.
        let within = &stages[..stages.len().min(plan.forward.len() + plan.backward.len())];
        let kept = outputs.map(|to| Kept {
            map: plan.map("outputs").expect("every set of kernels keeps the outputs"),
            workspace: &buffers.workspace,
            to,
        });
        let stride = buffers.batch_stride;
        if loaded.policy == Policy::Resident {
            loaded.buffers.write_order(context, order);
            if let Some(views) = &views {
                loaded.buffers.write_views(context, views);
            }
        }

        let batches: Vec<_> = steps.iter().flat_map(Step::micro_batches).collect();
        // How many of them are to be submitted, and were.
        let (mut end, mut done) = (batches.len(), 0);
        while done < end {
            let window = &batches[done..end][..loaded.policy.window(&batches[done..end])];
            let base = loaded.hold(context, order, views.as_deref(), window);
            let mut t = self.step + 1;
            let records: Vec<_> = window
                .iter()
                .map(|batch| {
                    let first = batch.first - base;
                    let record = BatchRecord::new(batch, first, t, &loss, &optimizer, &loaded.split);
                    t += u64::from(batch.ends_step());
                    record
                })
                .collect();
            buffers.write_records(context, &records);

            let begin = done;
            while done < end.min(begin + window.len()) {
                if let Some(report) = ring.take_if_full(context) {
                    if digest(report?, table, &mut loaded.pace, observer)?.is_break() {
                        end = end.min(end_of_step(&batches, done));
                    }
                    continue;
                }
                let next = &batches[done..end.min(begin + window.len())];
                let next = &next[..fitting(next, ring.capacity()).min(loaded.pace.batches(done))];
                let mut encoder = context.device.create_command_encoder(&Default::default());
                let mut offset = (done - begin) as u32 * stride;
                // All in one, unless something is copied after each batch.
                for batches in next.chunks(if kept.is_some() { 1 } else { next.len() }) {
                    loaded.record(&mut encoder, pass, [within, stages], batches, offset, stride);
                    if let Some(kept) = &kept {
                        kept.record(&mut encoder, &batches[0]);
                    }
                    offset += stride;
                }
                let sources = (&loaded.buffers.outcomes, &buffers.faults);
                ring.submit(context, encoder, sources, span(next));
                done += next.len();
                if pass == Mode::Train {
                    self.step += ended(next) as u64;
                }
            }
        }
        // What is under way is told also where the observer has broken off.
        while let Some(report) = ring.take(context) {
            let _ = digest(report?, table, &mut loaded.pace, observer)?;
        }
        Ok(ended(&batches[..done]))
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        let device = &self.context.description;
        format!("{} ({})", device.name, device.backend)
    }

    fn load(&mut self, part: Split, split: Arc<ImageSet>) -> Result<(), EngineError> {
        let context = &self.context;
        let network = &self.options.setup.network;
        assert_eq!(split.channels, network.channels, "images have the network's channels");
        assert!(split.classes() <= network.classes, "labels are of the network's classes");
        let batch = match part {
            Split::Train => self.options.setup.micro_batch_size(),
            Split::Validation | Split::Test => self.options.setup.at_once(),
        };
        let policy = Policy::choose(self.options.residency, &split, batch, context.largest_binding())?;
        let augmented = part == Split::Train && self.options.setup.augmented;
        let loaded = context.checked(|| {
            let held = policy.held(&split);
            let views = if augmented { held } else { 0 };
            let buffers = ImageSetBuffers::new(context, &split, held, views, split.len());
            let bind =
                |stage: &Stage| stage.pipeline.bind(context, |binding| self.buffers.get(&buffers, binding));
            let groups = self.stages.iter().map(bind).collect();
            LoadedPart { split, policy, buffers, groups, pace: Pace::default() }
        })?;
        match policy {
            Policy::Resident => loaded.buffers.write_samples(context, &loaded.split, 0..loaded.split.len()),
            // The host gathers, so the device takes what it is given as it comes.
            Policy::Streamed { held } => {
                let counting: Vec<_> = (0..held as u32).collect();
                loaded.buffers.write_order(context, &counting);
            }
        }
        context.check()?;
        self.parts.set(part, loaded);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        read(&self.context, &self.buffers.parameters, 0, self.table.arena_len())
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        let faults = vec![Fault::NONE; self.table.tensors().len()];
        self.context.queue.write_buffer(&self.buffers.faults, 0, bytemuck::cast_slice(&faults));
        self.write_all(&self.buffers.parameters, arena)
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let len = self.table.trained_len();
        Ok(OptimizerState {
            step: self.step,
            first_moment: read(&self.context, &self.buffers.first_moment, 0, len)?,
            second_moment: if self.options.setup.optimizer.rule.has_second_moment() {
                read(&self.context, &self.buffers.second_moment, 0, len)?
            } else {
                vec![0.0; len]
            },
        })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        self.write_all(&self.buffers.first_moment, &state.first_moment)?;
        if self.options.setup.optimizer.rule.has_second_moment() {
            self.write_all(&self.buffers.second_moment, &state.second_moment)?;
        }
        self.step = state.step;
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        self.run(Split::Train, Mode::Train, epoch, None, observer)
    }

    fn evaluate(&mut self, part: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        let samples = self.parts.get(part).split.len();
        let order: Vec<_> = (0..samples as u32).collect();
        let mut all = Vec::with_capacity(samples);
        let cut = steps(samples, self.options.setup.evaluation_batch, 0.0);
        self.run(part, Mode::Evaluate, &Epoch::new(&order, &cut), None, &mut |_, outcomes| {
            all.extend_from_slice(outcomes);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    fn log_probabilities(&mut self, part: Split) -> Result<Vec<f32>, EngineError> {
        let Setup { network, loss, evaluation_batch, .. } = self.options.setup;
        let (samples, classes) = (self.parts.get(part).split.len(), network.classes);
        let order: Vec<_> = (0..samples as u32).collect();
        let at_once = (MOST_OUTPUTS_KEPT / classes).min(samples);
        let bytes = (at_once * classes * size_of::<f32>()) as u64;
        let outputs = self.context.checked(|| storage(&self.context, "outputs of a pass", bytes))?;
        let mut all = Vec::with_capacity(samples * classes);
        for order in order.chunks(at_once.max(1)) {
            let cut = steps(order.len(), evaluation_batch, 0.0);
            let ignore = &mut |_: usize, _: &[_]| ControlFlow::Continue(());
            self.run(part, Mode::Evaluate, &Epoch::new(order, &cut), Some(&outputs), ignore)?;
            all.extend(read::<f32>(&self.context, &outputs, 0, order.len() * classes)?);
        }
        Ok(loss.kind.log_probabilities(classes, all))
    }
}

/// Takes in what a submit made.
fn digest(
    report: SubmitResult,
    table: &ParameterTable,
    pace: &mut Pace,
    observer: &mut Observer,
) -> Result<ControlFlow<()>, EngineError> {
    pace.note(&report);
    check_faults(table, &report.faults)?;
    Ok(observer(report.first, &report.outcomes))
}

/// Names what was first found not to be finite: of equal steps a parameter before a gradient, which it
/// spoils, then in the table's order.
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

/// How many of `batches`, from the first on, have at most `samples` samples.
fn fitting(batches: &[MicroBatch], samples: usize) -> usize {
    let end = batches[0].first + samples;
    batches.iter().take_while(|batch| batch.first + batch.count <= end).count()
}

/// How many steps end among `batches`.
fn ended(batches: &[MicroBatch]) -> usize {
    batches.iter().filter(|batch| batch.ends_step()).count()
}

/// Where the step ends that the first `submitted` of `batches` may have left under way.
fn end_of_step(batches: &[MicroBatch], submitted: usize) -> usize {
    let rest = batches[submitted..].iter().position(MicroBatch::starts_step);
    rest.map_or(batches.len(), |rest| submitted + rest)
}

/// Refuses, before anything is allocated, a network that the device cannot take.
fn check_classes(context: &Context, classes: usize) -> Result<(), EngineError> {
    // wgpu compiles a kernel that needs more workgroup memory than there is, and it gives wrong numbers.
    let memory = context.device.limits().max_compute_workgroup_storage_size;
    let largest = memory as usize / size_of::<f32>();
    if classes > largest { Err(EngineError::TooManyClasses { classes, largest }) } else { Ok(()) }
}

/// Refuses, before anything is allocated, a batch whose activations do not fit into a binding of `limit` bytes.
fn check_batch(setup: &Setup, plan: &StepPlan, limit: u64) -> Result<(), EngineError> {
    let needed = plan.workspace_bytes();
    if needed <= limit {
        return Ok(());
    }
    let per_image = plan.maps.iter().map(|map| map.len * size_of::<f32>()).sum::<usize>() as u64;
    let fixed = needed - per_image * setup.at_once() as u64;
    Err(EngineError::BatchTooLarge {
        batch_size: setup.batch_size,
        what: "activations",
        needed: needed.div_ceil(MIB),
        limit: limit / MIB,
        largest: (limit.saturating_sub(fixed) / per_image) as usize,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::KernelSet;
    use crate::model::LeNet5;

    #[test]
    fn a_batch_that_the_device_cannot_hold_is_refused_with_the_largest_that_it_can() {
        let check = |batch_size| {
            let setup = Setup::new(LeNet5::new(1, 10), batch_size);
            let plan = KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE };
            let plan = StepPlan::new(&setup, setup.at_once(), &plan);
            check_batch(&setup, &plan, 40 << 20)
        };
        // More than a micro-batch needs no more than one.
        for batch in [1_000, 60_000] {
            let error = check(batch).unwrap_err();
            let EngineError::BatchTooLarge { batch_size, limit, largest, .. } = error else {
                panic!("{error}")
            };
            assert_eq!((batch_size, limit), (batch, 40));
            check(largest).unwrap();
            check(largest + 1).unwrap_err();
        }
    }
}
