//! One kernel by itself, over tensors laid out by hand: how a kernel is held against its twin.

use super::buffers::{BatchRecord, Buffers, Fault, ImageSetBuffers, Lengths};
use super::context::Context;
use super::kernels::Kernel;
use super::pipeline::Pipeline;
use super::readback::read;
use crate::data::{ImageSet, View};
use crate::engine::{EngineError, SampleOutcome};

/// What a kernel finds. What it does not read may be empty.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    pub workspace: Vec<f32>,
    pub partials: Vec<f32>,
    pub parameters: Vec<f32>,
    pub gradients: Vec<f32>,
    pub first_moment: Vec<f32>,
    pub second_moment: Vec<f32>,
    pub accumulated: Vec<f32>,
    pub norms: Vec<f32>,
    /// Images and labels, all on the device.
    pub split: &'a ImageSet,
    pub order: Vec<u32>,
    /// One for each place of the order, for a kernel that reads them.
    pub views: Vec<View>,
    /// Parameter tensors.
    pub tensors: usize,
    pub record: BatchRecord,
}

/// What a kernel left behind.
#[derive(Debug, Clone)]
pub struct Outputs {
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

/// Runs `kernel` once.
pub fn run(context: &Context, kernel: &Kernel, inputs: &Inputs) -> Result<Outputs, EngineError> {
    let arena = inputs.parameters.len();
    let samples = inputs.record.count as usize;
    let (buffers, part, pipeline, group) = context.checked(|| {
        let buffers = Buffers::new(
            context,
            &Lengths {
                parameters: arena,
                trained: arena,
                second_moment: arena,
                accumulated: arena,
                tensors: inputs.tensors,
                workspace: inputs.workspace.len(),
                partials: inputs.partials.len(),
            },
        );
        let held = inputs.split.len();
        let samples = samples.max(inputs.order.len());
        let part = ImageSetBuffers::new(context, inputs.split, held, inputs.views.len(), samples);
        let pipeline = Pipeline::new(context, kernel);
        let group = pipeline.bind(context, |binding| buffers.get(&part, binding));
        (buffers, part, pipeline, group)
    })?;

    let faults = vec![Fault::NONE; inputs.tensors];
    for (buffer, bytes) in [
        (&buffers.workspace, bytemuck::cast_slice(&inputs.workspace)),
        (&buffers.partials, bytemuck::cast_slice(&inputs.partials)),
        (&buffers.parameters, bytemuck::cast_slice(&inputs.parameters)),
        (&buffers.gradients, bytemuck::cast_slice(&inputs.gradients)),
        (&buffers.first_moment, bytemuck::cast_slice(&inputs.first_moment)),
        (&buffers.second_moment, bytemuck::cast_slice(&inputs.second_moment)),
        (&buffers.accumulated, bytemuck::cast_slice(&inputs.accumulated)),
        (&buffers.norms, bytemuck::cast_slice(&inputs.norms)),
        (&buffers.faults, bytemuck::cast_slice::<Fault, u8>(&faults)),
    ] {
        context.queue.write_buffer(buffer, 0, bytes);
    }
    part.write_samples(context, inputs.split, 0..inputs.split.len());
    part.write_order(context, &inputs.order);
    part.write_views(context, &inputs.views);
    buffers.write_records(context, &[inputs.record]);

    let mut encoder = context.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline.pipeline);
        pass.set_bind_group(0, &group, &[0][..pipeline.dynamic_offsets()]);
        let [x, y] = kernel.grid.workgroups(samples);
        pass.dispatch_workgroups(x, y, 1);
    }
    context.queue.submit([encoder.finish()]);

    Ok(Outputs {
        workspace: read(context, &buffers.workspace, 0, inputs.workspace.len())?,
        partials: read(context, &buffers.partials, 0, inputs.partials.len())?,
        parameters: read(context, &buffers.parameters, 0, arena)?,
        gradients: read(context, &buffers.gradients, 0, inputs.gradients.len())?,
        first_moment: read(context, &buffers.first_moment, 0, inputs.first_moment.len())?,
        second_moment: read(context, &buffers.second_moment, 0, inputs.second_moment.len())?,
        accumulated: read(context, &buffers.accumulated, 0, inputs.accumulated.len())?,
        norms: read(context, &buffers.norms, 0, inputs.norms.len())?,
        outcomes: read(context, &part.outcomes, 0, samples)?,
        faults: read(context, &buffers.faults, 0, inputs.tensors)?,
    })
}
