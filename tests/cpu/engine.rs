//! Guarantees of the CPU engine: the same bits for any number of threads and in every run, means over the actual
//! batch size, and detection of every non-finite value.

use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::{CpuEngine, Network, gather};
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{
    Engine, EngineError, Epoch, Loss, LossKind, NonFinite, Optimizer, Rule, SampleOutcome, Setup, Sgd, Split,
    Step, steps,
};
use lenet_gpu::model::{LeNet5, ParameterTable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NETWORK: LeNet5 = LeNet5::new(1, 10);
const BATCH_NORM: LeNet5 = LeNet5 { batch_norm: true, ..NETWORK };
const LEARNING_RATE: f32 = 1e-3;

/// Tolerance of gradients over thousands of images, relative to a tensor's largest value. Of millions of maxima a few
/// differ between f32 and f64, and each sends one image's share of a gradient, a few ten-thousandths of the sum, to
/// another position.
const MANY_IMAGES: f64 = 2e-3;

fn image_set(images: usize) -> Arc<ImageSet> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    Arc::new(ImageSet {
        channels: 1,
        height: 28,
        width: 28,
        pixels: (0..images * 28 * 28).map(|_| random.random()).collect(),
        labels: (0..images).map(|_| random.random_range(0..10)).collect(),
    })
}

fn weights() -> Vec<f32> {
    weights_of(&NETWORK)
}

fn weights_of(network: &LeNet5) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut arena = Vec::new();
    for tensor in ParameterTable::new(network).tensors() {
        let bound = 1.0 / (tensor.fan_in as f32).sqrt();
        // A variance must not be negative.
        let low = if tensor.name.ends_with("running_var") { 0.1 } else { -bound };
        arena.extend((0..tensor.len()).map(|_| random.random_range(low..bound)));
    }
    arena
}

fn engine(images: usize, batch_size: usize) -> CpuEngine {
    engine_of(&Setup::new(NETWORK, batch_size), images)
}

fn engine_of(setup: &Setup, images: usize) -> CpuEngine {
    let mut engine = CpuEngine::new(setup);
    engine.set_parameters(&weights_of(&setup.network)).unwrap();
    engine.load(Split::Train, image_set(images)).unwrap();
    engine.load(Split::Test, image_set(images)).unwrap();
    engine
}

fn in_order(images: usize) -> Vec<u32> {
    (0..images as u32).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The bits of weights, moments, training losses and test losses after an epoch.
fn bits_after_an_epoch(network: LeNet5, threads: usize, images: usize, batch_size: usize) -> Vec<Vec<u32>> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| {
        let mut engine = engine_of(&Setup::new(network, batch_size), images);
        let mut losses = Vec::new();
        engine
            .train(
                &Epoch::new(&in_order(images), &steps(images, batch_size, LEARNING_RATE)),
                &mut |first, outcomes| {
                    assert_eq!(first, losses.len());
                    losses.extend(outcomes.iter().map(|outcome| outcome.loss));
                    ControlFlow::Continue(())
                },
            )
            .unwrap();
        assert_eq!(losses.len(), images);
        let state = engine.optimizer_state().unwrap();
        assert_eq!(state.step, images.div_ceil(batch_size) as u64);
        let evaluated: Vec<f32> = engine.evaluate(Split::Test).unwrap().iter().map(|o| o.loss).collect();
        [engine.parameters().unwrap(), state.first_moment, state.second_moment, losses, evaluated]
            .iter()
            .map(|values| bits(values))
            .collect()
    })
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // The last batch is incomplete. The batches of 1,200 consist of several micro-batches.
    for (network, images, batch_size) in [(NETWORK, 150, 40), (NETWORK, 1_300, 1_200), (BATCH_NORM, 150, 40)]
    {
        let one = bits_after_an_epoch(network, 1, images, batch_size);
        assert_eq!(one, bits_after_an_epoch(network, 2, images, batch_size));
        assert_eq!(one, bits_after_an_epoch(network, 7, images, batch_size));
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for network in [NETWORK, BATCH_NORM] {
        assert_eq!(bits_after_an_epoch(network, 2, 150, 40), bits_after_an_epoch(network, 2, 150, 40));
    }
}

#[test]
fn training_lowers_the_loss() {
    let images = 32;
    let mut engine = engine(images, images);
    let mean = |outcomes: &[SampleOutcome]| outcomes.iter().map(|o| o.loss).sum::<f32>() / images as f32;
    let before = mean(&engine.evaluate(Split::Test).unwrap());
    for _ in 0..20 {
        engine
            .train(&Epoch::new(&in_order(images), &steps(images, images, LEARNING_RATE)), &mut |_, _| {
                ControlFlow::Continue(())
            })
            .unwrap();
    }
    let after = mean(&engine.evaluate(Split::Test).unwrap());
    assert!(after < 0.9 * before, "the loss went from {before} to {after}");
}

#[test]
fn batch_gradient_is_the_mean_of_image_gradients() {
    let (set, images) = (image_set(3), 3);
    let weights: Vec<f64> = weights().iter().map(|&value| value.into()).collect();
    let gradient = |order: &[u32]| {
        // Room for more images than the batch has: the mean must be over the actual size.
        let mut network = Network::<f64>::new(NETWORK, 8);
        network.set_parameters(&weights);
        gather(&set, order, network.input(order.len()));
        let labels: Vec<u32> = order.iter().map(|&index| set.labels[index as usize].into()).collect();
        network.forward(&labels);
        network.backward();
        network.gradient().to_vec()
    };
    let single: Vec<Vec<f64>> = (0..images).map(|image| gradient(&[image])).collect();
    for (index, actual) in gradient(&[0, 1, 2]).into_iter().enumerate() {
        let mean = single.iter().map(|gradient| gradient[index]).sum::<f64>() / f64::from(images);
        assert!((actual - mean).abs() <= 1e-14, "[{index}]: {actual}, expected {mean}");
    }
}

/// A step of several micro-batches, with a learning rate that makes its update large.
const LARGE: Step = Step { first: 0, count: 2_500, learning_rate: 0.1 };

/// The gradient of [`LARGE`] in f64, with all images in one batch.
fn gradient_in_one_batch() -> Vec<f64> {
    let (set, order) = (image_set(LARGE.count), in_order(LARGE.count));
    let mut network = Network::<f64>::new(NETWORK, LARGE.count);
    network.set_parameters(&weights().iter().map(|&value| value.into()).collect::<Vec<_>>());
    gather(&set, &order, network.input(LARGE.count));
    network.forward(&set.labels.iter().map(|&label| label.into()).collect::<Vec<_>>());
    network.backward();
    network.gradient().to_vec()
}

#[test]
fn micro_batch_gradients_add_up_to_the_gradient_of_the_step() {
    let (set, order) = (image_set(LARGE.count), in_order(LARGE.count));
    let mut network = Network::<f64>::new(NETWORK, 834);
    network.set_parameters(&weights().iter().map(|&value| value.into()).collect::<Vec<_>>());
    let mut batches = 0;
    for batch in LARGE.micro_batches() {
        let images = batch.first..batch.first + batch.count;
        gather(&set, &order[images.clone()], network.input(batch.count));
        let labels: Vec<_> = set.labels[images].iter().map(|&label| label.into()).collect();
        network.forward_micro_batch(&labels, LARGE.count as f64);
        network.backward();
        network.accumulate(!batch.starts_step());
        batches += 1;
    }
    assert_eq!(batches, 3);
    for (index, (actual, expected)) in network.gradient().iter().zip(gradient_in_one_batch()).enumerate() {
        assert!((actual - expected).abs() <= 1e-14, "[{index}]: {actual}, expected {expected}");
    }
}

#[test]
fn large_steps_report_outcomes_in_order_and_update_once() {
    let optimizer = Optimizer { rule: Rule::Sgd(Sgd::default()), ..Optimizer::default() };
    let mut engine = CpuEngine::new(&Setup { optimizer, ..Setup::new(NETWORK, LARGE.count) });
    engine.set_parameters(&weights()).unwrap();
    engine.load(Split::Train, image_set(LARGE.count)).unwrap();
    let mut reported = 0;
    let done = engine
        .train(&Epoch::new(&in_order(LARGE.count), &[LARGE]), &mut |first, outcomes| {
            assert_eq!(first, reported);
            reported += outcomes.len();
            // A break within a step takes effect after it.
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!((done, reported), (1, LARGE.count));
    assert_eq!(engine.optimizer_state().unwrap().step, 1);

    let (before, after, gradient) = (weights(), engine.parameters().unwrap(), gradient_in_one_batch());
    let rate = f64::from(LARGE.learning_rate);
    for tensor in ParameterTable::new(&NETWORK).tensors() {
        let errors =
            tensor.range().map(|i| (f64::from(before[i]) - f64::from(after[i])) / rate - gradient[i]);
        let error = errors.fold(0.0, |largest: f64, error| largest.max(error.abs()));
        let scale = gradient[tensor.range()].iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        assert!(error <= MANY_IMAGES * scale, "{}: {error} of {scale}", tensor.name);
    }
}

#[test]
fn an_incomplete_batch_is_trained_like_a_full_batch_of_its_size() {
    let (images, batch_size) = (10, 8);
    let order = in_order(images);
    let all_steps = steps(images, batch_size, LEARNING_RATE);
    let ignore = &mut |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(());

    let mut whole = engine(images, batch_size);
    whole.train(&Epoch::new(&order, &all_steps), ignore).unwrap();

    let mut first = engine(images, batch_size);
    first.train(&Epoch::new(&order, &all_steps[..1]), ignore).unwrap();
    let mut second = engine(images, 2);
    second.set_parameters(&first.parameters().unwrap()).unwrap();
    second.set_optimizer_state(&first.optimizer_state().unwrap()).unwrap();
    second.train(&Epoch::new(&order[8..], &steps(2, 2, LEARNING_RATE)), ignore).unwrap();

    assert_eq!(bits(&whole.parameters().unwrap()), bits(&second.parameters().unwrap()));
    assert_eq!(whole.optimizer_state().unwrap(), second.optimizer_state().unwrap());
}

#[test]
fn batch_norm_trains_on_a_last_batch_of_one_image() {
    let mut engine = engine_of(&Setup::new(BATCH_NORM, 4), 9);
    let all_steps = steps(9, 4, LEARNING_RATE);
    assert_eq!(all_steps[2].count, 1);
    engine.train(&Epoch::new(&in_order(9), &all_steps), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(engine.parameters().unwrap().iter().all(|value| value.is_finite()));
}

#[test]
fn evaluation_keeps_running_statistics_and_ignores_label_smoothing() {
    let images = 300;
    for kind in [LossKind::Nll, LossKind::Mse] {
        let setup = |label_smoothing| {
            let loss = Loss { kind, label_smoothing, ..Loss::default() };
            Setup { loss, ..Setup::new(BATCH_NORM, 100) }
        };
        let (mut plain, mut smoothed) = (engine_of(&setup(0.0), images), engine_of(&setup(0.2), images));
        let before = bits(&plain.parameters().unwrap());
        let evaluated = plain.evaluate(Split::Test).unwrap();
        assert_eq!(evaluated, smoothed.evaluate(Split::Test).unwrap());
        assert_eq!(evaluated, plain.evaluate(Split::Test).unwrap());
        assert_eq!(before, bits(&plain.parameters().unwrap()));

        let trained = |engine: &mut CpuEngine| {
            let mut outcomes = Vec::new();
            engine
                .train(&Epoch::new(&in_order(100), &steps(100, 100, 0.0)), &mut |_, reported| {
                    outcomes.extend_from_slice(reported);
                    ControlFlow::Continue(())
                })
                .unwrap();
            outcomes
        };
        assert_ne!(trained(&mut plain), trained(&mut smoothed));
        assert_ne!(before, bits(&plain.parameters().unwrap()));
    }
}

#[test]
fn a_break_of_the_observer_ends_the_epoch_after_its_step() {
    let mut engine = engine(12, 4);
    let mut seen = Vec::new();
    let done = engine
        .train(&Epoch::new(&in_order(12), &steps(12, 4, LEARNING_RATE)), &mut |first, outcomes| {
            seen.push((first, outcomes.len()));
            if seen.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((done, seen), (2, vec![(0, 4), (4, 4)]));
    assert_eq!(engine.optimizer_state().unwrap().step, 2);
}

#[test]
fn evaluating_many_images_gives_the_same_bits_as_one_at_a_time() {
    let images = 600;
    for shape in [NETWORK, BATCH_NORM] {
        let (mut engine, set) = (engine_of(&Setup::new(shape, 4), images), image_set(images));
        let outcomes = engine.evaluate(Split::Test).unwrap();
        assert_eq!(outcomes.len(), images);

        let mut network = Network::<f32>::new(shape, 1);
        network.set_parameters(&weights_of(&shape));
        for image in [0, 1, 255, 256, 511, 512, 599] {
            gather(&set, &[image], network.input(1));
            network.evaluate(&[set.labels[image as usize].into()]);
            let outcome = outcomes[image as usize];
            assert_eq!(outcome.loss.to_bits(), network.losses()[0].to_bits(), "{image}");
            assert_eq!(outcome.predicted, network.predicted()[0], "{image}");
        }
    }
}

/// Trains two steps, corrupts the weights and trains again. Returns the error and whether the trained weights are
/// unchanged.
fn error_of_the_third_step(network: LeNet5, corrupt: impl Fn(&mut [f32])) -> (EngineError, bool) {
    let mut engine = engine_of(&Setup::new(network, 4), 12);
    let ignore = &mut |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(());
    engine.train(&Epoch::new(&in_order(8), &steps(8, 4, LEARNING_RATE)), ignore).unwrap();
    let mut arena = engine.parameters().unwrap();
    corrupt(&mut arena);
    engine.set_parameters(&arena).unwrap();
    let error = engine.train(&Epoch::new(&in_order(12), &steps(12, 4, LEARNING_RATE)), ignore).unwrap_err();
    // The forward pass updates running statistics.
    let trained = ParameterTable::new(&network).trained_len();
    let unchanged = bits(&engine.parameters().unwrap()[..trained]) == bits(&arena[..trained]);
    (error, unchanged)
}

#[test]
fn a_non_finite_parameter_is_reported_before_the_update() {
    for tensor in ParameterTable::new(&BATCH_NORM).tensors() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (error, unchanged) =
                error_of_the_third_step(BATCH_NORM, |arena| arena[tensor.range()][tensor.len() / 2] = bad);
            let EngineError::NonFinite { tensor: name, what, step } = error else { panic!("{error}") };
            assert_eq!((name, what, step), (tensor.name, NonFinite::Parameter, 3));
            assert!(unchanged, "{name} was updated");
        }
    }
}

#[test]
fn a_non_finite_gradient_is_reported_before_the_update() {
    let table = ParameterTable::new(&NETWORK);
    let (error, unchanged) = error_of_the_third_step(NETWORK, |arena| {
        // The weights are finite, their products are not.
        arena[table.get("fc2.weight").range()].fill(1e38);
        arena[table.get("fc3.weight").range()].fill(1e38);
    });
    let EngineError::NonFinite { what, step, .. } = error else { panic!("{error}") };
    assert_eq!((what, step), (NonFinite::Gradient, 3));
    assert!(unchanged);
}

#[test]
fn a_nan_in_any_tensor_reaches_the_loss_and_the_gradient() {
    let set = image_set(2);
    for shape in [NETWORK, BATCH_NORM] {
        let table = ParameterTable::new(&shape);
        for tensor in table.tensors() {
            let mut network = Network::<f32>::new(shape, 2);
            let mut arena = weights_of(&shape);
            arena[tensor.range()][0] = f32::NAN;
            network.set_parameters(&arena);
            gather(&set, &[0, 1], network.input(2));
            // Training does not use running statistics.
            if tensor.role.is_trained() {
                network.forward(&[1, 2]);
                network.backward();
                assert!(network.losses().iter().all(|loss| loss.is_nan()), "{}", tensor.name);
                assert!(network.gradient()[tensor.range()].iter().any(|g| g.is_nan()), "{}", tensor.name);
            }
            network.evaluate(&[1, 2]);
            assert!(network.losses().iter().all(|loss| loss.is_nan()), "{} in evaluation", tensor.name);
        }
    }
}

#[test]
fn gather_centres_images_on_black_and_maps_bytes_to_plus_minus_one() {
    let mut pixels = vec![0; 28 * 28];
    (pixels[0], pixels[27], pixels[28 * 28 - 1]) = (255, 51, 255);
    let set = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![0] };
    let mut x = vec![f64::NAN; 32 * 32];
    gather(&set, &[0], &mut x);
    for (index, &value) in x.iter().enumerate() {
        let expected = match (index / 32, index % 32) {
            (2, 2) | (29, 29) => 1.0,
            (2, 29) => -0.6,
            _ => -1.0,
        };
        assert!((value - expected).abs() < 1e-15, "[{index}]: {value}");
    }
}

#[test]
fn outcomes_do_not_depend_on_the_evaluation_batch_size() {
    let outcomes = |evaluation_batch| {
        let setup = Setup { evaluation_batch, ..Setup::new(NETWORK, 1) };
        engine_of(&setup, 300).evaluate(Split::Test).unwrap()
    };
    let expected = outcomes(256);
    assert_eq!(expected.len(), 300);
    assert!([1, 37, 4_000].into_iter().all(|batch| outcomes(batch) == expected));
}

#[test]
fn log_probabilities_are_the_log_softmax_of_the_logits() {
    let log_probabilities = |kind| {
        let loss = Loss { kind, ..Loss::default() };
        engine_of(&Setup { loss, ..Setup::new(NETWORK, 4) }, 20).log_probabilities(Split::Test).unwrap()
    };
    assert_eq!(bits(&log_probabilities(LossKind::Mse)), bits(&log_probabilities(LossKind::Nll)));
}
