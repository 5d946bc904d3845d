//! A kernel as it is dispatched.

use super::context::Context;
use super::grid::Grid;
use super::kernels::Kernel;
use super::pipeline::Pipeline;
use crate::engine::Mode;

/// A compiled kernel, the workgroups it takes, and the pass that it is for, if it is for one alone.
#[derive(Debug)]
pub struct Stage {
    pub pipeline: Pipeline,
    grid: Grid,
    pass: Option<Mode>,
}

impl Stage {
    /// Compiles `kernel`. Errors reach the error scope around the call.
    pub fn new(context: &Context, kernel: &Kernel) -> Self {
        Self { pipeline: Pipeline::new(context, kernel), grid: kernel.grid, pass: kernel.pass }
    }

    pub fn runs_in(&self, pass: Mode) -> bool {
        self.pass.is_none_or(|only| only == pass)
    }

    /// Records one dispatch over `count` images whose record stands at `offset`.
    pub fn record(&self, pass: &mut wgpu::ComputePass, group: &wgpu::BindGroup, count: usize, offset: u32) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, group, &[offset][..self.pipeline.dynamic_offsets()]);
        let [x, y] = self.grid.workgroups(count);
        pass.dispatch_workgroups(x, y, 1);
    }
}
