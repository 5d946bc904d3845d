//! The input and output tensors of a kernel that is checked by itself.

use crate::data::{ImageSet, View};
use crate::engine::{ClassWeights, EngineError, Loss, Optimizer, Step};
use crate::gpu::Context;
use crate::gpu::kernel_run::{KernelInputs, KernelOutputs, Values, run_kernel};
use crate::gpu::kernels::{ArenaOffset, Kernel, PartialSums, Weights, WithGradient, WorkspaceOffset};
use crate::gpu::recording::BatchRecord;
use crate::verify::tensors::stale;

/// The workspace and the arenas of a kernel, filled tensor by tensor.
#[derive(Default)]
pub struct Fixture {
    values: Values,
    loss: Loss,
    /// Over which a mean is taken, if it is not the number of images.
    step_weight: Option<f64>,
}

impl Fixture {
    /// For a kernel that computes a loss.
    pub fn with_loss(loss: Loss) -> Self {
        Self { loss, ..Self::default() }
    }

    /// Sets the weights of the classes, and the sum of the weights of the batch's labels.
    pub fn class_weights(&mut self, weights: &ClassWeights, step_weight: f64) {
        self.values.class_weights = weights.values().to_vec();
        self.step_weight = Some(step_weight);
    }

    /// Appends a tensor to the workspace.
    pub fn tensor(&mut self, values: &[f32]) -> WorkspaceOffset {
        let offset = WorkspaceOffset::new(self.values.workspace.len());
        self.values.workspace.extend_from_slice(values);
        offset
    }

    /// Appends room for a result of `len` values to the workspace.
    pub fn result(&mut self, len: usize) -> WorkspaceOffset {
        self.tensor(&stale(len))
    }

    /// Appends a tensor and its gradient to the workspace.
    pub fn with_gradient(&mut self, values: &[f32], gradient: &[f32]) -> WithGradient {
        WithGradient { value: self.tensor(values), gradient: self.tensor(gradient) }
    }

    /// Appends a tensor to the parameter arena.
    pub fn parameter(&mut self, values: &[f32]) -> ArenaOffset {
        let offset = ArenaOffset::new(self.values.parameters.len());
        self.values.parameters.extend_from_slice(values);
        offset
    }

    /// Appends a layer's parameters to the arena.
    pub fn weights(&mut self, weight: &[f32], bias: &[f32]) -> Weights {
        Weights { weight: self.parameter(weight), bias: self.parameter(bias) }
    }

    /// Sets the gradients, as many values as parameters. They are stale by default.
    pub fn gradients(&mut self, values: Vec<f32>) {
        self.values.gradients = values;
    }

    /// Makes room for `chunks` partial sums of `len` values.
    pub fn partials(&mut self, len: usize, chunks: usize) -> PartialSums {
        self.values.partials = stale(chunks * len);
        PartialSums { len, chunks }
    }

    /// The indices of a batch's images, last one first, so that a kernel that ignores the order fails its check.
    pub fn order(batch: usize) -> Vec<u32> {
        (0..batch as u32).rev().collect()
    }

    /// Runs a kernel that needs no images.
    pub fn run(self, context: &Context, kernel: &Kernel, batch: usize) -> Result<KernelOutputs, EngineError> {
        let unused = ImageSet { channels: 1, height: 1, width: 1, pixels: vec![0], labels: vec![0] };
        self.run_in_order(context, kernel, batch, &unused, vec![0], Vec::new())
    }

    /// Runs a kernel over images or their labels, in [`Self::order`].
    pub fn run_over(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        images: &ImageSet,
    ) -> Result<KernelOutputs, EngineError> {
        self.run_in_order(context, kernel, batch, images, Self::order(batch), Vec::new())
    }

    /// Runs a kernel over images in the given order, each through its view if there are any.
    pub fn run_in_order(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        images: &ImageSet,
        order: Vec<u32>,
        views: Vec<View>,
    ) -> Result<KernelOutputs, EngineError> {
        let step = Step { first: 0, count: batch, learning_rate: 0.0 };
        let batch = step.micro_batches().next().expect("a batch has images");
        let step_weight = self.step_weight.unwrap_or(batch.count as f64);
        let mut values = self.values;
        if values.gradients.is_empty() {
            values.gradients = stale(values.parameters.len());
        }
        let inputs = KernelInputs {
            values,
            images,
            order,
            views,
            // Enough for each of these kernels.
            tensors: 3,
            record: BatchRecord::new(&batch, 0, 1, step_weight, &self.loss, &Optimizer::default(), images),
        };
        run_kernel(context, kernel, inputs)
    }
}
