//! What a kernel finds around it, where it runs alone.

use crate::data::{ImageSet, View};
use crate::engine::{EngineError, Loss, Optimizer, Step};
use crate::gpu::Context;
use crate::gpu::buffers::BatchRecord;
use crate::gpu::kernels::Kernel;
use crate::gpu::single::{Inputs, Outputs, run};
use crate::verify::tensors::stale;

/// A kernel's surroundings.
#[derive(Default)]
pub struct Bench {
    pub workspace: Vec<f32>,
    pub partials: Vec<f32>,
    pub parameters: Vec<f32>,
    /// As many as there are parameters; none where the kernel does not read them.
    pub gradients: Vec<f32>,
    pub loss: Loss,
}

impl Bench {
    /// The images of a batch, last one first, so that an order that is not followed shows.
    pub fn order(batch: usize) -> Vec<u32> {
        (0..batch as u32).rev().collect()
    }

    /// Runs a kernel that needs no images.
    pub fn run(self, context: &Context, kernel: &Kernel, batch: usize) -> Result<Outputs, EngineError> {
        let nothing = ImageSet { channels: 1, height: 1, width: 1, pixels: vec![0], labels: vec![0] };
        self.run_in_order(context, kernel, batch, &nothing, vec![0], Vec::new())
    }

    /// Runs a kernel over the images or labels of `split`, in [`Bench::order`].
    pub fn run_over(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        split: &ImageSet,
    ) -> Result<Outputs, EngineError> {
        self.run_in_order(context, kernel, batch, split, Self::order(batch), Vec::new())
    }

    pub fn run_in_order(
        self,
        context: &Context,
        kernel: &Kernel,
        batch: usize,
        split: &ImageSet,
        order: Vec<u32>,
        views: Vec<View>,
    ) -> Result<Outputs, EngineError> {
        let step = Step { first: 0, count: batch, learning_rate: 0.0 };
        let batch = step.micro_batches().next().expect("a batch has images");
        let gradients = if self.gradients.is_empty() { stale(self.parameters.len()) } else { self.gradients };
        let inputs = Inputs {
            gradients,
            workspace: self.workspace,
            partials: self.partials,
            parameters: self.parameters,
            first_moment: Vec::new(),
            second_moment: Vec::new(),
            accumulated: Vec::new(),
            norms: Vec::new(),
            split,
            order,
            views,
            // As many as any of them looks at.
            tensors: 3,
            record: BatchRecord::new(&batch, 0, 1, &self.loss, &Optimizer::default(), split),
        };
        run(context, kernel, &inputs)
    }
}
