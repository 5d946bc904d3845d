//! Kernels are compiled without checks of bounds, so the host must never let one access anything out of bounds. Over
//! random kernel configurations, networks and sizes, kernels that compare every index with the length of what it
//! indexes, and every divisor with 0, find nothing wrong, and compute the same bits as the unchecked kernels.
//!
//! More trials than by default: `LENET_GPU_TRIALS=1000 cargo test --release --test gpu bounds`. Trial `n` is the same
//! in every run.
use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::data::{Augmentation, ImageSet, order};
use lenet_gpu::device::Device;
use lenet_gpu::engine::{
    ClassWeights, Clip, Epoch, LARGEST_MICRO_BATCH, Loss, LossKind, MemberEpoch, Optimizer, Population,
    Reduction, Rule, SampleOutcome, Setup, Sgd, Split, steps,
};
use lenet_gpu::gpu::{Context, FilterMemory, GpuOptions, GpuPopulation, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::{Activation, Frozen, Init, LeNet5, ParameterTable};
use lenet_gpu::verify::{Check, kernels};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::context;
use crate::instrument::{describe, instrument};

/// The number of trials: `default`, or that of the environment variable.
fn trials(default: u64) -> u64 {
    std::env::var("LENET_GPU_TRIALS")
        .map_or(default, |text| text.parse().expect("LENET_GPU_TRIALS is a number"))
}

/// Software adapters compile large blocks slowly, so only every fourth trial has them.
fn largest_block(trial: u64, usual: usize) -> usize {
    if trial % 4 == 3 { usize::MAX } else { usual }
}

fn audited(instrument: fn(&str) -> String) -> Context {
    Context::open_audited(&Device::any_gpu().unwrap(), instrument).unwrap()
}

#[track_caller]
fn assert_clean(audited: &Context, trial: &str) {
    let report = audited.take_audit_report().unwrap();
    assert!(report == 0, "{}\n{trial}", describe(report));
}

struct Draw(ChaCha8Rng);

impl Draw {
    fn new(trial: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(trial))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.next_u32() as usize % bound
    }

    fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// 1 to `max`; every power of 2 is as likely to be exceeded.
    fn size(&mut self, max: usize) -> usize {
        let limit = 1_usize << self.below(max.ilog2() as usize + 2);
        1 + self.below(limit.min(max))
    }

    /// A valid kernel configuration with blocks of up to `largest` values in a dimension.
    fn kernel_config(&mut self, largest: usize) -> KernelConfig {
        loop {
            let mut config = KernelConfig {
                set: self.of(&[KernelSet::Layered, KernelSet::Fused]),
                workgroup: self.size(256),
                elementwise_workgroup: self.size(256),
                filters: self.of(&[FilterMemory::Storage, FilterMemory::Uniform]),
                conv_filters: self.size(largest.min(32)),
                conv_columns: self.size(largest.min(32)),
                weight_filters: self.size(largest.min(32)),
                weight_rows: self.size(largest.min(32)),
                weight_columns: self.size(largest.min(32)),
                weight_chunks: self.size(1024),
                dense_rows: 4 * self.size(largest.div_ceil(4).min(8)),
                dense_columns: 4 * self.size(largest.div_ceil(4).min(8)),
                sum_ahead: self.size(largest.min(64)),
                ..KernelConfig::HARDWARE
            };
            config.fused.conv_filters = self.size(largest.min(16));
            config.fused.head_images = self.size(2);
            config.fused.head_groups = self.size(256);
            config.fused.head_share = self.of(&[1, 2, 4, 8]);
            config.fused.head_loads = self.size(largest.min(64));
            config.fused.conv_split = self.of(&[2, 3, 6]);
            config.fused.chunks = self.size(1024);
            if config.check().is_ok() {
                return config;
            }
        }
    }

    /// A setup; one that the fused kernels support if `plain`.
    fn setup(&mut self, plain: bool) -> Setup {
        let network = LeNet5 {
            channels: self.of(&[1, 3]),
            classes: if plain { 2 + self.below(63) } else { 2 + self.size(300) },
            batch_norm: !plain && self.flag(),
            activation: if plain { Activation::Relu } else { self.of(&Activation::ALL) },
        };
        let kinds = if plain { &LossKind::ALL[..2] } else { &LossKind::ALL[..] };
        let loss = Loss {
            kind: self.of(kinds),
            reduction: self.of(&[Reduction::Mean, Reduction::Sum]),
            label_smoothing: self.of(&[0.0, 0.1]),
        };
        let clip = Clip {
            fc: self.of(&[None, Some(5.0)]),
            conv: self.of(&[None, Some(1.0)]),
            norm: self.of(&[None, Some(1.0)]),
            tensor_norm: self.of(&[None, Some(0.5)]),
        };
        let sgd = Rule::Sgd(Sgd { momentum: 0.9, nesterov: self.flag() });
        let rule = self.of(&[Optimizer::default().rule, sgd]);
        let batch_size = if self.below(8) == 0 { LARGEST_MICRO_BATCH + 1 } else { self.size(128) };
        Setup {
            loss,
            optimizer: Optimizer { rule, clip, frozen: self.of(&Frozen::ALL), ..Optimizer::default() },
            evaluation_batch: self.size(64),
            augmented: self.flag(),
            class_weighted: self.flag(),
            ..Setup::new(network, batch_size)
        }
    }
}

fn images(draw: &mut Draw, setup: &Setup, count: usize) -> ImageSet {
    let LeNet5 { channels, classes, .. } = setup.network;
    let (height, width) = draw.of(&[(28, 28), (32, 32), (17, 31)]);
    let mut pixels = vec![0; count * channels * height * width];
    draw.0.fill_bytes(&mut pixels);
    let labels = (0..count).map(|_| draw.below(classes) as u16).collect();
    ImageSet { channels, height, width, pixels, labels }
}

/// The bits of everything that a short epoch and an evaluation leave of the last of some members, which train alike.
fn bits(
    context: &Context,
    options: &GpuOptions,
    members: usize,
    images: &Arc<ImageSet>,
    trial: u64,
) -> Vec<Vec<u32>> {
    let setup = &options.setup;
    let last = members - 1;
    let mut population = GpuPopulation::new(context.clone(), *options, members).unwrap();
    population.load(Split::Train, images.clone()).unwrap();
    population.load(Split::Test, images.clone()).unwrap();
    let arena = Init::Pytorch.arena(&ParameterTable::new(&setup.network), trial);
    for member in 0..members {
        population.set_parameters(member, &arena).unwrap();
    }
    let order = order(images.len(), trial, 0, true);
    let augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };
    let views = if setup.augmented { augmentation.views(trial, 0, &order) } else { None };
    let steps = steps(images.len(), setup.batch_size, 1e-3);
    let weight = |class| [0.0, 0.5, 3.0][class % 3];
    let weights = ClassWeights::new((1..=setup.network.classes).map(weight).collect()).unwrap();
    let class_weights = setup.class_weighted.then_some(&weights);
    let epoch = Epoch { views: views.as_deref(), class_weights, ..Epoch::new(&order, &steps) };
    let mut losses = vec![Vec::new(); members];
    let observers = losses.iter_mut().map(|losses| {
        |_: usize, outcomes: &[SampleOutcome]| {
            losses.extend(outcomes.iter().map(|outcome| outcome.loss));
            ControlFlow::Continue(())
        }
    });
    let mut observers: Vec<_> = observers.collect();
    let epochs = observers.iter_mut().enumerate();
    let mut epochs: Vec<_> =
        epochs.map(|(member, observer)| MemberEpoch { member, epoch, observer }).collect();
    assert!(population.train(&mut epochs).unwrap().iter().all(Result::is_ok));
    drop(observers);
    let all: Vec<_> = (0..members).collect();
    let evaluated = population.evaluate(Split::Test, &all).unwrap().remove(last);
    let state = population.optimizer_state(last).unwrap();
    [
        losses.remove(last),
        evaluated.iter().map(|outcome| outcome.loss).collect(),
        population.log_probabilities(last, Split::Test).unwrap(),
        population.parameters(last).unwrap(),
        state.first_moment,
        state.second_moment,
    ]
    .map(|values| values.into_iter().map(f32::to_bits).collect())
    .into()
}

#[test]
fn no_network_accesses_anything_out_of_bounds() {
    let (unchecked, audited) = (context(), audited(instrument));
    for trial in 0..trials(3) {
        let mut draw = Draw::new(trial);
        let plain = trial % 2 == 1;
        let setup = draw.setup(plain);
        let residency = draw.of(&[Residency::Resident, Residency::Streamed]);
        // Half of the trials of each kernel set are of a population, whose images are resident.
        let (members, residency) =
            if [1, 2].contains(&(trial % 4)) { (2, Residency::Resident) } else { (1, residency) };
        let set = if plain { KernelSet::Fused } else { KernelSet::Layered };
        let kernels = KernelConfig { set, ..draw.kernel_config(largest_block(trial, 4)) };
        let options = GpuOptions { setup, residency, kernels };
        // Batch normalisation cannot learn from a batch of one image, but must not fail either.
        let count = setup.batch_size + 1 + draw.below(20);
        let images = Arc::new(images(&mut draw, &setup, count));
        let found = bits(&audited, &options, members, &images, trial);
        assert_clean(&audited, &format!("trial {trial}: {options:#?}"));
        assert!(
            found == bits(&unchecked, &options, members, &images, trial),
            "bits differ; trial {trial}: {options:#?}"
        );
    }
}

/// Over shapes that LeNet-5 does not have; the results match the reference too.
#[test]
fn no_kernel_accesses_anything_out_of_bounds() {
    let audited = audited(instrument);
    let checks = kernels::checks();
    for trial in 0..trials(40) {
        let mut draw = Draw::new(trial);
        // Each check has its turn.
        let check = &checks[trial as usize * 7 % checks.len()];
        let config = draw.kernel_config(largest_block(trial, 8));
        let name = format!("trial {trial}: {check:?}, {config:#?}");
        let found = check.run(&audited, &config, trial).unwrap();
        assert_clean(&audited, &name);
        for finding in found {
            assert!(finding.passed(), "{finding}; {name}");
        }
    }
}

/// Runs the check of a kernel in which `correct` is replaced by `wrong`.
#[track_caller]
fn assert_reported(check: &str, damaged: fn(&str) -> String, expected: &str) {
    let audited = audited(damaged);
    let checks: Vec<Check> =
        kernels::checks().into_iter().filter(|known| known.name.contains(check)).collect();
    checks[0].run(&audited, &KernelConfig::HARDWARE, 0).unwrap();
    let report = audited.take_audit_report().unwrap();
    assert_ne!(report, 0, "nothing was reported");
    assert!(describe(report).contains(expected), "{}", describe(report));
    assert_eq!(audited.take_audit_report().unwrap(), 0, "a report is taken once");
}

fn damage(wgsl: &str, correct: &str, wrong: &str) -> String {
    instrument(&wgsl.replace(correct, wrong))
}

#[test]
fn an_index_past_the_end_of_a_buffer_is_reported() {
    let damaged =
        |wgsl: &str| damage(wgsl, "Y + image * OUTPUTS + o] = z", "Y + image * OUTPUTS + o + 1u] = z");
    assert_reported(
        "log_softmax, ",
        damaged,
        "log_softmax: an index is out of bounds in `workspace[workspace_start + Y",
    );
}

#[test]
fn an_index_past_the_end_of_workgroup_memory_is_reported() {
    let damaged = |wgsl: &str| {
        damage(wgsl, "sum += exp_or_nan(z[o] - largest)", "sum += exp_or_nan(z[o + 1u] - largest)")
    };
    assert_reported(
        "log_softmax, ",
        damaged,
        "log_softmax: an index is out of bounds in `sum += exp_or_nan(z[o + 1u]",
    );
}

#[test]
fn an_index_past_the_end_of_a_private_array_is_reported() {
    let damaged = |wgsl: &str| damage(wgsl, "var bounds = CLIP_VALUES;", "var bounds = array<f32, 1>(1.0);");
    assert_reported("clip", damaged, "an index is out of bounds in `return limited(");
}

#[test]
fn a_division_by_zero_is_reported() {
    let damaged = |wgsl: &str| {
        damage(wgsl, "index / POSITIONS % CHANNELS", "index / (POSITIONS * (batch.count / 1000u)) % CHANNELS")
    };
    assert_reported("batch_norm_forward", damaged, "a divisor is 0 in `return index / (");
}
