//! Views of images on the GPU.

use lenet_gpu::gpu::{GpuEngine, GpuOptions, KernelConfig, Residency};

#[path = "../common/views.rs"]
mod golden;

#[test]
fn the_mean_over_views_matches_pytorch() {
    let context = crate::common::context();
    golden::assert_matches_pytorch(|&setup| {
        let kernels = KernelConfig::of(&context.description);
        let options = GpuOptions { setup, residency: Residency::Auto, kernels };
        Ok(Box::new(GpuEngine::new(context.clone(), options)?))
    });
}
