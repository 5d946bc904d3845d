//! What GPU tests share.

use lenet_gpu::gpu::Context;
use lenet_gpu::gpu::adapter::Chosen;

/// A device to test on: a real GPU, else a software adapter, whose results must be as right. There is no
/// GPU test without one.
pub fn context() -> Context {
    match Chosen::any() {
        Ok(chosen) => Context::open(&chosen).expect("the adapter opens"),
        Err(error) => panic!("these tests need a GPU or a software adapter such as lavapipe: {error}"),
    }
}
