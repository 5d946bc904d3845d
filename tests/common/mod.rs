//! What GPU tests share.

use lenet_gpu::device::Device;
use lenet_gpu::gpu::Context;

/// A device to test on: a real GPU, else a software adapter, whose results must be as right. There is no
/// GPU test without one.
pub fn context() -> Context {
    match Device::any_gpu() {
        Ok(chosen) => Context::open(&chosen).expect("the adapter opens"),
        Err(error) => panic!("these tests need a GPU or a software adapter such as lavapipe: {error}"),
    }
}
