use super::*;
use crate::engine::{Clip, LARGEST_MICRO_BATCH, Optimizer};
use crate::model::{Activation, Frozen, LeNet5};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

fn layered(setup: &Setup) -> Recording {
    Recording::new(setup, &KernelConfig { set: KernelSet::Layered, ..KernelConfig::HARDWARE })
}

fn fused(setup: &Setup) -> Recording {
    Recording::new(setup, &KernelConfig::HARDWARE)
}

fn step_cost(recording: &Recording, images: usize) -> Cost {
    recording.kernels_of(Mode::Train).map(|kernel| kernel.cost(images)).sum()
}

#[test]
fn a_layered_training_step_takes_at_most_17_dispatches() {
    assert!(layered(&Setup::new(NETWORK, 64)).last_micro_batch.len() <= 17);
}

#[test]
fn a_fused_training_step_takes_four_dispatches_and_an_evaluation_two() {
    for channels in [1, 3] {
        for augmented in [false, true] {
            let recording = fused(&Setup { augmented, ..Setup::new(LeNet5::new(channels, 10), 64) });
            assert_eq!(recording.last_micro_batch.len(), 4);
            assert_eq!(recording.evaluation.len(), 2);
        }
    }
}

fn frozen(setup: Setup) -> Setup {
    Setup { optimizer: Optimizer { frozen: Frozen::Conv, ..setup.optimizer }, ..setup }
}

#[test]
fn frozen_convolutions_have_no_backward_pass() {
    let names = |recording: &Recording| -> Vec<_> {
        recording.kernels_of(Mode::Train).map(|kernel| kernel.label.clone()).collect()
    };
    let setup = Setup::new(NETWORK, 64);
    let expected = ["conv blocks forward", "dense layers, loss and backward", "adam"];
    assert_eq!(names(&fused(&frozen(setup))), expected);
    for batch_norm in [false, true] {
        let setup = frozen(Setup::new(LeNet5 { batch_norm, ..NETWORK }, 64));
        for name in names(&layered(&setup)) {
            let backward = name.contains("backward") && !name.starts_with("fc");
            let updates = name.contains("statistics");
            assert!(!(backward || updates) || name.starts_with("bn3") || name.starts_with("bn4"), "{name}");
        }
    }
}

#[test]
fn frozen_convolutions_change_only_the_update() {
    let setup = Setup::new(NETWORK, 64);
    for (free, frozen) in [(fused(&setup), fused(&frozen(setup))), (layered(&setup), layered(&frozen(setup)))]
    {
        for kernel in &frozen.kernels {
            let is_known = free.kernels.iter().any(|other| other.wgsl == kernel.wgsl);
            assert_eq!(is_known, kernel.label != "adam", "{}", kernel.label);
        }
    }
}

#[test]
fn clipping_by_norm_takes_one_more_dispatch_and_by_value_none() {
    let dispatches = |clip| {
        let optimizer = Optimizer { clip, ..Optimizer::default() };
        layered(&Setup { optimizer, ..Setup::new(NETWORK, 64) }).last_micro_batch.len()
    };
    let none = Clip::default();
    assert_eq!(dispatches(Clip { fc: Some(5.0), conv: Some(1.0), ..none }), dispatches(none));
    for by_norm in [Clip { norm: Some(1.0), ..none }, Clip { tensor_norm: Some(1.0), ..none }] {
        assert_eq!(dispatches(by_norm), dispatches(none) + 1);
    }
}

#[test]
fn batch_norm_takes_four_dispatches_per_layer_in_training_and_one_in_evaluation() {
    let [plain, normalised] =
        [false, true].map(|batch_norm| layered(&Setup::new(LeNet5 { batch_norm, ..LeNet5::new(1, 10) }, 64)));
    assert_eq!(normalised.last_micro_batch.len(), plain.last_micro_batch.len() + 4 * 4);
    assert_eq!(normalised.evaluation.len(), plain.evaluation.len() + 4);
}

#[test]
fn only_the_last_micro_batch_updates_the_parameters() {
    let clip = Clip { norm: Some(1.0), ..Clip::default() };
    let optimizer = Optimizer { clip, ..Optimizer::default() };
    let recording = fused(&Setup { optimizer, ..Setup::new(NETWORK, LARGEST_MICRO_BATCH + 1) });
    let names = |dispatches: &[Dispatch]| -> Vec<_> {
        dispatches.iter().map(|dispatch| recording.kernels[dispatch.kernel].entry_point).collect()
    };
    let within = ["fused_conv_forward", "fused_dense", "fused_conv_backward", "accumulate"];
    assert_eq!(names(&recording.micro_batch), within);
    assert_eq!(names(&recording.last_micro_batch), [&within[..], &["gradient_norm", "adam"]].concat());
}

#[test]
fn a_network_that_the_fused_kernels_do_not_support_gets_the_layered_ones() {
    let dispatches = |network| fused(&Setup::new(network, 64)).last_micro_batch.len();
    for other in [
        LeNet5 { batch_norm: true, ..NETWORK },
        LeNet5 { activation: Activation::Tanh, ..NETWORK },
        LeNet5 { classes: 65, ..NETWORK },
    ] {
        assert!(dispatches(other) > 2 * dispatches(NETWORK));
    }
    assert_eq!(dispatches(LeNet5 { classes: 64, ..NETWORK }), dispatches(NETWORK));
}

#[test]
fn workspace_tensors_follow_each_other_without_overlap() {
    for (batch_norm, config) in
        [(false, KernelConfig::SOFTWARE), (true, KernelConfig::SOFTWARE), (false, KernelConfig::HARDWARE)]
    {
        let setup = Setup::new(LeNet5 { batch_norm, ..LeNet5::new(3, 10) }, 5);
        let recording = Recording::new(&setup, &config);
        let mut end = 0;
        for tensor in &recording.tensors {
            assert_eq!(tensor.offset.get(), end, "{}", tensor.name);
            end += setup.max_forward_batch() * tensor.len;
        }
        assert!(4 * end as u64 <= recording.buffer_bytes(BufferName::Workspace));
    }
}

#[test]
fn a_convolution_costs_its_outputs_times_its_filter() {
    let recording = layered(&Setup::new(NETWORK, 64));
    let conv2 = recording.kernels.iter().find(|kernel| kernel.label == "conv2 forward").unwrap();
    let (products, weight) = (16 * 10 * 10 * 6 * 5 * 5, 16 * 6 * 5 * 5 + 16);
    let values = 3 * (6 * 14 * 14 + 16 * 10 * 10) + weight;
    assert_eq!(conv2.cost(3), Cost { flops: 3 * 2 * products, bytes: 4 * values });
}

/// In multiply-adds: each layer forward, backward to its weights and backward to its input; conv1's input needs no
/// gradient. On top come few operations that are not part of a product.
#[test]
fn a_layered_step_of_64_images_takes_145_million_operations() {
    let conv = 2 * (117_600 + 240_000) + 240_000;
    let dense = 3 * (400 * 120 + 120 * 84 + 84 * 10);
    let products = 64 * 2 * (conv + dense);
    assert_eq!(products, 144_890_880);
    let cost = step_cost(&layered(&Setup::new(NETWORK, 64)), 64);
    assert!((products..products + products / 20).contains(&cost.flops), "{cost:?}");
}

/// The fused kernels' backward sums run over the maxima of the pools only: one position of four.
#[test]
fn a_fused_step_of_64_images_takes_88_million_operations() {
    let conv = (117_600 + 240_000) + (117_600 + 2 * 240_000) / 4;
    let dense = 3 * (400 * 120 + 120 * 84 + 84 * 10);
    let products = 64 * 2 * (conv + dense);
    assert_eq!(products, 87_521_280);
    let cost = step_cost(&fused(&Setup::new(NETWORK, 64)), 64);
    assert!((products..products + products / 20).contains(&cost.flops), "{cost:?}");
}

#[test]
fn every_kernel_has_a_cost() {
    let clip = Clip { norm: Some(1.0), ..Clip::default() };
    let optimizer = Optimizer { clip, ..Optimizer::default() };
    let batch = LARGEST_MICRO_BATCH + 1;
    let mut recordings = Vec::new();
    for augmented in [false, true] {
        recordings.push(fused(&Setup { augmented, ..Setup::new(LeNet5::new(3, 10), batch) }));
    }
    for activation in [Activation::Relu, Activation::LogSoftmax] {
        let network = LeNet5 { batch_norm: true, activation, ..LeNet5::new(3, 10) };
        recordings.push(layered(&Setup { optimizer, ..Setup::new(network, batch) }));
    }
    for kernel in recordings.iter().flat_map(|recording| &recording.kernels) {
        let cost = kernel.cost(1);
        assert!(cost.flops > 0 && cost.bytes > 0, "{}: {cost:?}", kernel.label);
    }
}

#[test]
fn barriers_are_counted_in_the_code() {
    let recording = layered(&Setup::new(NETWORK, 64));
    let barriers = |label: &str| {
        recording.kernels.iter().find(|kernel| kernel.label.starts_with(label)).unwrap().barriers()
    };
    assert_eq!(barriers("conv1 forward"), 0);
    assert!(barriers("fc3 + log-softmax") > 0);
}

/// A population whose evaluations take batches as large as alone.
fn recordings_alone_and_of_three(set: KernelSet) -> [Recording; 2] {
    let setup = Setup { evaluation_batch: 64, class_weighted: true, ..Setup::new(NETWORK, 64) };
    let config = KernelConfig { set, ..KernelConfig::SOFTWARE };
    [1, 3].map(|members| Recording::of_population(&setup, &config, members))
}

#[test]
fn a_population_dispatches_the_kernels_of_a_network_alone() {
    for set in [KernelSet::Layered, KernelSet::Fused] {
        let [alone, together] = recordings_alone_and_of_three(set);
        let kernels = |recording: &Recording| -> Vec<_> {
            recording.kernels.iter().map(|kernel| (kernel.label.clone(), kernel.grid)).collect()
        };
        assert_eq!(kernels(&alone), kernels(&together));
        assert_eq!(alone.last_micro_batch, together.last_micro_batch);
        assert_eq!(alone.evaluation, together.evaluation);
        assert!(together.to_string().starts_with("population of 3\n"));
    }
}

#[test]
fn a_population_binds_a_record_for_each_member_and_no_parameters_as_a_uniform() {
    for set in [KernelSet::Layered, KernelSet::Fused] {
        for (recording, members) in recordings_alone_and_of_three(set).iter().zip([1, 3]) {
            for kernel in &recording.kernels {
                let uniforms: Vec<_> =
                    kernel.bindings.iter().filter(|binding| binding.access == Access::Uniform).collect();
                let bytes = members * u64::from(RecordLayout::BYTES);
                assert_eq!(uniforms[0].range, BindingRange::Record(bytes), "{}", kernel.label);
                assert!(members == 1 || uniforms.len() == 1, "{}", kernel.label);
            }
        }
    }
}

#[test]
fn the_last_member_has_as_much_of_each_buffer_as_a_network_alone() {
    for set in [KernelSet::Layered, KernelSet::Fused] {
        let [alone, together] = recordings_alone_and_of_three(set);
        let MemberStrides { arena, workspace, partials, tensors, classes } = together.strides;
        assert!(arena.is_multiple_of(4) && workspace.is_multiple_of(4));
        for (name, stride) in [
            (BufferName::Parameters, 4 * arena),
            (BufferName::Gradients, 4 * arena),
            (BufferName::FirstMoment, 4 * arena),
            (BufferName::SecondMoment, 4 * arena),
            (BufferName::Workspace, 4 * workspace),
            (BufferName::Partials, 4 * partials),
            (BufferName::Norms, 4 * tensors),
            (BufferName::Faults, size_of::<Fault>() * tensors),
            (BufferName::ClassWeights, 4 * classes),
        ] {
            let [one, three] = [&alone, &together].map(|recording| recording.buffer_bytes(name));
            assert_eq!(three, one + 2 * stride as u64, "{name:?}");
            assert!(one <= stride as u64, "{name:?}");
        }
    }
}
