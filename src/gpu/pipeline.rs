//! A compiled kernel.

use super::context::Context;
use super::recording::{Access, Binding, BindingRange, RecordedKernel};

/// A kernel's pipeline and the layout of its bind group.
#[derive(Debug)]
pub struct Pipeline {
    pub label: String,
    pub pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    dynamic_offsets: usize,
}

impl Pipeline {
    /// Compiles `kernel`. Errors reach the error scope around the call.
    pub fn new(context: &Context, kernel: &RecordedKernel) -> Self {
        let device = &context.device;
        let entries: Vec<_> = kernel.bindings.iter().map(layout_entry).collect();
        let label = Some(kernel.label.as_str());
        let layout =
            device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &entries });
        let layouts: Vec<_> =
            [Some(&layout)].into_iter().chain(context.audit().map(|audit| Some(&audit.layout))).collect();
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &layouts,
            immediate_size: 0,
        });
        let module = compile(context, label, &kernel.wgsl);
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.entry_point),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Kernels write workgroup memory before they read it.
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: context.pipeline_cache(),
        });
        let dynamic_offsets = kernel.bindings.iter().filter(|binding| is_record(binding)).count();
        Self { label: kernel.label.clone(), pipeline, layout, dynamic_offsets }
    }

    /// How many offsets its bind group takes: one if the kernel reads the batch's record.
    pub fn dynamic_offsets(&self) -> usize {
        self.dynamic_offsets
    }

    /// Creates the bind group of `bindings`, which are the kernel's.
    pub fn bind<'a>(
        &self,
        context: &Context,
        bindings: &[Binding],
        resource: impl Fn(&Binding) -> wgpu::BindingResource<'a>,
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = bindings
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

fn layout_entry(binding: &Binding) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: binding.number,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: match binding.access {
                Access::Uniform => wgpu::BufferBindingType::Uniform,
                Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                Access::ReadWrite => wgpu::BufferBindingType::Storage { read_only: false },
            },
            has_dynamic_offset: is_record(binding),
            min_binding_size: None,
        },
        count: None,
    }
}

fn is_record(binding: &Binding) -> bool {
    matches!(binding.range, BindingRange::Record(_))
}

/// Compiles without the checks that naga adds to loops and array indices: a clamped index keeps drivers from
/// unrolling loops, and then blocks do not stay in registers.
fn compile(context: &Context, label: Option<&str>, wgsl: &str) -> wgpu::ShaderModule {
    let device = &context.device;
    let module = |wgsl: &str| wgpu::ShaderModuleDescriptor {
        label,
        source: wgpu::ShaderSource::Wgsl(wgsl.to_owned().into()),
    };
    if let Some(audit) = context.audit() {
        return device.create_shader_module(module(&(audit.instrument)(wgsl)));
    }
    // SAFETY: Every loop in `shaders/` counts up to a constant, the batch size or the end of a tensor, or halves
    // down to 0. Every index follows from the kernel's constants, the grid (kernels return if their part of it is
    // beyond the batch) and the batch size, or is an image index from `order` or a label. The buffers are sized
    // for these. The engine checks that no micro-batch has more images than the workspace, that image indices
    // are below the number of images on the device, and that labels are below the number of classes. Points of
    // views are clamped to the image. Nothing outside this crate runs a kernel. tests/gpu/bounds.rs counts indices
    // that are out of bounds, and divisors that are 0, over random kernel configurations and setups.
    unsafe { device.create_shader_module_trusted(module(wgsl), wgpu::ShaderRuntimeChecks::unchecked()) }
}
