//! Class weights on the CPU: compared with PyTorch's `weight` of `nll_loss` and `cross_entropy`, over micro-batches, and
//! with weights of 1.
//!
//! The expected values are computed by PyTorch in double precision; see `make_weighted.py` in `tests/golden`.

use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::{CpuEngine, Network, dense_loss};
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{
    ClassWeights, Engine, Epoch, Loss, LossKind, Optimizer, Reduction, SampleOutcome, Setup, Split, Step,
};
use lenet_gpu::model::{DenseShape, Init, LeNet5, ParameterTable};

use super::golden::{Golden, assert_close, largest};

/// Sums of a few products, added in another order than in PyTorch.
const SUMS: f64 = 1e-13;
/// The same after a batch normalisation over four values.
const NORMALISED: f64 = 1e-12;
/// Parameters after five steps, relative to five times the learning rate: Adam magnifies rounding errors of gradients
/// near 0.
const STEPS: f64 = 1e-9;

const SMOOTHING: f32 = 0.1;

/// The weights that `make_weighted.py` gives the classes of a network.
fn network_weights() -> ClassWeights {
    ClassWeights::new((0..10).map(|class| 0.5 + 0.375 * (7 * class % 10) as f32).collect()).unwrap()
}

#[test]
fn weighted_losses_match_pytorch() {
    let golden = Golden::read("weighted");
    let (weights, labels): (Vec<f64>, Vec<u32>) = (golden.real("weights"), golden.index("labels"));
    let (logits, classes) = (golden.get("logits"), weights.len());
    // With the identity as its weight, the layer's input is the logits.
    let shape = DenseShape { inputs: classes, outputs: classes };
    let identity: Vec<f64> =
        (0..classes * classes).map(|i| f64::from(u8::from(i % (classes + 1) == 0))).collect();
    let step_weight: f64 = labels.iter().map(|&label| weights[label as usize]).sum();
    for (kind, name, smoothings) in [
        (LossKind::Nll, "nll", &[0.0][..]),
        (LossKind::CrossEntropy, "cross-entropy", &[0.0, SMOOTHING]),
        (LossKind::Mse, "mse", &[0.0, SMOOTHING]),
        (LossKind::RawNll, "raw-nll", &[0.0]),
    ] {
        for (reduction, reduced) in [(Reduction::Mean, "mean"), (Reduction::Sum, "sum")] {
            for &label_smoothing in smoothings {
                let loss = Loss { kind, reduction, label_smoothing };
                let smoothed = if label_smoothing > 0.0 { "smoothed" } else { "plain" };
                let (mut y, mut dy) = (vec![f64::NAN; logits.len()], vec![f64::NAN; logits.len()]);
                let (mut each, mut best) = (vec![f64::NAN; labels.len()], vec![0; labels.len()]);
                dense_loss(
                    &shape,
                    &loss,
                    step_weight,
                    Some(&weights),
                    logits,
                    &identity,
                    &vec![0.0; classes],
                    &labels,
                    &mut y,
                    &mut dy,
                    &mut each,
                    &mut best,
                );
                let total = each.iter().sum::<f64>() * loss.scale(step_weight);
                for (key, found) in [("each", &each[..]), ("batch", &[total]), ("gradient", &dy)] {
                    let key = format!("{name}.{reduced}.{smoothed}.{key}");
                    let expected = golden.get(&key);
                    assert_close(&key, found, expected, SUMS, largest(expected));
                }
            }
        }
    }
}

/// The micro-batches of a batch, as ranges.
fn halves(count: usize) -> [std::ops::Range<usize>; 2] {
    [0..count / 2, count / 2..count]
}

#[test]
fn weighted_training_in_micro_batches_matches_pytorch() {
    let (golden, start) = (Golden::read("weighted"), Golden::read("lenet_c1"));
    let (images, labels): (Vec<f64>, Vec<u32>) = (start.real("images"), start.index("labels"));
    let (shape, weights) = (LeNet5::new(1, 10), network_weights());
    let step_weight = weights.sum(labels.iter().map(|&label| label as usize));
    let loss = Loss { kind: LossKind::CrossEntropy, label_smoothing: SMOOTHING, ..Loss::default() };
    let mut network = Network::<f64>::new(shape, labels.len()).with_loss(loss);
    network.set_parameters(&start.real::<f64>("parameters"));
    network.set_class_weights(Some(&weights));
    let expected = golden.get("training.losses");
    for expected in expected {
        let mut total = 0.0;
        for part in halves(labels.len()) {
            let images = &images[part.start * shape.image_len()..part.end * shape.image_len()];
            network.input(part.len()).copy_from_slice(images);
            network.forward_micro_batch(&labels[part.clone()], step_weight);
            total += network.losses().iter().sum::<f64>() * loss.scale(step_weight);
            network.backward();
            network.accumulate(part.start > 0);
        }
        assert_close("loss", &[total], &[*expected], STEPS, *expected);
        network.update(&Optimizer::default(), 1e-3);
    }
    let offsets: Vec<usize> = golden.index("training.offsets");
    let found: Vec<f64> = offsets.iter().map(|&offset| network.parameters()[offset]).collect();
    let distance = f64::from(1e-3_f32) * expected.len() as f64;
    assert_close("parameters", &found, golden.get("training.parameters"), STEPS, distance);
}

#[test]
fn weighted_gradients_through_batch_normalisation_match_pytorch() {
    const BATCH: usize = 4;
    let (golden, start) = (Golden::read("weighted"), Golden::read("networks"));
    let shape = LeNet5 { batch_norm: true, ..LeNet5::new(3, 10) };
    let table = ParameterTable::new(&shape);
    let arena = table.tensors().iter().map(|tensor| start.real(&format!("parameters.{}", tensor.name)));
    let mut network = Network::<f64>::new(shape, BATCH);
    network.set_parameters(&arena.collect::<Vec<Vec<f64>>>().concat());
    network.set_class_weights(Some(&network_weights()));
    network.input(BATCH).copy_from_slice(&start.get("images")[..BATCH * shape.image_len()]);
    network.forward(&start.index::<u32>("labels")[..BATCH]);
    network.backward();
    for tensor in table.trained() {
        let expected = golden.get(&format!("normalised.{}", tensor.name));
        let offsets = (0..expected.len()).map(|index| tensor.offset + index * tensor.len() / expected.len());
        let found: Vec<f64> = offsets.map(|offset| network.gradient()[offset]).collect();
        assert_close(tensor.name, &found, expected, NORMALISED, largest(expected).max(1e-3));
    }
}

/// Trains a step of 300 images on the CPU engine, which divides it into micro-batches unless the network has batch
/// normalisation. Returns the parameters, the losses and an evaluation.
fn trained(loss: Loss, batch_norm: bool, weights: Option<&ClassWeights>) -> [Vec<f32>; 3] {
    const IMAGES: usize = 300;
    let network = LeNet5 { batch_norm, ..LeNet5::new(1, 10) };
    let pixels = (0..IMAGES * 784).map(|index| (index * index / 11) as u8).collect();
    let labels = (0..IMAGES as u16).map(|index| index * index % 10).collect();
    let images = Arc::new(ImageSet::new(1, 28, 28, pixels, labels).unwrap());
    let setup = Setup { loss, class_weighted: weights.is_some(), ..Setup::new(network, IMAGES) };
    let mut engine = CpuEngine::new(&setup);
    engine.set_parameters(&Init::Pytorch.arena(&ParameterTable::new(&network), 3)).unwrap();
    engine.load(Split::Train, Arc::clone(&images)).unwrap();
    engine.load(Split::Test, images).unwrap();
    let order: Vec<u32> = (0..IMAGES as u32).rev().collect();
    let steps = [Step { first: 0, count: IMAGES, learning_rate: 1e-3 }];
    let mut losses = Vec::new();
    let epoch = Epoch { class_weights: weights, ..Epoch::new(&order, &steps) };
    let observer = &mut |_: usize, outcomes: &[SampleOutcome]| {
        losses.extend(outcomes.iter().map(|outcome| outcome.loss));
        ControlFlow::Continue(())
    };
    engine.train(&epoch, observer).unwrap();
    let parameters = engine.parameters().unwrap();
    let evaluated = engine.evaluate(Split::Test).unwrap().iter().map(|outcome| outcome.loss).collect();
    [parameters, losses, evaluated]
}

#[test]
fn weights_of_one_change_no_bit_of_a_run() {
    let ones = ClassWeights::new(vec![1.0; 10]).unwrap();
    for kind in LossKind::ALL {
        for batch_norm in [false, true] {
            let loss = Loss { kind, ..Loss::default() };
            assert_eq!(trained(loss, batch_norm, None), trained(loss, batch_norm, Some(&ones)), "{kind:?}");
        }
    }
}

#[test]
fn the_mean_does_not_depend_on_the_scale_of_the_weights_and_evaluations_do_not_use_them() {
    let weights =
        |factor: f32| ClassWeights::new((0..10).map(|class| factor * (1 + class) as f32).collect()).unwrap();
    // Powers of 2 are exact.
    let [parameters, losses, evaluated] = trained(Loss::default(), false, Some(&weights(0.5)));
    let [others, larger, evaluated_with_others] = trained(Loss::default(), false, Some(&weights(4.0)));
    assert_eq!((&parameters, &evaluated), (&others, &evaluated_with_others));
    assert_eq!(losses.iter().map(|loss| 8.0 * loss).collect::<Vec<_>>(), larger);
    let unweighted = trained(Loss::default(), false, None);
    assert_ne!(unweighted[0], parameters);
}

#[test]
fn a_step_of_classes_with_weight_0_changes_nothing_with_gradient_descent() {
    let mut network = Network::<f64>::new(LeNet5::new(1, 3), 2);
    network.set_class_weights(Some(&ClassWeights::new(vec![0.0, 1.0, 0.0]).unwrap()));
    network.input(2).fill(0.5);
    network.forward(&[0, 2]);
    network.backward();
    assert_eq!(network.losses(), [0.0; 2]);
    assert!(network.gradient().iter().all(|&value| value == 0.0));
}
