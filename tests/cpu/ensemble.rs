//! Ensembles on the CPU.

use lenet_gpu::cpu::CpuEngine;

#[path = "../common/ensemble.rs"]
pub(crate) mod golden;

#[test]
fn the_mean_of_two_models_matches_pytorch() {
    golden::assert_matches_pytorch(|setup| Ok(Box::new(CpuEngine::new(setup))));
}
