//! Views of images on the CPU.

use lenet_gpu::cpu::CpuEngine;

#[path = "../common/views.rs"]
mod golden;

#[test]
fn the_mean_over_views_matches_pytorch() {
    golden::assert_matches_pytorch(|setup| Ok(Box::new(CpuEngine::new(setup))));
}
