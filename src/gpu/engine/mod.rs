//! The engine on the GPU: runs a recording over the batches of an epoch.

mod activations;
mod limits;
mod submit;

use std::ops::ControlFlow;
use std::sync::Arc;

use super::buffers::storage;
use super::context::Context;
use super::executor::Executor;
use super::kernel_config::KernelConfig;
use super::loaded_split::LoadedSplit;
use super::pace::MAX_BATCHES_PER_SUBMIT;
use super::readback::{Ring, read};
use super::recording::{BufferName, Fault, Recording, WorkspaceTensor};
use super::residency::{Policy, Residency};
use crate::data::ImageSet;
use crate::engine::{
    Engine, EngineError, Epoch, LayerOutput, Mode, Observer, OptimizerState, PerSplit, SampleOutcome, Setup,
    Split, steps,
};
use crate::model::ParameterTable;

/// The most samples of one submit.
const MAX_SAMPLES_PER_SUBMIT: usize = 1 << 16;

/// The most output values that an evaluation keeps on the device until they are read: 16 MiB.
const MAX_OUTPUTS_KEPT: usize = 4 << 20;

/// What an engine is built for.
#[derive(Debug, Clone, Copy)]
pub struct GpuOptions {
    /// The network, batch size, loss and optimizer.
    pub setup: Setup,
    /// Where the images are stored.
    pub residency: Residency,
    /// The kernels and their block sizes.
    pub kernels: KernelConfig,
}

/// LeNet-5 on a GPU.
#[derive(Debug)]
pub struct GpuEngine {
    pub(super) context: Context,
    pub(super) options: GpuOptions,
    table: ParameterTable,
    pub(super) executor: Executor,
    pub(super) ring: Ring,
    pub(super) splits: PerSplit<LoadedSplit>,
    /// Optimizer steps so far.
    step: u64,
    /// Computes what the fused kernels do not store; `None` until it is needed.
    layered: Option<Box<GpuEngine>>,
}

impl GpuEngine {
    /// Compiles the kernels and allocates everything that does not depend on a data set.
    ///
    /// # Errors
    /// [`EngineError::TooManyClasses`] if the logits of an image do not fit into workgroup memory,
    /// [`EngineError::BatchTooLarge`] if the activations of a batch do not fit into a binding,
    /// [`EngineError::Device`] if the device refuses something else.
    pub fn new(context: Context, options: GpuOptions) -> Result<Self, EngineError> {
        limits::check_classes(&context, options.setup.network.classes)?;
        let recording = Recording::new(&options.setup, &options.kernels);
        Self::with_recording(context, options, recording)
    }

    fn with_recording(
        context: Context,
        options: GpuOptions,
        recording: Recording,
    ) -> Result<Self, EngineError> {
        let setup = &options.setup;
        limits::check_batch(setup, &recording, context.largest_binding())?;
        let table = ParameterTable::new(&setup.network);
        let samples = MAX_SAMPLES_PER_SUBMIT
            .min(MAX_BATCHES_PER_SUBMIT * setup.micro_batch_size())
            .max(setup.max_forward_batch());
        let executor = Executor::new(context.clone(), recording)?;
        let ring = context.checked(|| Ring::new(&context, samples, table.tensors().len()))?;
        Ok(Self {
            context,
            options,
            table,
            executor,
            ring,
            splits: PerSplit::default(),
            step: 0,
            layered: None,
        })
    }

    /// The values of the first `images` images of a workspace tensor, as the last batch left them.
    ///
    /// # Errors
    /// If the device fails.
    pub fn tensor(&self, tensor: WorkspaceTensor, images: usize) -> Result<Vec<f32>, EngineError> {
        self.read(BufferName::Workspace, tensor.offset.get(), images * tensor.len)
    }

    /// The gradients, in the layout of the arena's trained part, as the last step left them: before clipping.
    ///
    /// # Errors
    /// If the device fails.
    pub fn gradients(&self) -> Result<Vec<f32>, EngineError> {
        self.read(BufferName::Gradients, 0, self.table.trained_len())
    }

    /// What the engine runs.
    pub fn recording(&self) -> &Recording {
        &self.executor.recording
    }

    fn read(&self, name: BufferName, first: usize, count: usize) -> Result<Vec<f32>, EngineError> {
        self.executor.buffers.read(&self.context, name, first, count)
    }

    /// Forgets the non-finite values of former parameters. The buffer's initial zeros are not valid.
    fn clear_faults(&self) {
        let faults = vec![Fault::NONE; self.table.tensors().len()];
        self.executor.buffers.write(&self.context, BufferName::Faults, &faults);
    }

    /// Writes the `len` values of an arena.
    fn write_arena(&self, name: BufferName, len: usize, values: &[f32]) -> Result<(), EngineError> {
        assert_eq!(values.len(), len, "an arena has the length of the parameter table");
        self.executor.buffers.write(&self.context, name, values);
        self.context.check()
    }
}

impl Engine for GpuEngine {
    fn name(&self) -> String {
        let device = &self.context.description;
        format!("{} ({})", device.name, device.backend)
    }

    fn load(&mut self, split: Split, images: Arc<ImageSet>) -> Result<(), EngineError> {
        let setup = &self.options.setup;
        assert_eq!(images.channels, setup.network.channels, "images have the network's channels");
        assert!(images.classes() <= setup.network.classes, "labels are classes of the network");
        let batch = match split {
            Split::Train => setup.micro_batch_size(),
            Split::Validation | Split::Test => setup.max_forward_batch(),
        };
        let limit = self.context.largest_binding();
        let policy = Policy::choose(self.options.residency, &images, batch, limit)?;
        let augmented = split == Split::Train && setup.augmented;
        let loaded = LoadedSplit::new(&self.context, &self.executor, images, policy, augmented)?;
        self.splits.set(split, loaded);
        Ok(())
    }

    fn parameters(&mut self) -> Result<Vec<f32>, EngineError> {
        self.read(BufferName::Parameters, 0, self.table.arena_len())
    }

    fn set_parameters(&mut self, arena: &[f32]) -> Result<(), EngineError> {
        self.clear_faults();
        self.write_arena(BufferName::Parameters, self.table.arena_len(), arena)
    }

    fn optimizer_state(&mut self) -> Result<OptimizerState, EngineError> {
        let len = self.table.trained_len();
        Ok(OptimizerState {
            step: self.step,
            first_moment: self.read(BufferName::FirstMoment, 0, len)?,
            second_moment: if self.options.setup.optimizer.rule.has_second_moment() {
                self.read(BufferName::SecondMoment, 0, len)?
            } else {
                vec![0.0; len]
            },
        })
    }

    fn set_optimizer_state(&mut self, state: &OptimizerState) -> Result<(), EngineError> {
        let len = self.table.trained_len();
        self.write_arena(BufferName::FirstMoment, len, &state.first_moment)?;
        if self.options.setup.optimizer.rule.has_second_moment() {
            self.write_arena(BufferName::SecondMoment, len, &state.second_moment)?;
        }
        self.step = state.step;
        Ok(())
    }

    fn train(&mut self, epoch: &Epoch, observer: &mut Observer) -> Result<usize, EngineError> {
        self.run(Split::Train, Mode::Train, epoch, None, observer)
    }

    fn evaluate(&mut self, split: Split) -> Result<Vec<SampleOutcome>, EngineError> {
        let samples = self.splits.get(split).images.len();
        let order: Vec<_> = (0..samples as u32).collect();
        let mut all = Vec::with_capacity(samples);
        let batches = steps(samples, self.options.setup.evaluation_batch, 0.0);
        self.run(split, Mode::Evaluate, &Epoch::new(&order, &batches), None, &mut |_, outcomes| {
            all.extend_from_slice(outcomes);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    fn log_probabilities(&mut self, split: Split) -> Result<Vec<f32>, EngineError> {
        let Setup { network, loss, evaluation_batch, .. } = self.options.setup;
        let (samples, classes) = (self.splits.get(split).images.len(), network.classes);
        let order: Vec<_> = (0..samples as u32).collect();
        let at_once = (MAX_OUTPUTS_KEPT / classes).min(samples);
        let bytes = (at_once * classes * size_of::<f32>()) as u64;
        let outputs = self.context.checked(|| storage(&self.context, "outputs of an evaluation", bytes))?;
        let mut all = Vec::with_capacity(samples * classes);
        for order in order.chunks(at_once.max(1)) {
            let batches = steps(order.len(), evaluation_batch, 0.0);
            let ignore = &mut |_: usize, _: &[_]| ControlFlow::Continue(());
            self.run(split, Mode::Evaluate, &Epoch::new(order, &batches), Some(&outputs), ignore)?;
            all.extend(read::<f32>(&self.context, &outputs, 0, order.len() * classes)?);
        }
        Ok(loss.kind.log_probabilities(classes, all))
    }

    fn activations(&mut self, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        self.layer_outputs(split)
    }
}
