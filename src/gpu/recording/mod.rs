//! A training step and an evaluation, described as data: the buffers, the kernels with their bindings, the
//! dispatches, and the layout of the per-step record. Building one needs no device; the executor runs it.
//!
//! `layered` dispatches a kernel for each operation; `fused` computes several layers per dispatch. Both end in the
//! same update. Each tensor that one kernel writes and another reads has its own range of the workspace, sized for the
//! largest batch, so that any of them can be read back and compared with the reference.

mod bindings;
mod buffers;
mod fault;
mod fused;
mod layered;
mod population;
mod record;
mod text;
mod workspace;

use rayon::prelude::*;

pub use bindings::{Access, Binding, BindingRange};
pub use buffers::{BufferLengths, BufferName, BufferSpec, BufferUsage, Count, SplitCounts};
#[doc(hidden)] // for tests
pub use fault::Fault;
pub(super) use population::{forward_batch, largest_population};
pub(crate) use record::BatchRecord;
pub use record::{FieldType, RecordField, RecordLayout};
pub(super) use record::{RECORDS, image_words};
pub use workspace::WorkspaceTensor;

use super::cost::{BatchCost, Cost};
use super::grid::Grid;
use super::kernel_config::{KernelConfig, KernelSet};
use super::kernels::{self, GradientSource, Kernel, MemberStrides, PartialSums};
use crate::engine::{Mode, Setup};
use crate::model::{ParameterTable, Tensor};
use workspace::Workspace;

/// What an engine or a population runs, as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The number of networks that share each dispatch; 1 for a network alone.
    pub members: usize,
    /// The distances between the members' parts of the buffers.
    pub strides: MemberStrides,
    /// All buffers.
    pub buffers: Vec<BufferSpec>,
    /// All kernels; dispatches refer to them by index.
    pub kernels: Vec<RecordedKernel>,
    /// A micro-batch of training that is followed by another of the same step.
    pub micro_batch: Vec<Dispatch>,
    /// The last micro-batch of a training step, with the update. Most steps have only this one.
    pub last_micro_batch: Vec<Dispatch>,
    /// A batch of an evaluation.
    pub evaluation: Vec<Dispatch>,
    /// The record that every dispatch of a batch reads.
    pub record: RecordLayout,
    /// The named tensors of the workspace, in order.
    pub tensors: Vec<WorkspaceTensor>,
}

/// A kernel that is ready to be compiled.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedKernel {
    /// For tables and debuggers: "conv1 forward".
    pub label: String,
    /// The function in `wgsl`, named like the kernel.
    pub entry_point: &'static str,
    /// The complete WGSL.
    pub wgsl: String,
    /// The buffers that `wgsl` declares, by binding number.
    pub bindings: Vec<Binding>,
    /// How many workgroups each dispatch of it has.
    pub grid: Grid,
    /// Operations and bytes.
    pub cost: BatchCost,
}

impl RecordedKernel {
    /// Composes the WGSL of a kernel and reflects its bindings.
    pub fn new(kernel: &Kernel) -> Self {
        let wgsl = kernel.source();
        Self {
            label: kernel.label.clone(),
            entry_point: kernel.shader,
            bindings: bindings::reflect(&wgsl),
            wgsl,
            grid: kernel.grid,
            cost: kernel.cost,
        }
    }

    /// The cost for a batch of `images`.
    pub fn cost(&self, images: usize) -> Cost {
        self.cost.of(images)
    }

    /// Workgroups for a batch of `images`.
    pub fn workgroups(&self, images: usize) -> u64 {
        self.grid.count(images)
    }

    /// Workgroup barriers in the code; one in a loop counts once.
    pub fn barriers(&self) -> usize {
        self.wgsl.matches("workgroupBarrier()").count() + self.wgsl.matches("workgroupUniformLoad(").count()
    }
}

/// One launch of a kernel over the images of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispatch {
    /// Index in [`Recording::kernels`].
    pub kernel: usize,
}

impl Recording {
    /// Records the steps of a setup: with the kernel set of `config` if it supports the setup, else with the layered
    /// one.
    pub fn new(setup: &Setup, config: &KernelConfig) -> Self {
        Self::of_population(setup, config, 1)
    }

    /// Like [`Self::new`], for a population of `members`.
    pub fn of_population(setup: &Setup, config: &KernelConfig, members: usize) -> Self {
        Self::with_phases(setup, config, members, |_| true)
    }

    /// Like [`Self::new`], with the kernels of an evaluation only.
    pub(super) fn of_evaluation(setup: &Setup, config: &KernelConfig) -> Self {
        let all = Self::with_phases(setup, config, 1, |phase| phase.is_in_evaluation());
        Self { micro_batch: Vec::new(), last_micro_batch: Vec::new(), ..all }
    }

    fn with_phases(
        setup: &Setup,
        config: &KernelConfig,
        members: usize,
        includes: fn(Phase) -> bool,
    ) -> Self {
        let (mut step, lengths) = StepKernels::record(setup, config, members);
        let strides = lengths.strides();
        step.kernels.retain(|&(phase, _)| includes(phase));
        if members > 1 {
            for (_, kernel) in &mut step.kernels {
                *kernel = kernel.clone().for_population(members, &strides);
            }
        }
        let dispatches = |includes: fn(&Phase) -> bool| -> Vec<_> {
            let kernels = step.kernels.iter().enumerate();
            kernels.filter(|(_, (phase, _))| includes(phase)).map(|(kernel, _)| Dispatch { kernel }).collect()
        };
        Self {
            members,
            strides,
            buffers: buffers::specs(&lengths, members),
            micro_batch: dispatches(|phase| matches!(phase, Phase::Always | Phase::Training)),
            last_micro_batch: dispatches(|phase| !matches!(phase, Phase::Evaluation)),
            evaluation: dispatches(|phase| phase.is_in_evaluation()),
            // Parsing takes longer than everything else here.
            kernels: step.kernels.par_iter().map(|(_, kernel)| RecordedKernel::new(kernel)).collect(),
            record: RecordLayout::new(),
            tensors: step.workspace.tensors,
        }
    }

    /// Records a single dispatch of `kernel`, for a check of that kernel.
    pub fn of_kernel(kernel: &Kernel, lengths: &BufferLengths) -> Self {
        Self {
            members: 1,
            strides: lengths.strides(),
            buffers: buffers::specs(lengths, 1),
            kernels: vec![RecordedKernel::new(kernel)],
            micro_batch: vec![Dispatch { kernel: 0 }],
            last_micro_batch: Vec::new(),
            evaluation: Vec::new(),
            record: RecordLayout::new(),
            tensors: Vec::new(),
        }
    }

    /// The dispatches of a whole step of one micro-batch, or of a batch of an evaluation.
    pub fn dispatches(&self, mode: Mode) -> &[Dispatch] {
        match mode {
            Mode::Train => &self.last_micro_batch,
            Mode::Evaluate => &self.evaluation,
        }
    }

    /// The kernels of [`Self::dispatches`].
    pub fn kernels_of(&self, mode: Mode) -> impl ExactSizeIterator<Item = &RecordedKernel> {
        self.dispatches(mode).iter().map(|dispatch| &self.kernels[dispatch.kernel])
    }

    /// The tensor of the workspace with this name; `None` if this kernel set has none.
    pub fn tensor(&self, name: &str) -> Option<WorkspaceTensor> {
        self.tensors.iter().copied().find(|tensor| tensor.name == name)
    }

    /// The size of a buffer that does not depend on the images.
    pub fn buffer_bytes(&self, name: BufferName) -> u64 {
        self.buffers.iter().find(|buffer| buffer.name == name).map_or(0, |buffer| buffer.bytes)
    }
}

/// When a kernel is dispatched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// For every batch.
    Always,
    /// For every micro-batch of training.
    Training,
    /// For the last micro-batch of a step.
    StepEnd,
    /// For every batch of an evaluation.
    Evaluation,
}

impl Phase {
    fn is_in_evaluation(self) -> bool {
        matches!(self, Self::Always | Self::Evaluation)
    }
}

/// The kernels of a step in order, and the workspace that they share.
struct StepKernels {
    kernels: Vec<(Phase, Kernel)>,
    workspace: Workspace,
    /// Values of all partial sums.
    partials_len: usize,
}

impl StepKernels {
    /// The kernels of a setup, and the lengths of the buffers for one of `members`.
    fn record(setup: &Setup, config: &KernelConfig, members: usize) -> (Self, BufferLengths) {
        let table = ParameterTable::new(&setup.network);
        let config = population::config(config, members);
        let batch = forward_batch(setup, members);
        let step = match config.set_for(setup) {
            KernelSet::Layered => layered::record(setup, &table, &config, batch),
            KernelSet::Fused => fused::record(setup, &table, &config, batch),
        };
        let trained = table.trained_len();
        let lengths = BufferLengths {
            parameters: table.arena_len(),
            trained,
            second_moment: if setup.optimizer.rule.has_second_moment() { trained } else { 0 },
            accumulated: if setup.accumulates() { trained } else { 0 },
            tensors: table.tensors().len(),
            workspace: step.workspace.len,
            partials: step.partials_len,
            class_weights: if setup.class_weighted { setup.network.classes } else { 0 },
        };
        (step, lengths)
    }

    /// Chunks of a batch without images have no partial sums.
    fn new(setup: &Setup, workspace: Workspace, partials: &PartialSums) -> Self {
        let chunks = partials.chunks.min(setup.micro_batch_size());
        Self { kernels: Vec::new(), workspace, partials_len: chunks * partials.len }
    }

    fn push(&mut self, phase: Phase, kernel: Kernel) {
        self.kernels.push((phase, kernel));
    }

    fn extend(&mut self, phase: Phase, kernels: impl IntoIterator<Item = Kernel>) {
        self.kernels.extend(kernels.into_iter().map(|kernel| (phase, kernel)));
    }

    /// Appends what follows the backward pass: the sum over micro-batches, the norms for clipping and the update. The
    /// first of them completes the gradients.
    fn finish(
        &mut self,
        setup: &Setup,
        tensors: &[Tensor],
        config: &KernelConfig,
        mut gradients: GradientSource,
    ) {
        let mut take = || std::mem::replace(&mut gradients, GradientSource::Arena);
        if setup.accumulates() {
            self.push(Phase::Training, kernels::accumulate(tensors, config, &take()));
        }
        if setup.optimizer.clip.needs_norms() {
            self.push(Phase::StepEnd, kernels::gradient_norm(tensors, config, &take()));
        }
        self.push(Phase::StepEnd, kernels::update(&setup.optimizer, tensors, config, &take()));
    }
}

#[cfg(test)]
mod tests;
