//! Members of a population compute the same bits as the same runs alone.
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::common::context;
use lenet_gpu::data::{Augmentation, ImageSet, View, order};
use lenet_gpu::engine::{
    Adam, ClassWeights, Clip, Engine, EngineError, Epoch, LARGEST_MICRO_BATCH, Loss, LossKind, MemberEpoch,
    NonFinite, Optimizer, Population, Reduction, Rule, SampleOutcome, Setup, Sgd, Split, Step, steps,
};
use lenet_gpu::gpu::{GpuEngine, GpuOptions, GpuPopulation, KernelConfig, KernelSet, Residency};
use lenet_gpu::model::{Activation, Frozen, Init, LeNet5, ParameterTable};

const NETWORK: LeNet5 = LeNet5::new(1, 10);

fn image_set(channels: usize, images: usize) -> Arc<ImageSet> {
    let pixels = (0..images * channels * 784).map(|index| (index * index % 251) as u8).collect();
    let labels = (0..images).map(|index| (index * 7 % 10) as u16).collect();
    Arc::new(ImageSet { channels, height: 28, width: 28, pixels, labels })
}

fn options(setup: Setup, set: KernelSet) -> GpuOptions {
    let kernels = KernelConfig { set, ..KernelConfig::SOFTWARE };
    GpuOptions { setup, residency: Residency::Auto, kernels }
}

fn population(setup: Setup, set: KernelSet, size: usize, images: &Arc<ImageSet>) -> GpuPopulation {
    let mut population = GpuPopulation::new(context(), options(setup, set), size).unwrap();
    population.load(Split::Train, images.clone()).unwrap();
    population.load(Split::Test, images.clone()).unwrap();
    population
}

/// What a member trains on in one epoch.
struct Course {
    order: Vec<u32>,
    views: Option<Vec<View>>,
    class_weights: Option<ClassWeights>,
    steps: Vec<Step>,
}

impl Course {
    /// Every member has its own order, views, class weights and learning rate; every third misses the end of its epochs.
    fn new(setup: &Setup, images: usize, member: usize, epoch: u64) -> Self {
        let seed = member as u64;
        let order = order(images, seed, epoch, true);
        let augmentation = Augmentation { shift: 2, flip: true, rotate: 10.0, scale: 0.1 };
        let views = if setup.augmented { augmentation.views(seed, epoch, &order) } else { None };
        let weight = |class| [0.5, 1.0, 3.0][(class + member) % 3];
        let weights = || ClassWeights::new((0..setup.network.classes).map(weight).collect()).unwrap();
        let class_weights = setup.class_weighted.then(weights);
        let mut steps = steps(images, setup.batch_size, 1e-3 * (1 + member) as f32);
        steps.truncate(steps.len() - usize::from(member % 3 == 2));
        Self { order, views, class_weights, steps }
    }

    fn epoch(&self) -> Epoch<'_> {
        Epoch {
            views: self.views.as_deref(),
            class_weights: self.class_weights.as_ref(),
            ..Epoch::new(&self.order, &self.steps)
        }
    }
}

/// A member's setup differs from that of the population in weight decay and label smoothing.
fn setup_of(setup: &Setup, member: usize) -> Setup {
    let mut setup = *setup;
    setup.optimizer.weight_decay = 0.01 * member as f32;
    setup.loss.label_smoothing = 0.03 * member as f32;
    setup
}

fn start(population: &mut GpuPopulation, slot: usize, setup: &Setup, member: usize) {
    let table = ParameterTable::new(&setup.network);
    population.set_setup(slot, &setup_of(setup, member));
    population.set_parameters(slot, &Init::Pytorch.arena(&table, member as u64)).unwrap();
    let zeros = vec![0.0; table.trained_len()];
    let state =
        lenet_gpu::engine::OptimizerState { step: 0, first_moment: zeros.clone(), second_moment: zeros };
    population.set_optimizer_state(slot, &state).unwrap();
}

/// Trains one epoch of some members, each in a slot of its own. Returns the losses of each.
fn train(population: &mut GpuPopulation, members: &[(usize, &Course)]) -> Vec<Vec<f32>> {
    let mut losses: Vec<Vec<f32>> = vec![Vec::new(); members.len()];
    let observers = losses.iter_mut().map(|losses| {
        |first: usize, outcomes: &[SampleOutcome]| {
            assert!(outcomes.is_empty() || first == losses.len());
            losses.extend(outcomes.iter().map(|outcome| outcome.loss));
            ControlFlow::Continue(())
        }
    });
    let mut observers: Vec<_> = observers.collect();
    let epochs = members.iter().zip(&mut observers);
    let mut epochs: Vec<_> = epochs
        .map(|(&(member, course), observer)| MemberEpoch { member, epoch: course.epoch(), observer })
        .collect();
    let results = population.train(&mut epochs).unwrap();
    for (result, (_, course)) in results.into_iter().zip(members) {
        assert_eq!(result.unwrap(), course.steps.len());
    }
    drop(observers);
    losses
}

/// The bits of everything that a member leaves.
fn bits(
    population: &mut GpuPopulation,
    slot: usize,
    losses: &[f32],
    evaluated: &[SampleOutcome],
) -> Vec<u32> {
    let state = population.optimizer_state(slot).unwrap();
    let values = losses.iter().copied().chain(evaluated.iter().map(|outcome| outcome.loss));
    let values = values.chain(population.parameters(slot).unwrap());
    let values = values.chain(state.first_moment).chain(state.second_moment);
    values.map(f32::to_bits).chain([state.step as u32]).collect()
}

/// The number of members that train in each epoch: all of them, then those with an even index.
const EPOCHS: [usize; 2] = [1, 2];

/// Trains members together and alone and compares every bit.
#[track_caller]
fn assert_equal_to_runs_alone(setup: Setup, set: KernelSet, size: usize, images: usize) {
    let images = image_set(setup.network.channels, images);
    let course = |member, epoch| Course::new(&setup, images.len(), member, epoch as u64);

    let mut together = population(setup, set, size, &images);
    (0..size).for_each(|member| start(&mut together, member, &setup, member));
    let mut losses = vec![Vec::new(); size];
    for (epoch, every) in EPOCHS.into_iter().enumerate() {
        let courses: Vec<_> =
            (0..size).step_by(every).map(|member| (member, course(member, epoch))).collect();
        let trained: Vec<_> = courses.iter().map(|(member, course)| (*member, course)).collect();
        for ((member, _), more) in courses.iter().zip(train(&mut together, &trained)) {
            losses[*member].extend(more);
        }
    }
    let all: Vec<_> = (0..size).collect();
    let evaluated = together.evaluate(Split::Test, &all).unwrap();

    let mut alone = population(setup, set, 1, &images);
    let mut distinct = std::collections::BTreeSet::new();
    for member in 0..size {
        start(&mut alone, 0, &setup, member);
        let mut of_member = Vec::new();
        for (epoch, every) in EPOCHS.into_iter().enumerate() {
            if member % every == 0 {
                of_member.extend(train(&mut alone, &[(0, &course(member, epoch))]).remove(0));
            }
        }
        let outcomes = alone.evaluate(Split::Test, &[0]).unwrap().remove(0);
        let expected = bits(&mut alone, 0, &of_member, &outcomes);
        let found = bits(&mut together, member, &losses[member], &evaluated[member]);
        assert!(found == expected, "member {member} of {size}, {set:?}, {setup:?}");
        distinct.insert(expected);
    }
    assert_eq!(distinct.len(), size, "members differ");
}

fn adam(correct_twice: bool) -> Rule {
    Rule::Adam(Adam { correct_twice, ..Adam::default() })
}

fn sgd(momentum: f32, nesterov: bool) -> Rule {
    Rule::Sgd(Sgd { momentum, nesterov })
}

fn with_rule(rule: Rule) -> Optimizer {
    Optimizer { rule, ..Optimizer::default() }
}

fn clipped(rule: Rule) -> Optimizer {
    let clip = Clip { fc: Some(0.05), conv: Some(0.02), norm: Some(0.5), tensor_norm: Some(0.2) };
    Optimizer { clip, bound: Some(0.3), ..with_rule(rule) }
}

#[test]
fn a_population_of_16_with_adam_equals_runs_alone() {
    let setup = Setup::new(NETWORK, 6);
    assert_equal_to_runs_alone(setup, KernelSet::Layered, 16, 15);
    assert_equal_to_runs_alone(setup, KernelSet::Fused, 16, 15);
}

#[test]
fn a_population_of_7_with_everything_that_layered_kernels_offer_equals_runs_alone() {
    let network = LeNet5 { batch_norm: true, activation: Activation::Tanh, ..LeNet5::new(3, 10) };
    let loss = Loss { kind: LossKind::Mse, reduction: Reduction::Sum, ..Loss::default() };
    let setup = Setup {
        loss,
        optimizer: clipped(sgd(0.9, true)),
        augmented: true,
        class_weighted: true,
        ..Setup::new(network, 6)
    };
    assert_equal_to_runs_alone(setup, KernelSet::Layered, 7, 15);
}

#[test]
fn a_population_of_7_with_everything_that_fused_kernels_offer_equals_runs_alone() {
    let setup = Setup {
        optimizer: clipped(adam(true)),
        augmented: true,
        class_weighted: true,
        ..Setup::new(LeNet5::new(3, 10), 6)
    };
    assert_equal_to_runs_alone(setup, KernelSet::Fused, 7, 15);
}

// Of the fused kernels only: the activations of two members with layered kernels and the largest micro-batch do not fit into a
// binding of WebGPU's default limits.
#[test]
fn a_population_of_2_with_micro_batches_equals_runs_alone() {
    let optimizer = clipped(sgd(0.0, false));
    let setup = Setup { optimizer, ..Setup::new(NETWORK, LARGEST_MICRO_BATCH + 2) };
    // The last step is small enough for one micro-batch.
    assert_equal_to_runs_alone(setup, KernelSet::Fused, 2, LARGEST_MICRO_BATCH + 40);
}

#[test]
fn populations_with_momentum_and_frozen_convolutions_equal_runs_alone() {
    let optimizer = Optimizer { frozen: Frozen::Conv, ..with_rule(sgd(0.9, false)) };
    let raw = Loss { kind: LossKind::RawNll, ..Loss::default() };
    let network = LeNet5 { batch_norm: true, activation: Activation::LogSoftmax, ..NETWORK };
    let setup = Setup { loss: raw, optimizer, class_weighted: true, ..Setup::new(network, 6) };
    assert_equal_to_runs_alone(setup, KernelSet::Layered, 2, 15);
    assert_equal_to_runs_alone(Setup { optimizer, ..Setup::new(NETWORK, 6) }, KernelSet::Fused, 2, 15);
}

#[test]
fn populations_with_nesterov_momentum_and_correction_by_bias_equal_runs_alone() {
    let fused = Setup { optimizer: with_rule(sgd(0.9, true)), ..Setup::new(NETWORK, 6) };
    assert_equal_to_runs_alone(fused, KernelSet::Fused, 3, 15);
    let layered = Setup { optimizer: with_rule(adam(true)), ..Setup::new(NETWORK, 6) };
    assert_equal_to_runs_alone(layered, KernelSet::Layered, 3, 15);
}

#[test]
fn a_population_of_one_equals_an_engine_of_the_members_setup() {
    let setup = Setup { augmented: true, ..Setup::new(NETWORK, 6) };
    let (images, member) = (image_set(1, 15), 4);
    let course = Course::new(&setup, images.len(), member, 0);
    let mut one = population(setup, KernelSet::Fused, 1, &images);
    start(&mut one, 0, &setup, member);
    train(&mut one, &[(0, &course)]);

    let options = options(setup_of(&setup, member), KernelSet::Fused);
    let mut engine = GpuEngine::new(context(), options).unwrap();
    engine.load(Split::Train, images).unwrap();
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&NETWORK), member as u64)).unwrap();
    engine.train(&course.epoch(), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(engine.parameters().unwrap() == one.parameters(0).unwrap());
    assert!(engine.optimizer_state().unwrap() == one.optimizer_state(0).unwrap());
}

#[test]
fn members_that_stop_or_fail_do_not_change_the_others() {
    const SIZE: usize = 4;
    const IMAGES: usize = 240;
    let setup = Setup::new(NETWORK, 6);
    let images = image_set(1, IMAGES);
    let courses: Vec<_> = (0..SIZE).map(|member| Course::new(&setup, IMAGES, member, 0)).collect();
    let mut together = population(setup, KernelSet::Fused, SIZE, &images);
    (0..SIZE).for_each(|member| start(&mut together, member, &setup, member));
    let mut corrupt = together.parameters(1).unwrap();
    corrupt[0] = f32::NAN;
    together.set_parameters(1, &corrupt).unwrap();

    // Member 3 ends its epoch at its first outcomes.
    let mut reported = [0; SIZE];
    let observers = reported.iter_mut().enumerate().map(|(member, reported)| {
        move |first: usize, outcomes: &[SampleOutcome]| {
            assert!(outcomes.is_empty() || first == *reported);
            *reported += outcomes.len();
            let stops = member == 3 && !outcomes.is_empty();
            if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    });
    let mut observers: Vec<_> = observers.collect();
    let epochs = observers.iter_mut().zip(&courses).enumerate();
    let mut epochs: Vec<_> = epochs
        .map(|(member, (observer, course))| MemberEpoch { member, epoch: course.epoch(), observer })
        .collect();
    let mut results = together.train(&mut epochs).unwrap();
    drop(observers);
    let stopped = results.remove(3).unwrap();
    assert!((1..courses[3].steps.len()).contains(&stopped), "{stopped}");
    let failed = results.remove(1).unwrap_err();
    let expected = (ParameterTable::new(&NETWORK).tensors()[0].name, NonFinite::Parameter, 1);
    let EngineError::NonFinite { tensor, what, step } = failed else { panic!("{failed}") };
    assert_eq!((tensor, what, step), expected);
    assert!(results.into_iter().all(|result| result.unwrap() >= courses[2].steps.len()));
    assert_eq!(reported, [IMAGES, 0, courses[2].steps.len() * 6, stopped * 6]);

    let mut alone = population(setup, KernelSet::Fused, 1, &images);
    for (member, steps) in [(0, courses[0].steps.len()), (2, courses[2].steps.len()), (3, stopped)] {
        start(&mut alone, 0, &setup, member);
        let course = Course::new(&setup, IMAGES, member, 0);
        train(&mut alone, &[(0, &Course { steps: course.steps[..steps].to_vec(), ..course })]);
        assert!(alone.parameters(0).unwrap() == together.parameters(member).unwrap(), "member {member}");
        let found = together.optimizer_state(member).unwrap();
        assert_eq!(found.step, steps as u64);
        assert!(alone.optimizer_state(0).unwrap() == found, "member {member}");
    }

    // A member that failed can start again, while the others have been trained.
    start(&mut together, 1, &setup, 1);
    start(&mut alone, 0, &setup, 1);
    assert!(train(&mut together, &[(1, &courses[1])]) == train(&mut alone, &[(0, &courses[1])]));
    assert!(alone.parameters(0).unwrap() == together.parameters(1).unwrap());
    let evaluated =
        [together.evaluate(Split::Test, &[1, 0]).unwrap(), alone.evaluate(Split::Test, &[0]).unwrap()];
    assert!(evaluated[0][0] == evaluated[1][0]);
}

#[test]
fn log_probabilities_and_activations_of_a_member_equal_those_of_a_run_alone() {
    let setup = Setup::new(NETWORK, 6);
    let images = image_set(1, 50);
    let [mut together, mut alone] = [3, 1].map(|size| population(setup, KernelSet::Fused, size, &images));
    (0..3).for_each(|member| start(&mut together, member, &setup, member));
    for member in [2, 0] {
        start(&mut alone, 0, &setup, member);
        let [found, expected] = [
            together.log_probabilities(member, Split::Test).unwrap(),
            alone.log_probabilities(0, Split::Test).unwrap(),
        ];
        assert!(found == expected, "member {member}");
        let [found, expected] =
            [together.activations(member, Split::Test).unwrap(), alone.activations(0, Split::Test).unwrap()];
        let values = |layers: Vec<lenet_gpu::engine::LayerOutput>| -> Vec<Vec<f32>> {
            layers.into_iter().map(|layer| layer.values).collect()
        };
        assert!(values(found) == values(expected), "member {member}");
    }
}

#[test]
fn a_population_larger_than_the_device_allows_is_rejected() {
    let options = options(Setup::new(NETWORK, LARGEST_MICRO_BATCH), KernelSet::Layered);
    let images = image_set(1, 10);
    let largest = GpuPopulation::largest(&context(), &options, &[(Split::Train, &images)]);
    assert!(largest >= 1);
    let error = GpuPopulation::new(context(), options, largest + 1).unwrap_err();
    let EngineError::PopulationTooLarge { size, largest: possible } = error else { panic!("{error}") };
    assert_eq!((size, possible), (largest + 1, largest));
}

#[test]
fn streamed_images_allow_a_population_of_one_only() {
    let streamed =
        GpuOptions { residency: Residency::Streamed, ..options(Setup::new(NETWORK, 6), KernelSet::Fused) };
    assert_eq!(GpuPopulation::largest(&context(), &streamed, &[(Split::Train, &image_set(1, 10))]), 1);
}

#[test]
#[should_panic(expected = "members run the same kernels")]
fn a_member_with_other_kernels_panics() {
    let mut population =
        GpuPopulation::new(context(), options(Setup::new(NETWORK, 6), KernelSet::Fused), 2).unwrap();
    population.set_setup(1, &Setup::new(NETWORK, 7));
}
