//! A kernel compiled. Which buffers it binds, and how, is read off its WGSL by reflection, so that the
//! shader's declarations are the only list of bindings.

use super::context::Context;
use super::kernels::Kernel;

/// A kernel's pipeline and what it binds.
#[derive(Debug)]
pub struct Pipeline {
    pub label: String,
    pub pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    bindings: Vec<Binding>,
}

/// A buffer that a shader declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub number: u32,
    /// The variable's name, which is the buffer's: `workspace`.
    pub name: String,
    pub kind: wgpu::BufferBindingType,
}

impl Binding {
    /// Whether it is the record of a step, one of many in its buffer.
    fn is_record(&self) -> bool {
        self.name == "batch"
    }
}

impl Pipeline {
    /// Compiles `kernel`. Errors reach the error scope around the call.
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
                    has_dynamic_offset: binding.is_record(),
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
                // Kernels write what they read of workgroup memory.
                zero_initialize_workgroup_memory: false,
                ..wgpu::PipelineCompilationOptions::default()
            },
            cache: context.pipeline_cache(),
        });
        Self { label: kernel.label.clone(), pipeline, layout, bindings }
    }

    /// How many offsets its bind group takes: one where it reads the step's record.
    pub fn dynamic_offsets(&self) -> usize {
        self.bindings.iter().filter(|binding| binding.is_record()).count()
    }

    /// Binds to each declared name what `buffer` has for it.
    pub fn bind<'a>(
        &self,
        context: &Context,
        buffer: impl Fn(&str) -> wgpu::BindingResource<'a>,
    ) -> wgpu::BindGroup {
        let entries: Vec<_> = self
            .bindings
            .iter()
            .map(|binding| wgpu::BindGroupEntry { binding: binding.number, resource: buffer(&binding.name) })
            .collect();
        context.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(&self.label),
            layout: &self.layout,
            entries: &entries,
        })
    }
}

/// Compiles without the checks that naga adds to loops and to the indices of arrays: a clamped index keeps drivers
/// from unrolling loops, and with that blocks from staying in registers.
fn compile(device: &wgpu::Device, label: Option<&str>, source: String) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    // SAFETY: each loop in `shaders/` counts up to a constant, to the batch's size or to a tensor's end, or
    // halves down to 0. An index follows from the kernel's constants, the grid (which kernels cut off at the
    // batch's size) and the batch's size, or is a place in `order` or a label: the buffers are sized for these,
    // the engine lets no micro-batch have more images, no place be past the images on the device, and no label
    // be past the classes. Points of views are cut off at the image's edge. Nothing outside of this crate runs
    // a kernel.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

/// The buffers that a shader declares, in the order of their numbers.
///
/// # Panics
/// Where the shader does not parse: shaders are part of this crate, and a test parses each.
pub fn bindings(source: &str) -> Vec<Binding> {
    let module = naga::front::wgsl::parse_str(source)
        .unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)));
    let mut bindings: Vec<_> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| {
            let number = variable.binding?.binding;
            let name = variable.name.clone()?;
            let kind = match variable.space {
                naga::AddressSpace::Storage { access } => wgpu::BufferBindingType::Storage {
                    read_only: !access.contains(naga::StorageAccess::STORE),
                },
                _ => wgpu::BufferBindingType::Uniform,
            };
            Some(Binding { number, name, kind })
        })
        .collect();
    bindings.sort_by_key(|binding| binding.number);
    bindings
}
