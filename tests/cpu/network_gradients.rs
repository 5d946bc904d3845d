//! The gradients of whole networks compared with central finite differences of their loss, in f64.
//!
//! Finite differences are meaningless across the kinks of ReLU and max-pooling, and the values inside of a network
//! cannot be chosen. So the signs and argmaxes of both evaluations are compared, samples across a kink are skipped,
//! and the test fails if too few samples remain.

use lenet_gpu::cpu::{Activations, Network};
use lenet_gpu::engine::{ClassWeights, Loss, LossKind, Reduction};
use lenet_gpu::model::{Activation, LeNet5, ParameterTable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::gradients::{STEP, largest};

/// Tolerance relative to the largest gradient of a tensor. The loss of about 2.3 is a few thousand times as large as
/// its gradients.
const NETWORK_TOLERANCE: f64 = 1e-6;

/// h for a network with batch normalisation. There every value before a pool matters, not only maxima; a smaller step
/// crosses fewer kinks and reduces the truncation error, which the division by deviations magnifies.
const BATCH_NORM_STEP: f64 = 1e-6;

/// Percentage of a network's samples that must not cross a kink.
const MIN_SAMPLES_LEFT: usize = 90;

/// On which side of each kink an evaluation is: the signs and bounds of ReLU and hard-tanh outputs, and the positions
/// of maxima. Before a pool, values other than maxima matter only with batch normalisation.
fn kinks(activations: &Activations<'_, f64>) -> (Vec<(bool, bool)>, Vec<u32>) {
    let side = |&y: &f64| (y > 0.0, y.abs() < 1.0);
    let Activations { conv1, conv2, pool1, pool2, fc1, fc2, argmax1, argmax2, norms, .. } = activations;
    let (first, second) = if norms.is_some() { (&**conv1, &**conv2) } else { (*pool1, *pool2) };
    let sides = [first, second, fc1, fc2].concat().iter().map(side).collect();
    (sides, [*argmax1, *argmax2].concat())
}

/// Asserts that the network's gradient equals the central differences of its loss at up to `samples` values of each
/// tensor.
#[track_caller]
fn assert_network_gradient(
    shape: LeNet5,
    loss: Loss,
    class_weights: Option<&ClassWeights>,
    labels: &[u32],
    samples: usize,
) {
    let what = format!("{shape:?}, {loss:?}, {class_weights:?}");
    let step = if shape.batch_norm { BATCH_NORM_STEP } else { STEP };
    let table = ParameterTable::new(&shape);
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let images: Vec<f64> =
        (0..labels.len() * shape.image_len()).map(|_| random.random_range(-1.0..1.0)).collect();
    let mut parameters = Vec::with_capacity(table.arena_len());
    for tensor in table.tensors() {
        let bound = 1.0 / (tensor.fan_in as f64).sqrt();
        parameters.extend((0..tensor.len()).map(|_| random.random_range(-bound..bound)));
    }

    let mut network = Network::<f64>::new(shape, labels.len()).with_loss(loss);
    network.set_class_weights(class_weights);
    let step_weight = class_weights
        .map_or(labels.len() as f64, |weights| weights.sum(labels.iter().map(|&label| label as usize)));
    let mut run = |parameters: &[f64]| {
        network.set_parameters(parameters);
        network.input(labels.len()).copy_from_slice(&images);
        network.forward(labels);
        let total = network.losses().iter().sum::<f64>() * loss.scale(step_weight);
        network.backward();
        (total, kinks(&network.activations()), network.gradient().to_vec())
    };
    let (_, _, gradient) = run(&parameters);

    for tensor in table.trained() {
        let scale = largest(&gradient[tensor.range()]);
        assert!(scale > 0.0, "{what}: {} has no gradient", tensor.name);
        let mut left = 0;
        let samples = samples.min(tensor.len());
        for sample in 0..samples {
            let offset = tensor.offset + sample * tensor.len() / samples;
            let centre = parameters[offset];
            parameters[offset] = centre + step;
            let (above, kinks_above, _) = run(&parameters);
            parameters[offset] = centre - step;
            let (below, kinks_below, _) = run(&parameters);
            parameters[offset] = centre;
            if kinks_above != kinks_below {
                continue;
            }
            left += 1;
            let difference = (above - below) / (2.0 * step);
            let error = (gradient[offset] - difference).abs();
            assert!(
                error <= NETWORK_TOLERANCE * scale,
                "{what}: {} at offset {offset}: the gradient is {}, the finite difference {difference}",
                tensor.name,
                gradient[offset]
            );
        }
        assert!(
            left * 100 >= samples * MIN_SAMPLES_LEFT,
            "{what}: {}: only {left} of {samples} are left",
            tensor.name
        );
    }
}

#[test]
fn network_gradients_match_finite_differences() {
    for channels in [1, 3] {
        assert_network_gradient(LeNet5::new(channels, 10), Loss::default(), None, &[4, 0, 9], 100);
    }
}

#[test]
fn gradients_of_network_variants_match_finite_differences() {
    use Activation::{HardTanh, Identity, LogSoftmax, Relu, Sigmoid, Tanh};
    for (channels, batch_norm, activation, kind, reduction, label_smoothing) in [
        (1, true, Relu, LossKind::Nll, Reduction::Mean, 0.0),
        (3, true, Tanh, LossKind::Mse, Reduction::Mean, 0.1),
        (1, true, LogSoftmax, LossKind::CrossEntropy, Reduction::Sum, 0.1),
        (1, false, LogSoftmax, LossKind::Nll, Reduction::Mean, 0.0),
        (1, false, Sigmoid, LossKind::Mse, Reduction::Sum, 0.0),
        (1, false, HardTanh, LossKind::Nll, Reduction::Sum, 0.0),
        (3, false, Identity, LossKind::CrossEntropy, Reduction::Mean, 0.2),
    ] {
        let network = LeNet5 { batch_norm, activation, ..LeNet5::new(channels, 10) };
        let loss = Loss { kind, reduction, label_smoothing };
        assert_network_gradient(network, loss, None, &[4, 0, 9, 4, 1], 20);
        let weights = (1..=10).map(|class| [0.25, 2.0, 0.0, 1.5][class % 4]).collect();
        let weights = ClassWeights::new(weights).unwrap();
        assert_network_gradient(network, loss, Some(&weights), &[4, 0, 9, 4, 1], 5);
    }
}
