//! Helpers for the tests that need a GPU.

use lenet_gpu::device::Device;
use lenet_gpu::gpu::Context;

/// A device to test on: a real GPU, or else a software adapter, whose results must be just as accurate. Without
/// either, the test fails.
pub fn context() -> Context {
    match Device::any_gpu() {
        Ok(chosen) => Context::open(&chosen).expect("the adapter opens"),
        Err(error) => panic!("these tests need a GPU or a software adapter such as lavapipe: {error}"),
    }
}
