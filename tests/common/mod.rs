//! What GPU tests share.

use lenet_gpu::gpu::Context;
use lenet_gpu::gpu::adapter::{ApiBackend, Device, Request, Wanted};

/// A device to test on: a real GPU, else a software adapter, whose results must be as right. There is no
/// GPU test without one.
pub fn context() -> Context {
    let by_backend = ApiBackend::ALL.map(Wanted::Backend);
    let mut answer = String::new();
    for backend in [Wanted::Auto].into_iter().chain(by_backend) {
        match Device::find(&Request { backend, adapter: None }) {
            Ok(Device::Gpu(chosen)) => return Context::open(&chosen).expect("the adapter opens"),
            Ok(Device::Cpu { .. }) => {}
            // The first backend's answer tells what to install on this system.
            Err(error) if answer.is_empty() => answer = error.to_string(),
            Err(_) => {}
        }
    }
    panic!("these tests need a GPU or a software adapter such as lavapipe: {answer}");
}
