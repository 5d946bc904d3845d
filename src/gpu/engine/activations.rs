//! The outputs of the layers, read from the workspace.
//!
//! The layered kernels leave the output of every layer in the workspace. The fused ones do not: what a convolution
//! passes to its pool stays in registers. An engine with fused kernels therefore computes the outputs with the layered
//! evaluation kernels, which it compiles on first use. They sum in a different order, so their log-probabilities may
//! differ from those of the fused kernels in the last bits.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::GpuOptions;
use super::job::Job;
use super::population::GpuPopulation;
use crate::engine::{
    EngineError, Epoch, LARGEST_MICRO_BATCH, LayerOutput, Mode, Population, Setup, Split, steps,
};
use crate::gpu::kernel_config::{KernelConfig, KernelSet};
use crate::gpu::readback::read_ranges;
use crate::gpu::recording::{BufferName, Recording};

/// The tensors of the workspace with the outputs of [`LayerOutput`]'s layers, in the same order.
const TENSORS: [&str; 7] = ["conv1", "pool1", "conv2", "pool2", "fc1", "fc2", "outputs"];

/// Images per forward pass with kernels that are compiled for this purpose.
const BATCH: usize = 64;

impl GpuPopulation {
    /// See [`crate::engine::Engine::activations`].
    pub(super) fn layer_outputs(
        &mut self,
        member: usize,
        split: Split,
    ) -> Result<Vec<LayerOutput>, EngineError> {
        if TENSORS.iter().all(|name| self.recording().tensor(name).is_some()) {
            return self.stored_layer_outputs(member, split);
        }
        let images = Arc::clone(&self.splits.get(split).images);
        let mut layered = match self.layered.take() {
            Some(layered) => layered,
            None => Box::new(self.new_layered()?),
        };
        self.copy_parameters(member, &layered)?;
        layered.load(Split::Test, images)?;
        let result = layered.stored_layer_outputs(0, Split::Test);
        self.layered = Some(layered);
        result
    }

    /// An engine on the same device that evaluates the same network with layered kernels.
    fn new_layered(&self) -> Result<Self, EngineError> {
        let Setup { network, loss, .. } = self.options.setup;
        let setup = Setup { loss, evaluation_batch: BATCH, ..Setup::new(network, 1) };
        let kernels = KernelConfig { set: KernelSet::Layered, ..self.options.kernels };
        let options = GpuOptions { setup, kernels, residency: self.options.residency };
        let recording = Recording::of_evaluation(&setup, &kernels);
        Self::with_recording(self.context.clone(), options, recording)
    }

    /// Copies the parameters of a member to a population of one.
    fn copy_parameters(&self, member: usize, to: &Self) -> Result<(), EngineError> {
        let [from, to] = [self, to].map(|engine| engine.executor.buffers.get(BufferName::Parameters));
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        let start = (self.arena_start(member) * size_of::<f32>()) as u64;
        encoder.copy_buffer_to_buffer(from, start, to, 0, to.size());
        self.context.queue.submit([encoder.finish()]);
        self.context.check()
    }

    /// Evaluates a split and reads every layer's output after each batch.
    fn stored_layer_outputs(&mut self, member: usize, split: Split) -> Result<Vec<LayerOutput>, EngineError> {
        let Setup { network, loss, .. } = self.options.setup;
        let images = self.splits.get(split).images.len();
        let order: Vec<_> = (0..images as u32).collect();
        let tensors = TENSORS
            .map(|name| self.recording().tensor(name).expect("the layered kernels store every output"));
        let mut layers = LayerOutput::of_network(&network, images);
        for order in order.chunks(self.evaluation_batch.min(LARGEST_MICRO_BATCH)) {
            let count = order.len();
            let ignore = &mut |_: usize, _: &[_]| ControlFlow::Continue(());
            let batch = steps(count, count, 0.0);
            let job = Job::new(member, Epoch::new(order, &batch), ignore);
            self.run(split, Mode::Evaluate, vec![job], None)?.remove(0)?;
            let start = member * self.recording().strides.workspace;
            let ranges = tensors.map(|tensor| (start + tensor.offset.get(), count * tensor.len));
            let workspace = self.executor.buffers.get(BufferName::Workspace);
            let values = read_ranges::<f32>(&self.context, workspace, &ranges)?;
            let mut rest = &values[..];
            for (layer, (_, len)) in layers.iter_mut().zip(ranges) {
                let (of_layer, others) = rest.split_at(len);
                layer.values.extend_from_slice(of_layer);
                rest = others;
            }
        }
        Ok(LayerOutput::finished(layers, &loss))
    }
}
