//! Runs a single kernel on given tensors, to check it against its CPU twin.

use super::buffers::{BatchRecord, Fault, image_words};
use super::context::Context;
use super::executor::Executor;
use super::kernels::{ArenaOffset, Kernel, WorkspaceOffset};
use super::loaded_split::write_samples;
use super::recording::{BufferLengths, BufferName, Dispatch, Recording, SplitCounts};
use crate::data::{ImageSet, View};
use crate::engine::{EngineError, SampleOutcome};

/// The contents of a kernel's buffers. Those that it does not bind may be empty.
#[derive(Debug, Clone)]
pub struct KernelInputs<'a> {
    pub workspace: Vec<f32>,
    pub partials: Vec<f32>,
    pub parameters: Vec<f32>,
    pub gradients: Vec<f32>,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
    pub accumulated: Vec<f32>,
    pub norms: Vec<f32>,
    /// Images and labels, all of them on the device.
    pub images: &'a ImageSet,
    pub order: Vec<u32>,
    /// One for each index of the order, for a kernel that reads them.
    pub views: Vec<View>,
    /// Tensors of the arena.
    pub tensors: usize,
    pub record: BatchRecord,
}

/// The contents of the buffers after the kernel.
#[derive(Debug, Clone)]
pub struct KernelOutputs {
    pub workspace: Vec<f32>,
    pub partials: Vec<f32>,
    pub parameters: Vec<f32>,
    pub gradients: Vec<f32>,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
    pub accumulated: Vec<f32>,
    pub norms: Vec<f32>,
    pub outcomes: Vec<SampleOutcome>,
    pub faults: Vec<Fault>,
}

impl KernelOutputs {
    /// `len` values of the workspace.
    pub fn tensor(&self, offset: WorkspaceOffset, len: usize) -> &[f32] {
        &self.workspace[offset.get()..][..len]
    }

    /// `len` values of the parameter arena.
    pub fn parameter(&self, offset: ArenaOffset, len: usize) -> &[f32] {
        &self.parameters[offset.get()..][..len]
    }

    /// `len` values of the gradient arena.
    pub fn gradient(&self, offset: ArenaOffset, len: usize) -> &[f32] {
        &self.gradients[offset.get()..][..len]
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
    inputs: &KernelInputs,
) -> Result<KernelOutputs, EngineError> {
    let arena = inputs.parameters.len();
    let count = inputs.record.count as usize;
    let recording = Recording::of_kernel(
        kernel,
        &BufferLengths {
            parameters: arena,
            trained: arena,
            second_moment: arena,
            accumulated: arena,
            tensors: inputs.tensors,
            workspace: inputs.workspace.len(),
            partials: inputs.partials.len(),
        },
    );
    let executor = Executor::new(context.clone(), recording)?;
    let split = executor.bind(&SplitCounts {
        image_words: image_words(inputs.images),
        images: inputs.images.len(),
        views: inputs.views.len(),
        samples: count.max(inputs.order.len()),
    })?;

    for (name, values) in [
        (BufferName::Workspace, &inputs.workspace),
        (BufferName::Partials, &inputs.partials),
        (BufferName::Parameters, &inputs.parameters),
        (BufferName::Gradients, &inputs.gradients),
        (BufferName::FirstMoment, &inputs.first_moment),
        (BufferName::SecondMoment, &inputs.second_moment),
        (BufferName::Accumulated, &inputs.accumulated),
        (BufferName::Norms, &inputs.norms),
    ] {
        executor.buffers.write(context, name, values);
    }
    executor.buffers.write(context, BufferName::Faults, &vec![Fault::NONE; inputs.tensors]);
    executor.write_records(&[inputs.record]);
    write_samples(&split, context, inputs.images, 0..inputs.images.len());
    split.buffers.write(context, BufferName::Order, &inputs.order);
    split.buffers.write(context, BufferName::Views, &inputs.views);

    let mut encoder = context.device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    executor.dispatch(&mut pass, &split, Dispatch { kernel: 0 }, count, 0);
    drop(pass);
    context.queue.submit([encoder.finish()]);

    let values = |name, count| executor.buffers.read(context, name, 0, count);
    Ok(KernelOutputs {
        workspace: values(BufferName::Workspace, inputs.workspace.len())?,
        partials: values(BufferName::Partials, inputs.partials.len())?,
        parameters: values(BufferName::Parameters, arena)?,
        gradients: values(BufferName::Gradients, inputs.gradients.len())?,
        first_moment: values(BufferName::FirstMoment, inputs.first_moment.len())?,
        second_moment: values(BufferName::SecondMoment, inputs.second_moment.len())?,
        accumulated: values(BufferName::Accumulated, inputs.accumulated.len())?,
        norms: values(BufferName::Norms, inputs.norms.len())?,
        outcomes: split.buffers.read(context, BufferName::Outcomes, 0, count)?,
        faults: executor.buffers.read(context, BufferName::Faults, 0, inputs.tensors)?,
    })
}
