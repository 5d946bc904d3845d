//! Networks of the same shape that share every dispatch.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::job::Job;
use super::{GpuOptions, limits};
use crate::data::ImageSet;
use crate::engine::{
    EngineError, Epoch, LayerOutput, Loss, MemberEpoch, Mode, Optimizer, OptimizerState, PerSplit,
    Population, SampleOutcome, Setup, Split, steps,
};
use crate::gpu::buffers::storage;
use crate::gpu::context::Context;
use crate::gpu::executor::Executor;
use crate::gpu::loaded_split::LoadedSplit;
use crate::gpu::pace::MAX_BATCHES_PER_SUBMIT;
use crate::gpu::readback::{Ring, read};
use crate::gpu::recording::{BufferName, Fault, Recording, SplitCounts, forward_batch, largest_population};
use crate::gpu::residency::{Policy, Residency};
use crate::model::ParameterTable;

/// The most samples of one submit.
const MAX_SAMPLES_PER_SUBMIT: usize = 1 << 16;

/// The most output values that an evaluation keeps on the device until they are read: 16 MiB.
const MAX_OUTPUTS_KEPT: usize = 4 << 20;

/// Several LeNet-5s on a GPU, the members, that share every dispatch: a member is the z of a workgroup. Each has its own
/// part of every buffer but the images and labels, and the records of the members' batches differ.
///
/// The images are always resident, whatever [`GpuOptions::residency`] is, unless there is one member only.
#[derive(Debug)]
pub struct GpuPopulation {
    pub(in crate::gpu) context: Context,
    pub(in crate::gpu) options: GpuOptions,
    pub(super) table: ParameterTable,
    pub(in crate::gpu) executor: Executor,
    pub(super) ring: Ring,
    pub(in crate::gpu) splits: PerSplit<LoadedSplit>,
    pub(super) members: Vec<Member>,
    /// Images in a batch of an evaluation.
    pub(super) evaluation_batch: usize,
    /// Computes what the fused kernels do not store; `None` until it is needed.
    pub(super) layered: Option<Box<GpuPopulation>>,
}

/// What the host knows of a member.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub loss: Loss,
    pub optimizer: Optimizer,
    /// Optimizer steps so far.
    pub step: u64,
}

impl Member {
    fn new(setup: &Setup) -> Self {
        Self { loss: setup.loss, optimizer: setup.optimizer, step: 0 }
    }
}

impl GpuPopulation {
    /// Compiles the kernels and allocates everything that does not depend on a data set, for `size` members with the
    /// setup of `options`.
    ///
    /// # Errors
    /// [`EngineError::TooManyClasses`] if the logits of an image do not fit into workgroup memory,
    /// [`EngineError::BatchTooLarge`] if the activations of a batch do not fit into a binding,
    /// [`EngineError::PopulationTooLarge`] if those of several members do not,
    /// [`EngineError::Device`] if the device refuses something else.
    ///
    /// # Panics
    /// If `size` is 0.
    pub fn new(context: Context, options: GpuOptions, size: usize) -> Result<Self, EngineError> {
        assert!(size > 0, "a population has members");
        limits::check_classes(&context, options.setup.network.classes)?;
        limits::check_population(&context, &options, size, &[])?;
        let recording = Recording::of_population(&options.setup, &options.kernels, size);
        Self::with_recording(context, options, recording)
    }

    /// Returns the size of the largest population, at least 1, for a setup and the images of some splits. It is 1 if they
    /// are streamed to the device.
    pub fn largest(context: &Context, options: &GpuOptions, images: &[(Split, &ImageSet)]) -> usize {
        let limit = context.largest_binding();
        let is_resident = |images| {
            let policy = Policy::choose(options.residency, images, 1, limit);
            matches!(policy, Ok(Policy::Resident))
        };
        if !images.iter().all(|&(_, images)| is_resident(images)) {
            return 1;
        }
        let counts = images.iter().map(|&(split, images)| {
            SplitCounts::new(images, images.len(), is_augmented(&options.setup, split))
        });
        let counts: Vec<_> = counts.collect();
        largest_population(&options.setup, &options.kernels, limit, &counts)
    }

    pub(super) fn with_recording(
        context: Context,
        options: GpuOptions,
        recording: Recording,
    ) -> Result<Self, EngineError> {
        let (setup, size) = (&options.setup, recording.members);
        limits::check_batch(setup, &recording, context.largest_binding())?;
        let table = ParameterTable::new(&setup.network);
        let forward_batch = forward_batch(setup, size);
        let samples = MAX_SAMPLES_PER_SUBMIT
            .min(MAX_BATCHES_PER_SUBMIT * setup.micro_batch_size() * size)
            .max(forward_batch * size);
        let executor = Executor::new(context.clone(), recording)?;
        let ring = context.checked(|| Ring::new(&context, samples, table.tensors().len() * size))?;
        Ok(Self {
            context,
            options,
            table,
            executor,
            ring,
            splits: PerSplit::default(),
            members: vec![Member::new(setup); size],
            evaluation_batch: if size == 1 {
                setup.evaluation_batch
            } else {
                setup.evaluation_batch.min(forward_batch)
            },
            layered: None,
        })
    }

    /// What the population runs.
    pub fn recording(&self) -> &Recording {
        &self.executor.recording
    }

    /// Bytes of all buffers on the device and of those that the host reads from.
    pub fn buffer_bytes(&self) -> u64 {
        let splits: u64 = self.splits.loaded().map(|split| split.bindings.buffers.bytes()).sum();
        self.executor.buffers.bytes() + self.ring.bytes() + splits
    }

    pub(super) fn read(&self, name: BufferName, first: usize, count: usize) -> Result<Vec<f32>, EngineError> {
        self.executor.buffers.read(&self.context, name, first, count)
    }

    /// Where the arena of a member begins.
    pub(super) fn arena_start(&self, member: usize) -> usize {
        member * self.recording().strides.arena
    }

    /// Forgets the non-finite values of a member's former parameters. The buffer's initial zeros are not valid.
    fn clear_faults(&self, member: usize) {
        let faults = vec![Fault::NONE; self.table.tensors().len()];
        let start = member * self.recording().strides.tensors;
        self.executor.buffers.write(&self.context, BufferName::Faults, start, &faults);
    }

    /// Writes the `len` values of a member's arena.
    fn write_arena(
        &self,
        name: BufferName,
        member: usize,
        len: usize,
        values: &[f32],
    ) -> Result<(), EngineError> {
        assert_eq!(values.len(), len, "an arena has the length of the parameter table");
        self.executor.buffers.write(&self.context, name, self.arena_start(member), values);
        self.context.check()
    }
}

/// Whether the images of a split have views.
fn is_augmented(setup: &Setup, split: Split) -> bool {
    split == Split::Train && setup.augmented
}

impl Population for GpuPopulation {
    fn name(&self) -> String {
        let device = &self.context.description;
        format!("{} ({})", device.name, device.backend)
    }

    fn size(&self) -> usize {
        self.members.len()
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        let setup = &self.options.setup;
        assert_eq!(images.channels, setup.network.channels, "images have the network's channels");
        assert!(images.classes() <= setup.network.classes, "labels are classes of the network");
        let batch = match split {
            Split::Train => setup.micro_batch_size(),
            Split::Validation | Split::Test => setup.max_forward_batch(),
        };
        let residency = if self.size() == 1 { self.options.residency } else { Residency::Resident };
        let policy = Policy::choose(residency, &images, batch, self.context.largest_binding())?;
        let counts = SplitCounts::new(&images, policy.on_device(&images), is_augmented(setup, split));
        limits::check_population(&self.context, &self.options, self.size(), &[counts])?;
        let loaded = LoadedSplit::new(&self.context, &self.executor, images, policy, &counts)?;
        self.splits.set(split, loaded);
        Ok(())
    }

    fn set_setup(&mut self, member: usize, setup: &Setup) {
        assert!(self.options.setup.shares_kernels_with(setup), "members run the same kernels");
        let step = self.members[member].step;
        self.members[member] = Member { step, ..Member::new(setup) };
    }

    fn parameters(&mut self, member: usize) -> Result<Vec<f32>, EngineError> {
        self.read(BufferName::Parameters, self.arena_start(member), self.table.arena_len())
    }

    fn set_parameters(&mut self, member: usize, arena: &[f32]) -> Result<(), EngineError> {
        self.clear_faults(member);
        self.write_arena(BufferName::Parameters, member, self.table.arena_len(), arena)
    }

    fn optimizer_state(&mut self, member: usize) -> Result<OptimizerState, EngineError> {
        let (start, len) = (self.arena_start(member), self.table.trained_len());
        Ok(OptimizerState {
            step: self.members[member].step,
            first_moment: self.read(BufferName::FirstMoment, start, len)?,
            second_moment: if self.options.setup.optimizer.rule.has_second_moment() {
                self.read(BufferName::SecondMoment, start, len)?
            } else {
                vec![0.0; len]
            },
        })
    }

    fn set_optimizer_state(&mut self, member: usize, state: &OptimizerState) -> Result<(), EngineError> {
        let len = self.table.trained_len();
        self.write_arena(BufferName::FirstMoment, member, len, &state.first_moment)?;
        if self.options.setup.optimizer.rule.has_second_moment() {
            self.write_arena(BufferName::SecondMoment, member, len, &state.second_moment)?;
        }
        self.members[member].step = state.step;
        Ok(())
    }

    fn train(&mut self, epochs: &mut [MemberEpoch]) -> Result<Vec<Result<usize, EngineError>>, EngineError> {
        let jobs = epochs.iter_mut();
        let jobs = jobs.map(|epoch| Job::new(epoch.member, epoch.epoch, &mut *epoch.observer)).collect();
        self.run(Split::Train, Mode::Train, jobs, None)
    }

    fn evaluate(&mut self, split: Split, members: &[usize]) -> Result<Vec<Vec<SampleOutcome>>, EngineError> {
        let samples = self.splits.get(split).images.len();
        let order: Vec<_> = (0..samples as u32).collect();
        let batches = steps(samples, self.evaluation_batch, 0.0);
        let epoch = Epoch::new(&order, &batches);
        let mut all: Vec<_> = members.iter().map(|_| Vec::with_capacity(samples)).collect();
        let observers = all.iter_mut().map(|all| {
            |_: usize, outcomes: &[SampleOutcome]| {
                all.extend_from_slice(outcomes);
                ControlFlow::Continue(())
            }
        });
        let mut observers: Vec<_> = observers.collect();
        let jobs = members.iter().zip(&mut observers);
        let jobs = jobs.map(|(&member, observer)| Job::new(member, epoch, observer)).collect();
        for result in self.run(split, Mode::Evaluate, jobs, None)? {
            result?;
        }
        drop(observers);
        Ok(all)
    }

    fn log_probabilities(&mut self, member: usize, split: Split) -> Result<Vec<f32>, EngineError> {
        let Setup { network, loss, .. } = self.options.setup;
        let (samples, classes) = (self.splits.get(split).images.len(), network.classes);
        let order: Vec<_> = (0..samples as u32).collect();
        let at_once = (MAX_OUTPUTS_KEPT / classes).min(samples);
        let bytes = (at_once * classes * size_of::<f32>()) as u64;
        let outputs = self.context.checked(|| storage(&self.context, "outputs of an evaluation", bytes))?;
        let mut all = Vec::with_capacity(samples * classes);
        for order in order.chunks(at_once.max(1)) {
            let batches = steps(order.len(), self.evaluation_batch, 0.0);
            let ignore = &mut |_: usize, _: &[_]| ControlFlow::Continue(());
            let job = Job::new(member, Epoch::new(order, &batches), ignore);
            self.run(split, Mode::Evaluate, vec![job], Some(&outputs))?.remove(0)?;
            all.extend(read::<f32>(&self.context, &outputs, 0, order.len() * classes)?);
        }
        Ok(loss.kind.log_probabilities(classes, all))
    }

    fn activations(&mut self, member: usize, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.layer_outputs(member, split)
    }
}
