//! The bits of short runs. They are the same on every operating system, for any number of threads and any vector width,
//! and differ only between processors with and without fused multiply-add.
//!
//! If a change is meant to change bits, update the hashes here and say so in CHANGELOG.md and docs/reproducibility.md.

use lenet_gpu::cpu::CpuEngine;
use lenet_gpu::data::{Augmentation, Conversion, Dataset, ImageSet};
use lenet_gpu::engine::{Clip, Engine, Loss, LossKind, Optimizer, Reduction, Rule, Setup, Sgd};
use lenet_gpu::model::{Activation, Init, LeNet5, ParameterTable};
use lenet_gpu::train::{RunState, Schedule, Shape, TrainingConfig, train};

/// A run of two epochs on [`images`].
struct Run {
    network: LeNet5,
    init: Init,
    loss: Loss,
    optimizer: Optimizer,
    config: TrainingConfig,
}

impl Run {
    /// A run with the defaults of the program.
    fn new() -> Self {
        Self {
            network: LeNet5::new(1, 10),
            init: Init::default(),
            loss: Loss::default(),
            optimizer: Optimizer::default(),
            config: TrainingConfig { epochs: 2.0, batch_size: 32, ..TrainingConfig::default() },
        }
    }

    /// Trains and compares the hash of the weights.
    #[track_caller]
    fn assert_hash(&self, Hashes { fused, separate }: Hashes) {
        let setup = Setup {
            loss: self.loss,
            optimizer: self.optimizer,
            augmented: self.config.augmentation.is_some(),
            ..Setup::new(self.network, self.config.batch_size)
        };
        let mut engine = CpuEngine::new(&setup);
        let arena = self.init.arena(&ParameterTable::new(&self.network), self.config.seed);
        engine.set_parameters(&arena).unwrap();
        let [training, test] = [300, 20].map(|count| images(self.network.channels, count));
        let data = Dataset::from_image_sets("stripes", training, test, Conversion::default()).unwrap();
        let summary = train(&mut engine, &data, &self.config, RunState::default(), &mut ()).unwrap();

        let (with, expected) = if has_fused_multiply_add() { ("with", fused) } else { ("without", separate) };
        let found = summary.last.expect("the run has whole epochs").weights_hash;
        assert_eq!(found, expected, "the weights on a processor {with} fused multiply-add");
    }
}

/// The hashes of a run's weights.
struct Hashes {
    /// With fused multiply-add: x86 with AVX2 and FMA, and 64-bit ARM.
    fused: &'static str,
    /// Without: a product is rounded before it is added.
    separate: &'static str,
}

fn has_fused_multiply_add() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

/// Noisy stripes, 28×28; the label determines their width.
fn images(channels: usize, count: usize) -> ImageSet {
    let (side, mut state) = (28, 1u32);
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 25) as u8
    };
    let labels: Vec<u16> = (0..count).map(|image| (image * 7 % 10) as u16).collect();
    let mut pixels = Vec::new();
    for &label in &labels {
        for position in 0..channels * side * side {
            let stripe = (position % side + position / side) / (1 + usize::from(label)) % 2;
            pixels.push(128 * stripe as u8 + noise());
        }
    }
    ImageSet::new(channels, side, side, pixels, labels).unwrap()
}

#[test]
fn default_run() {
    Run::new().assert_hash(Hashes { fused: "378de6dbc4f8cefc", separate: "bc9d781bdc0657aa" });
}

/// The gradient of a step is the sum of several micro-batches.
#[test]
fn large_batches() {
    let config = TrainingConfig { batch_size: 140, ..Run::new().config };
    Run { config, ..Run::new() }
        .assert_hash(Hashes { fused: "7166f582873941b8", separate: "34423e338e8fabda" });
}

#[test]
fn squared_error_with_tanh_momentum_and_a_step_schedule() {
    let (step_epochs, step_factor) = (Some(0.5), Some(0.3));
    let schedule = Schedule { shape: Shape::Step, step_epochs, step_factor, ..Schedule::default() };
    Run {
        network: LeNet5 { activation: Activation::Tanh, ..LeNet5::new(1, 10) },
        init: Init::Xavier,
        loss: Loss { kind: LossKind::Mse, ..Loss::default() },
        optimizer: Optimizer {
            rule: Rule::Sgd(Sgd { momentum: 0.9, nesterov: true }),
            weight_decay: 1e-3,
            ..Optimizer::default()
        },
        config: TrainingConfig { learning_rate: 0.05, schedule, ..Run::new().config },
    }
    .assert_hash(Hashes { fused: "3b6dc52d6490fabd", separate: "e7f1ab02c4ad72ca" });
}

#[test]
fn smoothed_cross_entropy_with_sigmoid_clipping_and_a_cosine_schedule() {
    let schedule = Schedule { shape: Shape::Cosine, warmup: 0.1, ..Schedule::default() };
    Run {
        network: LeNet5 { activation: Activation::Sigmoid, ..LeNet5::new(1, 10) },
        init: Init::Kaiming,
        loss: Loss { kind: LossKind::CrossEntropy, reduction: Reduction::Sum, label_smoothing: 0.1 },
        optimizer: Optimizer {
            weight_decay: 0.01,
            clip: Clip { norm: Some(1.0), ..Clip::default() },
            ..Optimizer::default()
        },
        config: TrainingConfig { schedule, ..Run::new().config },
    }
    .assert_hash(Hashes { fused: "27abb863d88a6b83", separate: "476709f717d16fba" });
}

#[test]
fn augmented_colour_images_with_batch_norm_and_one_cycle() {
    let schedule = Schedule { shape: Shape::OneCycle, warmup: 0.3, ..Schedule::default() };
    let augmentation = Augmentation { shift: 2, flip: true, rotate: 20.0, scale: 0.2 };
    Run {
        network: LeNet5 { batch_norm: true, ..LeNet5::new(3, 10) },
        config: TrainingConfig { schedule, augmentation, ..Run::new().config },
        ..Run::new()
    }
    .assert_hash(Hashes { fused: "775e21066ef05bd7", separate: "3f3ade95be4cc8de" });
}
