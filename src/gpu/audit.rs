//! For tests: compiles every kernel with additional code that reports what it does wrong.

use super::buffers::storage;
use super::context::Context;
use super::readback::read;
use crate::engine::EngineError;

/// Rewrites the WGSL of a kernel so that it writes to [`Audit::GROUP`], binding 0: an `atomic<u32>` in storage.
pub type Instrument = fn(&str) -> String;

/// What every kernel of a context reports to.
#[derive(Debug)]
pub struct Audit {
    pub(super) instrument: Instrument,
    pub(super) layout: wgpu::BindGroupLayout,
    pub(super) bindings: wgpu::BindGroup,
    report: wgpu::Buffer,
}

impl Audit {
    /// The bind group of the report; that of the kernels' own buffers is 0.
    pub const GROUP: u32 = 1;

    pub(super) fn new(context: &Context, instrument: Instrument) -> Result<Self, EngineError> {
        context.checked(|| {
            let device = &context.device;
            let label = Some("audit");
            let entry = wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Storage { read_only: false },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            };
            let layout = device
                .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &[entry] });
            let report = storage(context, "audit", size_of::<u32>() as u64);
            let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label,
                layout: &layout,
                entries: &[wgpu::BindGroupEntry { binding: 0, resource: report.as_entire_binding() }],
            });
            Self { instrument, layout, bindings, report }
        })
    }

    /// What kernels have reported since the last call; 0 if nothing.
    pub(super) fn take_report(&self, context: &Context) -> Result<u32, EngineError> {
        let report = read(context, &self.report, 0, 1)?[0];
        context.queue.write_buffer(&self.report, 0, &0_u32.to_le_bytes());
        Ok(report)
    }
}
