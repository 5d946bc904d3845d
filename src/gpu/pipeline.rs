//! A compiled kernel and the layout of its bind group.

use super::bindings::{Binding, bindings};
use super::context::Context;
use super::kernels::Kernel;

/// A kernel's pipeline and its bindings.
#[derive(Debug)]
pub struct Pipeline {
    pub label: String,
    pub pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    bindings: Vec<Binding>,
}

impl Pipeline {
    /// Compiles `kernel`. Errors are reported to the error scope around the call.
    pub fn new(context: &Context, kernel: &Kernel) -> Self {
        let device = &context.device;
        let source = kernel.source();
        let bindings = bindings(&source);
        let entries: Vec<_> = bindings
            .iter()
            .map(|binding| wgpu::BindGroupLayoutEntry {
                binding: binding.number,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer {
                    ty: binding.kind,
                    has_dynamic_offset: binding.has_dynamic_offset(),
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let label = Some(kernel.label.as_str());
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let module = compile(device, label, source);
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.shader),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Kernels write workgroup memory before they read it.
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: context.pipeline_cache(),
        });
        Self { label: kernel.label.clone(), pipeline, layout, bindings }
    }

    /// The number of dynamic offsets of the bind group: 1 if the kernel reads the step's record, else 0.
    pub fn dynamic_offsets(&self) -> usize {
        self.bindings.iter().filter(|binding| binding.has_dynamic_offset()).count()
    }

    /// Creates the bind group, with what `resource` returns for each binding.
    pub fn bind<'a>(
        &self,
        context: &Context,
        resource: impl Fn(&Binding) -> wgpu::BindingResource<'a>,
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = self
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupEntry { binding: binding.number, resource: resource(binding) })
            .collect();
        context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&self.label),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// Compiles without the checks that naga adds to loops and array indices: a clamped index keeps drivers from
/// unrolling loops, and then blocks do not stay in registers.
fn compile(device: &wgpu::Device, label: Option<&str>, source: String) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    // SAFETY: Every loop in `shaders/` counts up to a constant, the batch size or the end of a tensor, or halves
    // down to 0. Every index follows from the kernel's constants, the grid (kernels return if their part of it is
    // beyond the batch) and the batch size, or is an image index from `order` or a label. The buffers are sized
    // for these. The engine checks that no micro-batch has more images than the workspace, that image indices
    // are below the number of images on the device, and that labels are below the number of classes. Points of
    // views are clamped to the image. Nothing outside this crate runs a kernel.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}
