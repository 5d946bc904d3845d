//! What GPU tests share.

use lenet_gpu::gpu::Context;

/// A device to test on: the first real GPU, else a software adapter. There is no test without one.
pub fn context() -> Context {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    Context::open(&adapters[0]).unwrap()
}
