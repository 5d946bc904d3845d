//! Checks of all composed shaders that need no GPU: they parse and validate, keep to WebGPU's limits and rules for
//! bindings, and share the layout of their structs with Rust.
use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;
use std::sync::LazyLock;

use lenet_gpu::data::View;
use lenet_gpu::engine::{
    Clip, LARGEST_MICRO_BATCH, Loss, LossKind, Optimizer, Reduction, Rule, SampleOutcome, Setup, Sgd,
};
use lenet_gpu::gpu::kernels::{
    self, ArenaOffset, ConvBackwardInputOffsets, ConvBackwardWeightOffsets, ConvForwardOffsets,
    DenseBackwardOffsets, DenseForwardOffsets, PartialSums, Weights, WorkspaceOffset,
};
use lenet_gpu::gpu::recording::{Access, BufferName, Fault, RecordedKernel, Recording};
use lenet_gpu::gpu::{FilterMemory, KernelConfig, KernelSet, shader};
use lenet_gpu::model::{Activation, ConvShape, DenseShape, Frozen, LeNet5};

/// Every kernel with every variant: those of a step for both kernel sets and both kernel configurations, with all
/// networks, losses, activations and optimizers, alone and in a population, and those of shapes that LeNet-5 does not
/// have.
static KERNELS: LazyLock<Vec<RecordedKernel>> = LazyLock::new(|| {
    let mut all = Vec::new();
    for config in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
        for set in [KernelSet::Layered, KernelSet::Fused] {
            let config = KernelConfig { set, ..config };
            for setup in setups() {
                for members in [1, 3] {
                    all.extend(Recording::of_population(&setup, &config, members).kernels);
                }
            }
        }
        for filters in [FilterMemory::Storage, FilterMemory::Uniform] {
            all.extend(kernels_of_unaligned_shapes(&KernelConfig { filters, ..config }));
        }
    }
    all
});

fn setups() -> Vec<Setup> {
    let mut setups = Vec::new();
    let clip = Clip { fc: Some(5.0), conv: Some(1.0), norm: Some(1.0), tensor_norm: Some(0.5) };
    let adam = Optimizer { clip, ..Optimizer::default() };
    let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
    let sgd = Optimizer { rule, clip, bound: Some(1e3), ..Optimizer::default() };
    for channels in [1, 3] {
        let network = LeNet5::new(channels, 10);
        setups.push(Setup::new(network, 64));
        for optimizer in [Optimizer::default(), adam, sgd] {
            setups.push(Setup { optimizer, ..Setup::new(network, 64) });
            setups.push(Setup { optimizer, ..Setup::new(network, LARGEST_MICRO_BATCH + 1) });
        }
    }
    for activation in Activation::ALL {
        for batch_norm in [false, true] {
            let network = LeNet5 { batch_norm, activation, ..LeNet5::new(1, 10) };
            setups.push(Setup::new(network, 64));
        }
    }
    for kind in LossKind::ALL {
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let loss = Loss { kind, reduction, ..Loss::default() };
            let setup = Setup { loss, ..Setup::new(LeNet5::new(1, 10), 64) };
            setups.extend([setup, Setup { class_weighted: true, ..setup }]);
        }
    }
    for (optimizer, batch_norm) in [(adam, false), (sgd, true)] {
        let optimizer = Optimizer { frozen: Frozen::Conv, ..optimizer };
        let network = LeNet5 { batch_norm, ..LeNet5::new(1, 10) };
        setups.push(Setup { optimizer, ..Setup::new(network, LARGEST_MICRO_BATCH + 1) });
    }
    let augmented: Vec<_> = setups.iter().map(|setup| Setup { augmented: true, ..*setup }).collect();
    setups.extend(augmented);
    setups
}

/// Kernels whose tensors are at odd offsets and have odd lengths, strides and paddings.
fn kernels_of_unaligned_shapes(config: &KernelConfig) -> Vec<RecordedKernel> {
    let conv = ConvShape { channels: 2, height: 9, width: 7, filters: 5, size: 3, stride: 2, padding: 1 };
    let dense = DenseShape { inputs: 7, outputs: 3 };
    let [x, y, dx, dy] = [1, 1001, 2001, 3001].map(WorkspaceOffset::new);
    let weights = Weights { weight: ArenaOffset::new(1), bias: ArenaOffset::new(201) };
    let partials = PartialSums { len: 300, chunks: config.weight_chunks };
    let conv_forward = ConvForwardOffsets { x, y, weights };
    let conv_backward_input = ConvBackwardInputOffsets { dx, dy, weights };
    let conv_backward_weight = ConvBackwardWeightOffsets { x, dy, weights, partials };
    let dense_forward = DenseForwardOffsets { x, y, weights };
    let dense_backward = DenseBackwardOffsets { x, dx, dy, weights };
    let all = [
        kernels::conv_forward("conv", &conv, Activation::Relu, config, &conv_forward),
        kernels::conv_backward_input("conv", &conv, config, &conv_backward_input),
        kernels::conv_backward_weight("conv", &conv, config, &conv_backward_weight),
        kernels::dense_forward("dense", &dense, Activation::Relu, config, &dense_forward),
        kernels::dense_backward("dense", &dense, Activation::Relu, config, &dense_backward),
    ];
    all.iter().map(RecordedKernel::new).collect()
}

/// The kernels of [`KERNELS`] with distinct sources, by source.
fn distinct_kernels() -> BTreeMap<&'static str, &'static RecordedKernel> {
    KERNELS.iter().map(|kernel| (kernel.wgsl.as_str(), kernel)).collect()
}

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

fn module_of(shader: &str) -> naga::Module {
    let kernel = KERNELS.iter().find(|kernel| kernel.entry_point == shader).unwrap();
    parse(&kernel.wgsl)
}

/// The names and offsets of a WGSL struct's members, and its size.
fn layout(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap().1;
    let naga::TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is not a struct") };
    (members.iter().map(|m| (m.name.clone().unwrap(), m.offset)).collect(), *span)
}

/// `[("field", its offset in the Rust struct)]`.
macro_rules! offsets {
    ($type:ty, $($field:ident),*) => {
        vec![$((stringify!($field).to_owned(), offset_of!($type, $field) as u32)),*]
    };
}

#[test]
fn every_composed_shader_validates() {
    for (source, kernel) in distinct_kernels() {
        validate(&parse(source), &kernel.label);
    }
}

fn validate(module: &naga::Module, label: &str) -> naga::valid::ModuleInfo {
    let flags = naga::valid::ValidationFlags::all();
    let mut validator = naga::valid::Validator::new(flags, naga::valid::Capabilities::default());
    validator.validate(module).unwrap_or_else(|error| panic!("{label}: {error:?}"))
}

/// A kernel in the languages of all backends, without checks of bounds and loops, as the engine compiles it.
struct Translated {
    spirv: Vec<u32>,
    hlsl: String,
    /// The name that the HLSL gives the kernel.
    hlsl_entry: String,
    msl: String,
    glsl: String,
}

fn translate(source: &str, kernel: &RecordedKernel) -> Translated {
    use naga::back::{glsl, hlsl, msl, spv};

    let label = &kernel.label;
    let module = parse(source);
    let info = validate(&module, label);
    let stage = naga::ShaderStage::Compute;
    let name = || kernel.entry_point.to_owned();

    let options =
        spv::Options { lang_version: (1, 3), force_loop_bounding: false, ..spv::Options::default() };
    let spirv = spv::write_vec(&module, &info, &options, None);

    let options = msl::Options { fake_missing_bindings: true, ..msl::Options::default() };
    let msl = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default());

    let mut hlsl = String::new();
    let options = hlsl::Options {
        fake_missing_bindings: true,
        shader_model: hlsl::ShaderModel::V6_0,
        restrict_indexing: false,
        force_loop_bounding: false,
        ..hlsl::Options::default()
    };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((stage, name())) };
    let written = hlsl::Writer::new(&mut hlsl, &options, &pipeline).write(&module, &info, None);
    let mut written = written.unwrap_or_else(|error| panic!("{label}, HLSL: {error:?}"));
    let hlsl_entry =
        written.entry_point_names.remove(0).unwrap_or_else(|error| panic!("{label}, HLSL: {error:?}"));

    let mut glsl = String::new();
    let options = glsl::Options {
        version: glsl::Version::Embedded { version: 310, is_webgl: false },
        ..glsl::Options::default()
    };
    let pipeline = glsl::PipelineOptions { shader_stage: stage, entry_point: name(), multiview: None };
    let policies = naga::proc::BoundsCheckPolicies::default();
    let writer = glsl::Writer::new(&mut glsl, &module, &info, &options, &pipeline, policies);
    let written = writer.and_then(|mut writer| writer.write());
    written.unwrap_or_else(|error| panic!("{label}, GLSL ES 3.1: {error:?}"));

    Translated {
        spirv: spirv.unwrap_or_else(|error| panic!("{label}, SPIR-V: {error:?}")),
        hlsl,
        hlsl_entry,
        msl: msl.unwrap_or_else(|error| panic!("{label}, MSL: {error:?}")).0,
        glsl,
    }
}

#[test]
fn every_composed_shader_translates_to_the_language_of_every_backend() {
    for (source, kernel) in distinct_kernels() {
        let Translated { spirv, hlsl, hlsl_entry, msl, glsl } = translate(source, kernel);
        assert_eq!(spirv[0], 0x0723_0203, "SPIR-V begins with its magic number");
        for text in [hlsl, msl, glsl] {
            assert!(text.contains("void "), "{text}");
        }
        assert!(hlsl_entry.contains(kernel.entry_point), "{hlsl_entry}");
    }
}

/// Writes every kernel to the folder `$KERNELS`, as WGSL, SPIR-V and HLSL, with a list of them in `kernels.tsv`: the
/// files' name without extension, the entry points of the WGSL and the HLSL, and the label.
#[test]
#[ignore = "writes files for the scripts in tests/drivers/"]
fn write_all_kernels() {
    let folder = std::path::PathBuf::from(std::env::var_os("KERNELS").expect("KERNELS names a folder"));
    let mut list = String::new();
    for (index, (source, kernel)) in distinct_kernels().into_iter().enumerate() {
        let Translated { spirv, hlsl, hlsl_entry, .. } = translate(source, kernel);
        let bytes: Vec<_> = spirv.iter().flat_map(|word| word.to_le_bytes()).collect();
        std::fs::write(folder.join(format!("{index:03}.spv")), bytes).unwrap();
        std::fs::write(folder.join(format!("{index:03}.hlsl")), hlsl).unwrap();
        std::fs::write(folder.join(format!("{index:03}.wgsl")), source).unwrap();
        list += &format!("{index:03}\t{}\t{hlsl_entry}\t{}\n", kernel.entry_point, kernel.label);
    }
    std::fs::write(folder.join("kernels.tsv"), list).unwrap();
}

#[test]
fn the_checks_cover_every_kernel_and_every_variant() {
    let sources = distinct_kernels();
    for (path, text) in shader::FILES {
        if let Some(name) = path.strip_prefix("kernels/") {
            assert!(KERNELS.iter().any(|kernel| kernel.entry_point == name), "{path}.wgsl is not covered");
        } else if path.starts_with("variants/") {
            let lines = text.lines().filter(|line| !line.starts_with("#import "));
            let body = lines.fold(String::new(), |body, line| body + line + "\n");
            assert!(sources.keys().any(|source| source.contains(&body)), "{path}.wgsl is not covered");
        }
    }
}

#[test]
fn every_kernel_keeps_to_webgpus_default_limits() {
    for (source, kernel) in distinct_kernels() {
        let label = &kernel.label;
        let storage = kernel.bindings.iter().filter(|binding| binding.access != Access::Uniform);
        let buffers = storage.count();
        assert!(buffers <= 8, "{label} binds {buffers} storage buffers");
        let entry = &parse(source).entry_points[0];
        assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{label}");
    }
}

#[test]
fn no_kernel_binds_a_buffer_twice_if_a_binding_is_writable() {
    for kernel in distinct_kernels().values() {
        let mut bound: BTreeMap<BufferName, Vec<bool>> = BTreeMap::new();
        for binding in &kernel.bindings {
            bound.entry(binding.buffer).or_default().push(binding.access == Access::ReadWrite);
        }
        for (buffer, writable) in bound {
            assert!(
                writable.len() == 1 || !writable.contains(&true),
                "{}: {buffer:?} is bound twice",
                kernel.label
            );
        }
    }
}

#[test]
fn every_buffer_has_one_binding_number() {
    let mut numbers = BTreeMap::new();
    for kernel in distinct_kernels().values() {
        for binding in &kernel.bindings {
            let known = numbers.entry(binding.buffer).or_insert(binding.number);
            assert_eq!(*known, binding.number, "{:?} in {}", binding.buffer, kernel.label);
        }
    }
    assert_eq!(numbers.len(), BufferName::ALL.len(), "all buffers are bound");
    let distinct: BTreeSet<_> = numbers.values().collect();
    assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
}

#[test]
fn an_outcome_has_one_layout_in_rust_and_wgsl() {
    let rust = offsets!(SampleOutcome, loss, predicted);
    assert_eq!(layout(&module_of("dense_loss"), "Outcome"), (rust, size_of::<SampleOutcome>() as u32));
}

#[test]
fn a_fault_has_one_layout_in_rust_and_wgsl() {
    let rust = offsets!(Fault, parameter, gradient);
    assert_eq!(layout(&module_of("adam"), "Fault"), (rust, size_of::<Fault>() as u32));
}

#[test]
fn a_view_has_one_layout_in_rust_and_wgsl() {
    let kernel = KERNELS.iter().find(|kernel| kernel.label == "gather, augmented").unwrap();
    let module = parse(&kernel.wgsl);
    assert_eq!(layout(&module, "View"), (offsets!(View, row, column), size_of::<View>() as u32));
}
