//! Runs a single kernel on given tensors, to check it against its CPU twin.

use super::context::Context;
use super::executor::Executor;
use super::kernels::{ArenaOffset, Kernel, WorkspaceOffset};
use super::loaded_split::write_samples;
use super::recording::{
    BatchRecord, BufferLengths, BufferName, Dispatch, Fault, Recording, SplitCounts, image_words,
};
use crate::data::{ImageSet, View};
use crate::engine::{EngineError, SampleOutcome};

/// The contents of the buffers of f32 values. Those that a kernel does not bind may be empty.
#[derive(Debug, Clone, Default)]
pub struct Values {
    pub workspace: Vec<f32>,
    pub partials: Vec<f32>,
    pub parameters: Vec<f32>,
    pub gradients: Vec<f32>,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
    pub accumulated: Vec<f32>,
    pub norms: Vec<f32>,
    pub class_weights: Vec<f32>,
}

impl Values {
    /// Each with the buffer that it belongs to.
    fn by_buffer(&mut self) -> [(BufferName, &mut Vec<f32>); 9] {
        [
            (BufferName::Workspace, &mut self.workspace),
            (BufferName::Partials, &mut self.partials),
            (BufferName::Parameters, &mut self.parameters),
            (BufferName::Gradients, &mut self.gradients),
            (BufferName::FirstMoment, &mut self.first_moment),
            (BufferName::SecondMoment, &mut self.second_moment),
            (BufferName::Accumulated, &mut self.accumulated),
            (BufferName::Norms, &mut self.norms),
            (BufferName::ClassWeights, &mut self.class_weights),
        ]
    }
}

/// What a kernel runs on.
#[derive(Debug, Clone)]
pub struct KernelInputs<'a> {
    pub values: Values,
    /// Images and labels, all of them on the device.
    pub images: &'a ImageSet,
    pub order: Vec<u32>,
    /// One for each index of the order, for a kernel that reads them.
    pub views: Vec<View>,
    /// Tensors of the arena.
    pub tensors: usize,
    pub record: BatchRecord,
}

/// What a kernel leaves.
#[derive(Debug, Clone)]
pub struct KernelOutputs {
    pub values: Values,
    pub outcomes: Vec<SampleOutcome>,
    pub faults: Vec<Fault>,
}

impl KernelOutputs {
    /// `len` values of the workspace.
    pub fn tensor(&self, offset: WorkspaceOffset, len: usize) -> &[f32] {
        &self.values.workspace[offset.get()..][..len]
    }

    /// `len` values of the parameter arena.
    pub fn parameter(&self, offset: ArenaOffset, len: usize) -> &[f32] {
        &self.values.parameters[offset.get()..][..len]
    }

    /// `len` values of the gradient arena.
    pub fn gradient(&self, offset: ArenaOffset, len: usize) -> &[f32] {
        &self.values.gradients[offset.get()..][..len]
    }

    /// How many tensors have a non-finite value that the kernel noticed.
    pub fn faulty_tensors(&self) -> usize {
        self.faults.iter().filter(|fault| **fault != Fault::NONE).count()
    }
}

/// Dispatches `kernel` once.
///
/// # Errors
/// If the device fails.
pub fn run_kernel(
    context: &Context,
    kernel: &Kernel,
    inputs: KernelInputs,
) -> Result<KernelOutputs, EngineError> {
    let mut values = inputs.values;
    let arena = values.parameters.len();
    let count = inputs.record.count as usize;
    let recording = Recording::of_kernel(
        kernel,
        &BufferLengths {
            parameters: arena,
            trained: arena,
            second_moment: arena,
            accumulated: arena,
            tensors: inputs.tensors,
            workspace: values.workspace.len(),
            partials: values.partials.len(),
            class_weights: values.class_weights.len(),
        },
    );
    let executor = Executor::new(context.clone(), recording)?;
    let split = executor.bind(&SplitCounts {
        image_words: image_words(inputs.images),
        images: inputs.images.len(),
        views: inputs.views.len(),
        samples: count.max(inputs.order.len()),
    })?;

    for (name, values) in values.by_buffer() {
        executor.buffers.write(context, name, 0, values);
    }
    executor.buffers.write(context, BufferName::Faults, 0, &vec![Fault::NONE; inputs.tensors]);
    executor.write_records([&[inputs.record][..]].into_iter());
    write_samples(&split, context, inputs.images, 0..inputs.images.len());
    split.buffers.write(context, BufferName::Order, 0, &inputs.order);
    split.buffers.write(context, BufferName::Views, 0, &inputs.views);

    let mut encoder = context.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    executor.dispatch(&mut pass, &split, Dispatch { kernel: 0 }, (count, 1), 0);
    drop(pass);
    context.queue.submit([encoder.finish()]);

    for (name, values) in values.by_buffer() {
        *values = executor.buffers.read(context, name, 0, values.len())?;
    }
    Ok(KernelOutputs {
        values,
        outcomes: split.buffers.read(context, BufferName::Outcomes, 0, count)?,
        faults: executor.buffers.read(context, BufferName::Faults, 0, inputs.tensors)?,
    })
}
