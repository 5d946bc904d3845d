//! What the CPU engine promises: the same bits for any number of threads and in every run, means over
//! a batch's own size, and that nothing which is not finite goes unseen.

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
const NORMALISED: LeNet5 = LeNet5 { batch_norm: true, ..NETWORK };
const LEARNING_RATE: f32 = 1e-3;

/// Gradients over thousands of images, as a share of a tensor's largest: of some millions of maxima f32 decides a few
/// otherwise than f64, and each sends one image's share of a gradient, a few ten-thousandths of the sum, elsewhere.
const MANY_IMAGES: f64 = 2e-3;

fn split(images: usize) -> Arc<ImageSet> {
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
        // A variance is not negative.
        let least = if tensor.name.ends_with("running_var") { 0.1 } else { -bound };
        arena.extend((0..tensor.len()).map(|_| random.random_range(least..bound)));
    }
    arena
}

fn engine(images: usize, batch_size: usize) -> CpuEngine {
    engine_of(&Setup::new(NETWORK, batch_size), images)
}

fn engine_of(setup: &Setup, images: usize) -> CpuEngine {
    let mut engine = CpuEngine::new(setup);
    engine.set_parameters(&weights_of(&setup.network)).unwrap();
    engine.load(Split::Train, split(images)).unwrap();
    engine.load(Split::Test, split(images)).unwrap();
    engine
}

fn in_order(images: usize) -> Vec<u32> {
    (0..images as u32).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The bits of weights, moments and losses after an epoch.
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
fn the_number_of_threads_does_not_change_a_bit() {
    // The last batch is incomplete; a batch goes through the network at once, or in two micro-batches.
    for (network, images, batch_size) in [(NETWORK, 150, 40), (NETWORK, 1_300, 1_200), (NORMALISED, 150, 40)]
    {
        let one = bits_after_an_epoch(network, 1, images, batch_size);
        assert_eq!(one, bits_after_an_epoch(network, 2, images, batch_size));
        assert_eq!(one, bits_after_an_epoch(network, 7, images, batch_size));
    }
}

#[test]
fn two_runs_give_the_same_bits() {
    for network in [NETWORK, NORMALISED] {
        assert_eq!(bits_after_an_epoch(network, 2, 150, 40), bits_after_an_epoch(network, 2, 150, 40));
    }
}

#[test]
fn training_changes_the_weights_and_lowers_the_loss() {
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
    assert!(after < 0.9 * before, "{before} to {after}");
}

#[test]
fn a_batchs_gradient_is_the_mean_of_its_images_gradients() {
    let (split, images) = (split(3), 3);
    let weights: Vec<f64> = weights().iter().map(|&value| value.into()).collect();
    let gradient = |order: &[u32]| {
        // Room for more than the batch: the mean must be over the batch's own size.
        let mut network = Network::<f64>::new(NETWORK, 8);
        network.set_parameters(&weights);
        gather(&split, order, network.input(order.len()));
        let labels: Vec<u32> = order.iter().map(|&index| split.labels[index as usize].into()).collect();
        network.forward(&labels);
        network.backward();
        network.gradient().to_vec()
    };
    let single: Vec<Vec<f64>> = (0..images).map(|image| gradient(&[image])).collect();
    for (place, actual) in gradient(&[0, 1, 2]).into_iter().enumerate() {
        let mean = single.iter().map(|gradient| gradient[place]).sum::<f64>() / f64::from(images);
        assert!((actual - mean).abs() <= 1e-14, "at {place}: {actual} and {mean}");
    }
}

/// A step of more images than go through the network at once, and what it goes to.
const LARGE: Step = Step { first: 0, count: 2_500, learning_rate: 0.1 };

/// The gradient of [`LARGE`] in f64, all images at once.
fn gradient_of_one_pass() -> Vec<f64> {
    let (split, order) = (split(LARGE.count), in_order(LARGE.count));
    let mut network = Network::<f64>::new(NETWORK, LARGE.count);
    network.set_parameters(&weights().iter().map(|&value| value.into()).collect::<Vec<_>>());
    gather(&split, &order, network.input(LARGE.count));
    network.forward(&split.labels.iter().map(|&label| label.into()).collect::<Vec<_>>());
    network.backward();
    network.gradient().to_vec()
}

#[test]
fn the_gradients_of_a_large_steps_micro_batches_add_up_to_that_of_one_pass() {
    let (split, order) = (split(LARGE.count), in_order(LARGE.count));
    let mut network = Network::<f64>::new(NETWORK, 834);
    network.set_parameters(&weights().iter().map(|&value| value.into()).collect::<Vec<_>>());
    let mut batches = 0;
    for batch in LARGE.micro_batches() {
        let images = batch.first..batch.first + batch.count;
        gather(&split, &order[images.clone()], network.input(batch.count));
        let labels: Vec<_> = split.labels[images].iter().map(|&label| label.into()).collect();
        network.forward_of(&labels, LARGE.count);
        network.backward();
        network.accumulate(!batch.starts_step());
        batches += 1;
    }
    assert_eq!(batches, 3);
    for (place, (actual, expected)) in network.gradient().iter().zip(gradient_of_one_pass()).enumerate() {
        assert!((actual - expected).abs() <= 1e-14, "at {place}: {actual} and {expected}");
    }
}

#[test]
fn a_large_step_is_told_of_in_order_and_makes_one_update_along_its_whole_gradient() {
    let optimizer = Optimizer { rule: Rule::Sgd(Sgd::default()), ..Optimizer::default() };
    let mut engine = CpuEngine::new(&Setup { optimizer, ..Setup::new(NETWORK, LARGE.count) });
    engine.set_parameters(&weights()).unwrap();
    engine.load(Split::Train, split(LARGE.count)).unwrap();
    let mut told = 0;
    let done = engine
        .train(&Epoch::new(&in_order(LARGE.count), &[LARGE]), &mut |first, outcomes| {
            assert_eq!(first, told);
            told += outcomes.len();
            // Breaking off within a step leaves none half done.
            ControlFlow::Break(())
        })
        .unwrap();
    assert_eq!((done, told), (1, LARGE.count));
    assert_eq!(engine.optimizer_state().unwrap().step, 1);

    let (before, after, gradient) = (weights(), engine.parameters().unwrap(), gradient_of_one_pass());
    let rate = f64::from(LARGE.learning_rate);
    for tensor in ParameterTable::new(&NETWORK).tensors() {
        let errors =
            tensor.range().map(|at| (f64::from(before[at]) - f64::from(after[at])) / rate - gradient[at]);
        let error = errors.fold(0.0, |most: f64, error| most.max(error.abs()));
        let scale = gradient[tensor.range()].iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        assert!(error <= MANY_IMAGES * scale, "{}: {error} of {scale}", tensor.name);
    }
}

#[test]
fn the_incomplete_last_batch_is_trained_as_a_batch_of_its_own_size() {
    let (images, batch_size) = (10, 8);
    let order = in_order(images);
    let cut = steps(images, batch_size, LEARNING_RATE);
    let carry_on = &mut |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(());

    let mut whole = engine(images, batch_size);
    whole.train(&Epoch::new(&order, &cut), carry_on).unwrap();

    let mut first = engine(images, batch_size);
    first.train(&Epoch::new(&order, &cut[..1]), carry_on).unwrap();
    let mut second = engine(images, 2);
    second.set_parameters(&first.parameters().unwrap()).unwrap();
    second.set_optimizer_state(&first.optimizer_state().unwrap()).unwrap();
    second.train(&Epoch::new(&order[8..], &steps(2, 2, LEARNING_RATE)), carry_on).unwrap();

    assert_eq!(bits(&whole.parameters().unwrap()), bits(&second.parameters().unwrap()));
    assert_eq!(whole.optimizer_state().unwrap(), second.optimizer_state().unwrap());
}

#[test]
fn an_incomplete_last_batch_of_one_image_trains_a_normalised_network_too() {
    let mut engine = engine_of(&Setup::new(NORMALISED, 4), 9);
    let cut = steps(9, 4, LEARNING_RATE);
    assert_eq!(cut[2].count, 1);
    engine.train(&Epoch::new(&in_order(9), &cut), &mut |_, _| ControlFlow::Continue(())).unwrap();
    assert!(engine.parameters().unwrap().iter().all(|value| value.is_finite()));
}

#[test]
fn an_evaluation_neither_moves_running_statistics_nor_smooths_labels() {
    let images = 300;
    for kind in [LossKind::Nll, LossKind::Mse] {
        let setup = |label_smoothing| {
            let loss = Loss { kind, label_smoothing, ..Loss::default() };
            Setup { loss, ..Setup::new(NORMALISED, 100) }
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
                .train(&Epoch::new(&in_order(100), &steps(100, 100, 0.0)), &mut |_, told| {
                    outcomes.extend_from_slice(told);
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
fn an_observer_that_breaks_off_ends_the_epoch_after_its_step() {
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
fn an_evaluation_tells_of_every_image_what_it_gives_alone() {
    let images = 600;
    for shape in [NETWORK, NORMALISED] {
        let (mut engine, split) = (engine_of(&Setup::new(shape, 4), images), split(images));
        let outcomes = engine.evaluate(Split::Test).unwrap();
        assert_eq!(outcomes.len(), images);

        let mut network = Network::<f32>::new(shape, 1);
        network.set_parameters(&weights_of(&shape));
        for image in [0, 1, 255, 256, 511, 512, 599] {
            gather(&split, &[image], network.input(1));
            network.evaluate(&[split.labels[image as usize].into()]);
            let outcome = outcomes[image as usize];
            assert_eq!(outcome.loss.to_bits(), network.losses()[0].to_bits(), "{image}");
            assert_eq!(outcome.predicted, network.predicted()[0], "{image}");
        }
    }
}

/// Trains one step from weights that were spoiled after two good ones.
fn error_of_the_third_step(network: LeNet5, spoil: impl Fn(&mut [f32])) -> (EngineError, bool) {
    let mut engine = engine_of(&Setup::new(network, 4), 12);
    let carry_on = &mut |_: usize, _: &[SampleOutcome]| ControlFlow::Continue(());
    engine.train(&Epoch::new(&in_order(8), &steps(8, 4, LEARNING_RATE)), carry_on).unwrap();
    let mut arena = engine.parameters().unwrap();
    spoil(&mut arena);
    engine.set_parameters(&arena).unwrap();
    let error = engine.train(&Epoch::new(&in_order(12), &steps(12, 4, LEARNING_RATE)), carry_on).unwrap_err();
    // Running statistics are moved on the way forward.
    let trained = ParameterTable::new(&network).trained_len();
    let untouched = bits(&engine.parameters().unwrap()[..trained]) == bits(&arena[..trained]);
    (error, untouched)
}

#[test]
fn a_nan_in_any_tensor_is_reported_with_its_name_and_step_and_nothing_is_updated() {
    for tensor in ParameterTable::new(&NORMALISED).tensors() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (error, untouched) =
                error_of_the_third_step(NORMALISED, |arena| arena[tensor.range()][tensor.len() / 2] = bad);
            let EngineError::NonFinite { tensor: name, what, step } = error else { panic!("{error}") };
            assert_eq!((name, what, step), (tensor.name, NonFinite::Parameter, 3));
            assert!(untouched, "{name} was updated");
        }
    }
}

#[test]
fn a_gradient_that_is_not_finite_is_reported_where_parameters_still_are() {
    let table = ParameterTable::new(&NETWORK);
    let (error, untouched) = error_of_the_third_step(NETWORK, |arena| {
        // Finite weights whose products are not.
        arena[table.get("fc2.weight").range()].fill(1e38);
        arena[table.get("fc3.weight").range()].fill(1e38);
    });
    let EngineError::NonFinite { what, step, .. } = error else { panic!("{error}") };
    assert_eq!((what, step), (NonFinite::Gradient, 3));
    assert!(untouched);
}

#[test]
fn a_nan_in_any_tensor_reaches_the_loss_and_the_gradient_through_relu_pooling_and_normalisation() {
    let split = split(2);
    for shape in [NETWORK, NORMALISED] {
        let table = ParameterTable::new(&shape);
        for tensor in table.tensors() {
            let mut network = Network::<f32>::new(shape, 2);
            let mut arena = weights_of(&shape);
            arena[tensor.range()][0] = f32::NAN;
            network.set_parameters(&arena);
            gather(&split, &[0, 1], network.input(2));
            // Training does not see running statistics.
            if tensor.role.is_trained() {
                network.forward(&[1, 2]);
                network.backward();
                assert!(network.losses().iter().all(|loss| loss.is_nan()), "{}", tensor.name);
                assert!(network.gradient()[tensor.range()].iter().any(|g| g.is_nan()), "{}", tensor.name);
            }
            network.evaluate(&[1, 2]);
            assert!(network.losses().iter().all(|loss| loss.is_nan()), "{}, evaluated", tensor.name);
        }
    }
}

#[test]
fn images_of_28_are_centred_in_black_and_bytes_go_to_the_range_from_minus_1_to_1() {
    let mut pixels = vec![0; 28 * 28];
    (pixels[0], pixels[27], pixels[28 * 28 - 1]) = (255, 51, 255);
    let split = ImageSet { channels: 1, height: 28, width: 28, pixels, labels: vec![0] };
    let mut x = vec![f64::NAN; 32 * 32];
    gather(&split, &[0], &mut x);
    for (place, &value) in x.iter().enumerate() {
        let expected = match (place / 32, place % 32) {
            (2, 2) | (29, 29) => 1.0,
            (2, 29) => -0.6,
            _ => -1.0,
        };
        assert!((value - expected).abs() < 1e-15, "{place}: {value}");
    }
}

#[test]
fn what_is_told_of_an_image_does_not_depend_on_the_evaluation_batch() {
    let outcomes = |evaluation_batch| {
        let setup = Setup { evaluation_batch, ..Setup::new(NETWORK, 1) };
        engine_of(&setup, 300).evaluate(Split::Test).unwrap()
    };
    let expected = outcomes(256);
    assert_eq!(expected.len(), 300);
    assert!([1, 37, 4_000].into_iter().all(|batch| outcomes(batch) == expected));
}
