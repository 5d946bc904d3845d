//! The gradients of the reference operations compared with central finite differences in f64:
//! (L(p + h) − L(p − h)) / 2h for each value p that L depends on.
//!
//! Finite differences are meaningless across the kinks of ReLU and max-pooling, so the values are further apart, and
//! further from 0, than two steps ([`separated`]).

use lenet_gpu::cpu::reference::{
    batch_norm_backward_weight, batch_norm_statistics, conv_backward_input, conv_backward_weight,
    conv_forward, dense_backward, dense_forward, max_pool,
};
use lenet_gpu::cpu::{
    Network, Statistics, batch_norm_backward_input, batch_norm_forward, dense_loss, log_softmax,
    log_softmax_backward, max_pool_backward,
};
use lenet_gpu::engine::{Loss, LossKind, Reduction};
use lenet_gpu::model::{Activation, ConvShape, DenseShape, LeNet5, NormShape, ParameterTable, PoolShape};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// h. The truncation error is proportional to h² and the rounding error to 1/h; about here they are equal.
pub const STEP: f64 = 1e-5;

/// Tolerance relative to the largest gradient of a tensor. Rounding L to 53 bits contributes about
/// 1e-16 · L / h = 1e-11 · L, and L is up to a few hundred times as large as the gradients.
const TOLERANCE: f64 = 1e-8;

/// `count` values in (−1, 1.5) in random order, at least 2/(count + 1) apart and 1/(count + 1) from 0. Positive
/// values are stretched, so that the sum of all values is not 0.
pub fn separated(count: usize, seed: u64) -> Vec<f64> {
    assert!(2.0 * STEP < 1.0 / (count + 1) as f64, "{count} values are too close for the step");
    let even = (count + count % 2) as f64;
    let value = |i: usize| (2.0 * i as f64 + 1.0) / even - 1.0;
    let mut values: Vec<f64> =
        (0..count).map(value).map(|value| if value > 0.0 { 1.5 * value } else { value }).collect();
    values.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    values
}

/// Σ a · b, a loss of the output a with the gradient b.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Asserts that a gradient equals the central differences of `loss` in every coordinate of `point`.
#[track_caller]
fn assert_gradient(what: &str, point: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    assert_eq!(point.len(), gradient.len(), "{what}");
    let scale = largest(gradient);
    let mut point = point.to_vec();
    for index in 0..point.len() {
        let centre = point[index];
        point[index] = centre + STEP;
        let above = loss(&point);
        point[index] = centre - STEP;
        let below = loss(&point);
        point[index] = centre;
        let difference = (above - below) / (2.0 * STEP);
        let error = (gradient[index] - difference).abs();
        assert!(
            error <= TOLERANCE * scale,
            "{what}[{index}]: the gradient is {}, the finite difference {difference}",
            gradient[index]
        );
    }
}

/// Batch sizes and shapes: strides, paddings below and above f − 1, odd and unequal sides, one filter and more than a
/// vector of them, 1×1 filters and filters as large as the input.
pub fn convolutions() -> Vec<(usize, ConvShape)> {
    let shape = |channels, height, width, filters, size, stride, padding| ConvShape {
        channels,
        height,
        width,
        filters,
        size,
        stride,
        padding,
    };
    vec![
        (2, shape(1, 8, 8, 2, 5, 1, 0)),
        (1, shape(2, 7, 9, 3, 3, 1, 0)),
        (2, shape(3, 7, 6, 9, 3, 2, 0)),
        (1, shape(1, 9, 11, 1, 5, 3, 2)),
        (3, shape(2, 5, 5, 2, 3, 2, 1)),
        (1, shape(2, 4, 5, 2, 2, 1, 3)),
        (1, shape(1, 6, 3, 2, 3, 4, 1)),
        (2, shape(2, 5, 5, 3, 5, 1, 0)),
        (2, shape(3, 4, 4, 2, 1, 1, 0)),
        (1, shape(1, 7, 13, 2, 7, 1, 1)),
        (19, shape(1, 4, 4, 2, 2, 1, 0)),
    ]
}

#[test]
fn convolution_gradients_match_finite_differences() {
    for (batch, shape) in convolutions() {
        let x = separated(batch * shape.in_len(), 1);
        let weight = separated(shape.weight_len(), 2);
        let bias = separated(shape.filters, 3);
        let dy = separated(batch * shape.out_len(), 4);
        let loss = |x: &[f64], weight: &[f64], bias: &[f64]| {
            let mut y = vec![f64::NAN; batch * shape.out_len()];
            conv_forward(&shape, Activation::Identity, x, weight, bias, &mut y);
            dot(&y, &dy)
        };

        let mut dx = vec![f64::NAN; x.len()];
        conv_backward_input(&shape, &weight, &dy, &mut dx);
        let (mut dweight, mut dbias) = (vec![f64::NAN; weight.len()], vec![f64::NAN; bias.len()]);
        conv_backward_weight(&shape, &x, &dy, &mut dweight, &mut dbias);

        assert_gradient(&format!("dx of {shape:?}"), &x, &dx, |x| loss(x, &weight, &bias));
        assert_gradient(&format!("dweight of {shape:?}"), &weight, &dweight, |weight| {
            loss(&x, weight, &bias)
        });
        assert_gradient(&format!("dbias of {shape:?}"), &bias, &dbias, |bias| loss(&x, &weight, bias));
    }
}

/// Batch sizes and shapes of pools: adjacent, overlapping and distant windows.
pub fn pools() -> Vec<(usize, PoolShape)> {
    let pool =
        |channels, height, width, window, stride| PoolShape { channels, height, width, window, stride };
    vec![
        (2, pool(3, 6, 6, 2, 2)),
        (1, pool(2, 9, 7, 3, 2)),
        (2, pool(1, 7, 8, 3, 1)),
        (1, pool(2, 7, 5, 2, 3)),
        (1, pool(1, 5, 5, 5, 1)),
        (18, pool(1, 3, 4, 2, 1)),
    ]
}

#[test]
fn pool_gradients_match_finite_differences() {
    for (batch, shape) in pools() {
        for activation in [Activation::Identity, Activation::Relu] {
            let z = separated(batch * shape.in_len(), 1);
            let dy = separated(batch * shape.out_len(), 2);
            let activated = |z: &[f64]| match activation {
                Activation::Identity => z.to_vec(),
                _ => z.iter().map(|z| z.max(0.0)).collect(),
            };
            let pooled = |x: &[f64]| {
                let (mut y, mut argmax) = (vec![f64::NAN; dy.len()], vec![u32::MAX; dy.len()]);
                max_pool(&shape, x, &mut y, &mut argmax);
                (y, argmax)
            };

            let x = activated(&z);
            let (_, argmax) = pooled(&x);
            let mut dz = vec![f64::NAN; z.len()];
            max_pool_backward(&shape, activation, &x, &argmax, &dy, &mut dz);
            assert_gradient(&format!("{activation:?} before {shape:?}"), &z, &dz, |z| {
                dot(&pooled(&activated(z)).0, &dy)
            });
        }
    }
}

/// Batch sizes and shapes with fewer and more values than a block, and with remainders.
pub fn dense_layers() -> Vec<(usize, DenseShape)> {
    let shape = |inputs, outputs| DenseShape { inputs, outputs };
    vec![(1, shape(1, 1)), (1, shape(20, 7)), (3, shape(9, 2)), (6, shape(33, 4)), (21, shape(16, 5))]
}

#[test]
fn dense_gradients_match_finite_differences() {
    for (batch, shape) in dense_layers() {
        for activation in [Activation::Identity, Activation::Relu] {
            let z = separated(batch * shape.inputs, 1);
            let weight = separated(shape.weight_len(), 2);
            let bias = separated(shape.outputs, 3);
            let dy = separated(batch * shape.outputs, 4);
            let activated = |z: &[f64]| match activation {
                Activation::Identity => z.to_vec(),
                _ => z.iter().map(|z| z.max(0.0)).collect(),
            };
            let loss = |z: &[f64], weight: &[f64], bias: &[f64]| {
                let mut y = vec![f64::NAN; batch * shape.outputs];
                dense_forward(&shape, Activation::Identity, &activated(z), weight, bias, &mut y);
                dot(&y, &dy)
            };

            let x = activated(&z);
            let mut dz = vec![f64::NAN; z.len()];
            let (mut dweight, mut dbias) = (vec![f64::NAN; weight.len()], vec![f64::NAN; bias.len()]);
            dense_backward(&shape, activation, &x, &weight, &dy, &mut dz, &mut dweight, &mut dbias);

            let what = |name| format!("{name} of {activation:?} before {shape:?}, batch {batch}");
            assert_gradient(&what("dx"), &z, &dz, |z| loss(z, &weight, &bias));
            assert_gradient(&what("dweight"), &weight, &dweight, |weight| loss(&z, weight, &bias));
            assert_gradient(&what("dbias"), &bias, &dbias, |bias| loss(&z, &weight, bias));
        }
    }
}

#[test]
fn relu_after_a_layer_is_the_maximum_with_zero() {
    let relu = |y: &[f64]| -> Vec<f64> { y.iter().map(|y| y.max(0.0)).collect() };
    for (batch, shape) in convolutions() {
        let (x, weight) = (separated(batch * shape.in_len(), 1), separated(shape.weight_len(), 2));
        let bias = separated(shape.filters, 3);
        let run = |activation| {
            let mut y = vec![f64::NAN; batch * shape.out_len()];
            conv_forward(&shape, activation, &x, &weight, &bias, &mut y);
            y
        };
        assert_eq!(run(Activation::Relu), relu(&run(Activation::Identity)), "{shape:?}");
    }
    for (batch, shape) in dense_layers() {
        let (x, weight) = (separated(batch * shape.inputs, 1), separated(shape.weight_len(), 2));
        let bias = separated(shape.outputs, 3);
        let run = |activation| {
            let mut y = vec![f64::NAN; batch * shape.outputs];
            dense_forward(&shape, activation, &x, &weight, &bias, &mut y);
            y
        };
        assert_eq!(run(Activation::Relu), relu(&run(Activation::Identity)), "{shape:?}");
    }
}

/// An activation of a single value by its definition.
fn definition(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::Sign => f64::from(u8::from(x > 0.0)) - f64::from(u8::from(x < 0.0)),
        Activation::Tanh => (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
        Activation::HardTanh => x.clamp(-1.0, 1.0),
        Activation::LogSoftmax => unreachable!("log-softmax is not a function of single values"),
    }
}

fn elementwise() -> impl Iterator<Item = Activation> {
    Activation::ALL.into_iter().filter(|&activation| activation != Activation::LogSoftmax)
}

#[test]
fn activation_gradients_match_finite_differences() {
    let (batch, shape) = (3, DenseShape { inputs: 9, outputs: 4 });
    for activation in elementwise() {
        let z = separated(batch * shape.inputs, 1);
        let (weight, bias) = (separated(shape.weight_len(), 2), separated(shape.outputs, 3));
        let dy = separated(batch * shape.outputs, 4);
        let activated = |z: &[f64]| -> Vec<f64> { z.iter().map(|&z| definition(activation, z)).collect() };
        let loss = |z: &[f64]| {
            let mut y = vec![f64::NAN; batch * shape.outputs];
            dense_forward(&shape, Activation::Identity, &activated(z), &weight, &bias, &mut y);
            dot(&y, &dy)
        };

        let mut dz = vec![f64::NAN; z.len()];
        let (mut dweight, mut dbias) = (vec![f64::NAN; weight.len()], vec![f64::NAN; bias.len()]);
        let x = activated(&z);
        dense_backward(&shape, activation, &x, &weight, &dy, &mut dz, &mut dweight, &mut dbias);
        assert_gradient(&activation.to_string(), &z, &dz, loss);
    }
}

#[test]
fn activations_match_their_definitions() {
    let (batch, shape) = (3, DenseShape { inputs: 9, outputs: 4 });
    let (x, weight) = (separated(batch * shape.inputs, 1), separated(shape.weight_len(), 2));
    let bias = separated(shape.outputs, 3);
    let run = |activation| {
        let mut y = vec![f64::NAN; batch * shape.outputs];
        dense_forward(&shape, activation, &x, &weight, &bias, &mut y);
        y
    };
    for activation in elementwise() {
        for (y, z) in run(activation).iter().zip(run(Activation::Identity)) {
            let expected = definition(activation, z);
            assert!((y - expected).abs() < 1e-15, "{activation} of {z} is {y}, expected {expected}");
        }
    }
}

#[test]
fn log_softmax_is_normalised_and_its_gradient_matches_finite_differences() {
    for (batch, outputs) in [(1, 2), (3, 7), (20, 10)] {
        let z: Vec<f64> = separated(batch * outputs, 1).iter().map(|value| 5.0 * value).collect();
        let dy = separated(z.len(), 2);
        let forward = |z: &[f64]| {
            let mut y = z.to_vec();
            log_softmax(outputs, &mut y);
            y
        };
        let y = forward(&z);
        for y in y.chunks(outputs) {
            assert!((y.iter().map(|y| y.exp()).sum::<f64>() - 1.0).abs() < 1e-14, "{y:?}");
        }
        let mut dz = dy.clone();
        log_softmax_backward(outputs, &y, &mut dz);
        assert_gradient(&format!("{batch} of {outputs}"), &z, &dz, |z| dot(&forward(z), &dy));
    }
}

/// Batch sizes and shapes: less than a vector of positions, several vectors with a remainder, one position, one
/// image, more images than chunks.
pub fn norms() -> Vec<(usize, NormShape)> {
    let norm = |channels, positions| NormShape { channels, positions };
    vec![(2, norm(3, 5)), (3, norm(2, 19)), (5, norm(4, 1)), (1, norm(2, 16)), (21, norm(1, 2))]
}

#[test]
fn batch_norm_gradients_match_finite_differences() {
    for (batch, shape) in norms() {
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            let z = separated(batch * shape.image_len(), 1);
            let weight = separated(shape.channels, 2);
            let bias = separated(shape.channels, 3);
            let dy = separated(z.len(), 4);
            let activated =
                |z: &[f64]| -> Vec<f64> { z.iter().map(|&z| definition(activation, z)).collect() };
            let statistics = |x: &[f64]| {
                let mut batch = [vec![f64::NAN; shape.channels], vec![f64::NAN; shape.channels]];
                let mut running = batch.clone();
                let ([mean, variance], [running_mean, running_var]) = (&mut batch, &mut running);
                batch_norm_statistics(&shape, x, mean, variance, running_mean, running_var);
                batch
            };
            let loss = |z: &[f64], weight: &[f64], bias: &[f64]| {
                let x = activated(z);
                let [mean, variance] = &statistics(&x);
                let mut y = vec![f64::NAN; x.len()];
                batch_norm_forward(&shape, &x, &Statistics { mean, variance }, weight, bias, &mut y);
                dot(&y, &dy)
            };

            let x = activated(&z);
            let [mean, variance] = &statistics(&x);
            let statistics = Statistics { mean, variance };
            let (mut dweight, mut dbias) = (vec![f64::NAN; weight.len()], vec![f64::NAN; bias.len()]);
            batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut dweight, &mut dbias);
            let mut dz = vec![f64::NAN; z.len()];
            batch_norm_backward_input(
                &shape,
                activation,
                &x,
                &statistics,
                &weight,
                &dweight,
                &dbias,
                &dy,
                &mut dz,
            );

            let what = |name| format!("{name} of {activation:?} before {shape:?}, batch {batch}");
            assert_gradient(&what("dx"), &z, &dz, |z| loss(z, &weight, &bias));
            assert_gradient(&what("dweight"), &weight, &dweight, |weight| loss(&z, weight, &bias));
            assert_gradient(&what("dbias"), &bias, &dbias, |bias| loss(&z, &weight, bias));
        }
    }
}

#[test]
fn batch_norm_normalises_and_updates_running_statistics() {
    let (batch, shape) = (7, NormShape { channels: 3, positions: 11 });
    // Far from 0: the mean of squares minus the square of the mean would lose six digits.
    let x: Vec<f64> = separated(batch * shape.image_len(), 1).iter().map(|x| 1_000.0 + x).collect();
    let [mut mean, mut variance, mut running_mean, mut running_var] =
        [f64::NAN, f64::NAN, 5.0, 2.0].map(|value| vec![value; shape.channels]);
    batch_norm_statistics(&shape, &x, &mut mean, &mut variance, &mut running_mean, &mut running_var);
    let mut y = vec![f64::NAN; x.len()];
    let statistics = Statistics { mean: &mean, variance: &variance };
    batch_norm_forward(&shape, &x, &statistics, &[1.0; 3], &[0.0; 3], &mut y);

    let n = (batch * shape.positions) as f64;
    let mean_of = |values: &[f64]| values.iter().sum::<f64>() / n;
    let mean_square = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>() / n;
    for channel in 0..shape.channels {
        let of = |values: &[f64]| -> Vec<f64> {
            let planes = values.chunks(shape.positions).skip(channel).step_by(shape.channels);
            planes.flatten().copied().collect()
        };
        let (x, y) = (of(&x), of(&y));
        assert!(mean_of(&y).abs() < 1e-12);
        // ε makes the variance slightly less than 1.
        let expected = variance[channel] / (variance[channel] + 1e-5);
        assert!((mean_square(&y) - expected).abs() < 1e-12);

        let centred: Vec<f64> = x.iter().map(|value| value - mean_of(&x)).collect();
        assert!((variance[channel] - mean_square(&centred)).abs() < 1e-12);
        assert!((running_mean[channel] - (0.9 * 5.0 + 0.1 * mean_of(&x))).abs() < 1e-12);
        let unbiased = mean_square(&centred) * n / (n - 1.0);
        assert!((running_var[channel] - (0.9 * 2.0 + 0.1 * unbiased)).abs() < 1e-12);
    }
}

#[test]
fn a_single_value_per_channel_is_normalised_to_the_bias() {
    let shape = NormShape { channels: 2, positions: 1 };
    let (x, dy, weight) = ([3.0, -7.0], [1.0, -1.0], [2.0, 3.0]);
    let [mut mean, mut variance, mut running_mean, mut running_var] =
        [[f64::NAN; 2], [f64::NAN; 2], [1.0; 2], [4.0; 2]];
    batch_norm_statistics(&shape, &x, &mut mean, &mut variance, &mut running_mean, &mut running_var);
    assert_eq!((mean, variance, running_var), (x, [0.0; 2], [4.0; 2]));
    assert!((running_mean[0] - 1.2).abs() < 1e-15 && (running_mean[1] - 0.2).abs() < 1e-15);

    let statistics = Statistics { mean: &mean, variance: &variance };
    let mut y = [f64::NAN; 2];
    batch_norm_forward(&shape, &x, &statistics, &weight, &[0.5, -0.5], &mut y);
    assert_eq!(y, [0.5, -0.5]);
    let (mut dweight, mut dbias, mut dx) = ([f64::NAN; 2], [f64::NAN; 2], [f64::NAN; 2]);
    batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut dweight, &mut dbias);
    let identity = Activation::Identity;
    batch_norm_backward_input(&shape, identity, &x, &statistics, &weight, &dweight, &dbias, &dy, &mut dx);
    assert_eq!((dweight, dbias, dx), ([0.0; 2], dy, [0.0; 2]));
}

/// The loss of a batch, its gradient at the logits, and the loss of each image.
fn loss_at(
    loss: &Loss,
    weights: Option<&[f64]>,
    classes: usize,
    labels: &[u32],
    logits: &[f64],
) -> (f64, Vec<f64>, Vec<f64>) {
    // With the identity as its weight, the layer's input is the logits.
    let shape = DenseShape { inputs: classes, outputs: classes };
    let weight: Vec<f64> =
        (0..classes * classes).map(|i| f64::from(u8::from(i % (classes + 1) == 0))).collect();
    let bias = vec![0.0; classes];
    let (mut outputs, mut dlogits) = (vec![f64::NAN; logits.len()], vec![f64::NAN; logits.len()]);
    let (mut losses, mut predicted) = (vec![f64::NAN; labels.len()], vec![u32::MAX; labels.len()]);
    let step_weight = match weights {
        None => labels.len() as f64,
        Some(weights) => labels.iter().map(|&label| weights[label as usize]).sum(),
    };
    let scale = loss.scale(step_weight);
    let (y, dy, each, best) = (&mut outputs, &mut dlogits, &mut losses, &mut predicted);
    dense_loss(&shape, loss, step_weight, weights, logits, &weight, &bias, labels, y, dy, each, best);
    (losses.iter().sum::<f64>() * scale, dlogits, losses)
}

/// Every kind of loss and reduction, with and without smoothing.
fn losses() -> Vec<Loss> {
    let mut all = Vec::new();
    for kind in LossKind::ALL {
        for reduction in Reduction::ALL {
            all.extend([0.0, 0.1].map(|label_smoothing| Loss { kind, reduction, label_smoothing }));
        }
    }
    all
}

#[test]
fn loss_gradients_match_finite_differences() {
    for (batch, classes) in [(1, 10), (3, 4), (20, 2)] {
        let labels: Vec<u32> = (0..batch as u32).map(|image| (image * 7 + 1) % classes as u32).collect();
        let logits: Vec<f64> = separated(batch * classes, 1).iter().map(|value| 5.0 * value).collect();
        let weights: Vec<f64> = (0..classes).map(|class| [0.5, 3.0, 0.0, 1.25][class % 4]).collect();
        for (loss, weights) in
            losses().into_iter().flat_map(|loss| [(loss, None), (loss, Some(&weights[..]))])
        {
            let gradient = loss_at(&loss, weights, classes, &labels, &logits).1;
            assert_gradient(
                &format!("{loss:?}, {weights:?}, {batch} of {classes}"),
                &logits,
                &gradient,
                |z| loss_at(&loss, weights, classes, &labels, z).0,
            );
        }
    }
}

#[test]
fn losses_match_their_definitions() {
    let (classes, label) = (4, 2);
    let z = [0.3, -1.2, 0.9, 2.0f64];
    let total: f64 = z.iter().map(|z| z.exp()).sum();
    for loss in losses() {
        let smoothing = f64::from(loss.label_smoothing);
        let target =
            |k: usize| (1.0 - smoothing) * f64::from(u8::from(k == label)) + smoothing / classes as f64;
        let expected: f64 = match (loss.kind, loss.reduction) {
            (LossKind::Mse, reduction) => {
                let sum: f64 = z.iter().enumerate().map(|(k, z)| (z - target(k)).powi(2)).sum();
                if reduction == Reduction::Mean { sum / classes as f64 } else { sum }
            }
            (LossKind::RawNll, _) => -z.iter().enumerate().map(|(k, z)| target(k) * z).sum::<f64>(),
            _ => -z.iter().enumerate().map(|(k, z)| target(k) * (z.exp() / total).ln()).sum::<f64>(),
        };
        let actual = loss_at(&loss, None, classes, &[label as u32], &z).2[0];
        assert!((actual - expected).abs() < 1e-14, "{loss:?}: {actual}, expected {expected}");
    }
}

#[test]
fn cross_entropy_on_logits_equals_nll_of_log_softmax_bit_for_bit() {
    let run = |kind| {
        let shape = LeNet5::new(1, 10);
        let mut network = Network::<f32>::new(shape, 3).with_loss(Loss { kind, ..Loss::default() });
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let mut values =
            |len: usize| -> Vec<f32> { (0..len).map(|_| random.random_range(-0.1..0.1)).collect() };
        network.set_parameters(&values(ParameterTable::new(&shape).arena_len()));
        network.input(3).copy_from_slice(&values(3 * shape.image_len()));
        network.forward(&[4, 0, 9]);
        network.backward();
        (network.losses().to_vec(), network.gradient().to_vec())
    };
    assert_eq!(run(LossKind::Nll), run(LossKind::CrossEntropy));
}
