//! Creating buffers on the device.

use super::context::Context;

const STORAGE: wgpu::BufferUsages =
    wgpu::BufferUsages::STORAGE.union(wgpu::BufferUsages::COPY_SRC).union(wgpu::BufferUsages::COPY_DST);

/// Creates a storage buffer that can be copied from and to.
pub fn storage(context: &Context, label: &str, size: u64) -> wgpu::Buffer {
    buffer(context, label, size, STORAGE)
}

/// Creates a buffer of at least 4 bytes.
pub fn buffer(context: &Context, label: &str, size: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    context.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some(label),
        // Empty bindings are not allowed.
        size: size.max(4),
        usage,
        mapped_at_creation: false,
    })
}
