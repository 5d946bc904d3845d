//! The shaders without a GPU: each kernel, composed for LeNet-5, parses and validates, and what it shares
//! with Rust has one layout.
use std::collections::{BTreeMap, BTreeSet};
use std::mem::offset_of;

use clap::ValueEnum;
use lenet_gpu::data::View;
use lenet_gpu::engine::{
    Clip, LARGEST_MICRO_BATCH, Loss, LossKind, Optimizer, Rule, SampleOutcome, Setup, Sgd,
};
use lenet_gpu::gpu::buffers::{BatchRecord, Fault};
use lenet_gpu::gpu::recording::{RecordedKernel, Recording};
use lenet_gpu::gpu::{KernelConfig, shader};
use lenet_gpu::model::{Activation, LeNet5};

/// Every kernel of a step, for grey and for colour, by both optimizers, with every activation and loss,
/// normalised or not, by both plans.
fn kernels() -> Vec<RecordedKernel> {
    let clip = Clip { fc: Some(5.0), conv: Some(1.0), norm: Some(1.0), tensor_norm: Some(0.5) };
    let rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
    let sgd = Optimizer { rule, clip, bound: Some(1e3), ..Optimizer::default() };
    let mut all = Vec::new();
    for plan in [KernelConfig::HARDWARE, KernelConfig::SOFTWARE] {
        for channels in [1, 3] {
            let network = LeNet5::new(channels, 10);
            all.extend(step(&Setup::new(network, 64), &plan));
            let large = Setup { optimizer: sgd, ..Setup::new(network, LARGEST_MICRO_BATCH + 1) };
            all.extend(step(&large, &plan));
        }
        for &activation in Activation::value_variants() {
            let network = LeNet5 { batch_norm: true, activation, ..LeNet5::new(1, 10) };
            all.extend(step(&Setup::new(network, 64), &plan));
        }
        for &kind in LossKind::value_variants() {
            let loss = Loss { kind, ..Loss::default() };
            all.extend(step(&Setup { loss, ..Setup::new(LeNet5::new(1, 10), 64) }, &plan));
        }
    }
    all
}

fn step(setup: &Setup, plan: &KernelConfig) -> Vec<RecordedKernel> {
    let augmented = Setup { augmented: true, ..*setup };
    [*setup, augmented].iter().flat_map(|setup| Recording::new(setup, plan).kernels).collect()
}

fn parse(source: &str) -> naga::Module {
    naga::front::wgsl::parse_str(source).unwrap_or_else(|error| panic!("{}", error.emit_to_string(source)))
}

fn module_of(shader: &str) -> naga::Module {
    let kernel = kernels().into_iter().find(|kernel| kernel.entry_point == shader).unwrap();
    parse(&kernel.wgsl)
}

/// Names and offsets of a WGSL struct's members, and its size.
fn layout(module: &naga::Module, name: &str) -> (Vec<(String, u32)>, u32) {
    let found = module.types.iter().find(|(_, ty)| ty.name.as_deref() == Some(name)).unwrap().1;
    let naga::TypeInner::Struct { members, span } = &found.inner else { panic!("{name} is no struct") };
    (members.iter().map(|m| (m.name.clone().unwrap(), m.offset)).collect(), *span)
}

/// `[("field", its offset in the Rust struct)]`.
macro_rules! offsets {
    ($type:ty, $($field:ident),*) => {
        vec![$((stringify!($field).to_owned(), offset_of!($type, $field) as u32)),*]
    };
}

#[test]
fn every_shader_parses_and_validates() {
    let mut validator = naga::valid::Validator::new(
        naga::valid::ValidationFlags::all(),
        naga::valid::Capabilities::default(),
    );
    let kernels = kernels();
    for kernel in &kernels {
        let source = &kernel.wgsl;
        validator
            .validate(&parse(source))
            .unwrap_or_else(|error| panic!("{}: {}", kernel.label, error.emit_to_string(source)));
    }
    for (name, _) in shader::KERNELS {
        assert!(kernels.iter().any(|kernel| kernel.entry_point == *name), "no kernel uses {name}.wgsl");
    }
}

#[test]
fn every_kernel_keeps_to_webgpus_default_limits() {
    for kernel in kernels() {
        let module = parse(&kernel.wgsl);
        let storage =
            |(_, v): &(_, &naga::GlobalVariable)| matches!(v.space, naga::AddressSpace::Storage { .. });
        let buffers = module.global_variables.iter().filter(storage).count();
        assert!(buffers <= 8, "{} binds {buffers} storage buffers", kernel.label);
        let entry = &module.entry_points[0];
        assert!(entry.workgroup_size.iter().product::<u32>() <= 256, "{}", kernel.label);
    }
}

#[test]
fn a_buffer_has_one_number_in_all_kernels_and_shares_it_with_no_other() {
    let mut numbers = BTreeMap::new();
    for kernel in kernels() {
        for (_, variable) in parse(&kernel.wgsl).global_variables.iter() {
            let Some(binding) = &variable.binding else { continue };
            let name = variable.name.clone().unwrap();
            let known = numbers.entry(binding.binding).or_insert_with(|| name.clone());
            assert_eq!(*known, name, "{} in {}", binding.binding, kernel.label);
        }
    }
    let names: BTreeSet<_> = numbers.values().collect();
    assert_eq!(names.len(), numbers.len(), "{numbers:?}");
}

#[test]
fn the_steps_record_is_laid_out_alike_in_rust_and_wgsl() {
    let rust = offsets!(
        BatchRecord,
        first,
        count,
        outcome,
        step,
        follows,
        loss_scale,
        label_smoothing,
        rate,
        root_correction,
        decay,
        height,
        width,
        image_words,
        top,
        left
    );
    assert_eq!(layout(&module_of("adam"), "Batch"), (rust, size_of::<BatchRecord>() as u32));
}

#[test]
fn an_outcome_is_laid_out_alike_in_rust_and_wgsl() {
    let rust = offsets!(SampleOutcome, loss, predicted);
    assert_eq!(layout(&module_of("dense_log_softmax"), "Outcome"), (rust, size_of::<SampleOutcome>() as u32));
}

#[test]
fn a_fault_is_laid_out_alike_in_rust_and_wgsl() {
    let rust = offsets!(Fault, parameter, gradient);
    assert_eq!(layout(&module_of("adam"), "Fault"), (rust, size_of::<Fault>() as u32));
}

#[test]
fn a_view_is_laid_out_alike_in_rust_and_wgsl() {
    let module = kernels().into_iter().find(|kernel| kernel.label == "gather, augmented").unwrap();
    let module = parse(&module.wgsl);
    assert_eq!(layout(&module, "View"), (offsets!(View, row, column), size_of::<View>() as u32));
}
