//! Every gradient of the CPU reference against central differences, in f64: (L(p + h) − L(p − h)) / 2h for
//! each value p that L depends on.
//!
//! Central differences mean nothing across the kinks of ReLU and max-pooling, so points are kept away
//! from them. Single operations get values that are by construction further apart, and further from
//! 0, than two steps ([`separated`]). For the whole network nobody can choose the values inside, so
//! both evaluations' signs and argmaxes are compared, a point across a kink is left out, and the test
//! fails if that leaves too few.

#![allow(clippy::unwrap_used)]

use lenet_gpu::cpu::{
    Maps, Network, Targets, conv_backward_input, conv_backward_weight, conv_forward, dense_backward,
    dense_forward, dense_log_softmax, max_pool, max_pool_backward,
};
use lenet_gpu::model::{Activation, ConvShape, DenseShape, LeNet5, ParameterTable, PoolShape};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// h: the error of the formula itself falls with h², that of rounding L grows with 1/h; they meet here.
const STEP: f64 = 1e-5;

/// How far a gradient may be from the central difference, against its tensor's largest: rounding L to 53
/// bits gives about 1e-16 · L / h = 1e-11 of L, and L is up to some hundreds of gradients.
const TOLERANCE: f64 = 1e-8;

/// The same for the network, whose loss of about 2.3 is some thousand times its gradients.
const NETWORK_TOLERANCE: f64 = 1e-6;

/// Values of one tensor that are looked at, in the network, and how many must be left.
const SAMPLES: usize = 100;
const SAMPLES_LEFT: usize = 90;

/// `count` values in (−1, 1.5) in random order, 2/(count + 1) apart and 1/(count + 1) from 0 at least. Those
/// above 0 are stretched, so that a sum of all of them is not 0.
fn separated(count: usize, seed: u64) -> Vec<f64> {
    assert!(2.0 * STEP < 1.0 / (count + 1) as f64, "{count} values are too close for the step");
    let even = (count + count % 2) as f64;
    let value = |i: usize| (2.0 * i as f64 + 1.0) / even - 1.0;
    let mut values: Vec<f64> =
        (0..count).map(value).map(|value| if value > 0.0 { 1.5 * value } else { value }).collect();
    values.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    values
}

/// Σ a · b: turns an output into a loss whose gradient at the output is `b`.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |largest, value| value.abs().max(largest))
}

/// Holds a gradient against the central differences of `loss` at every place of `point`.
#[track_caller]
fn assert_gradient(what: &str, point: &[f64], gradient: &[f64], loss: impl Fn(&[f64]) -> f64) {
    assert_eq!(point.len(), gradient.len(), "{what}");
    let scale = largest(gradient);
    let mut point = point.to_vec();
    for place in 0..point.len() {
        let middle = point[place];
        point[place] = middle + STEP;
        let above = loss(&point);
        point[place] = middle - STEP;
        let below = loss(&point);
        point[place] = middle;
        let difference = (above - below) / (2.0 * STEP);
        let error = (gradient[place] - difference).abs();
        assert!(
            error <= TOLERANCE * scale,
            "{what}: at {place} the gradient is {}, the central difference {difference}",
            gradient[place]
        );
    }
}

/// Batches and shapes: strides, paddings below and above f − 1, odd and unequal sides, one filter and
/// more than a vector's, filters of 1 and as large as the map.
fn convolutions() -> Vec<(usize, ConvShape)> {
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
fn the_gradients_of_a_convolution_are_central_differences() {
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

#[test]
fn the_gradient_of_a_pool_is_a_central_difference_with_and_without_relu_before_it() {
    let pool =
        |channels, height, width, window, stride| PoolShape { channels, height, width, window, stride };
    let shapes = [
        (2, pool(3, 6, 6, 2, 2)),
        (1, pool(2, 9, 7, 3, 2)),
        (2, pool(1, 7, 8, 3, 1)),
        (1, pool(2, 7, 5, 2, 3)),
        (1, pool(1, 5, 5, 5, 1)),
        (18, pool(1, 3, 4, 2, 1)),
    ];
    for (batch, shape) in shapes {
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

/// Batches and shapes with fewer and more values than a block holds, and with what is left over.
fn dense_layers() -> Vec<(usize, DenseShape)> {
    let shape = |inputs, outputs| DenseShape { inputs, outputs };
    vec![(1, shape(1, 1)), (1, shape(20, 7)), (3, shape(9, 2)), (6, shape(33, 4)), (21, shape(16, 5))]
}

#[test]
fn the_gradients_of_a_dense_layer_are_central_differences_with_and_without_relu_before_it() {
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
fn relu_after_a_convolution_or_a_dense_layer_is_the_maximum_with_zero() {
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

#[test]
fn the_gradient_at_the_logits_is_a_central_difference_of_the_mean_loss() {
    for (batch, classes) in [(1, 10), (3, 4), (20, 2)] {
        // The identity as weights makes the layer's input the logits.
        let shape = DenseShape { inputs: classes, outputs: classes };
        let identity: Vec<f64> =
            (0..classes * classes).map(|i| f64::from(u8::from(i % (classes + 1) == 0))).collect();
        let labels: Vec<u32> = (0..batch as u32).map(|image| (image * 7 + 1) % classes as u32).collect();
        let logits: Vec<f64> = separated(batch * classes, 1).iter().map(|value| 5.0 * value).collect();
        let run = |logits: &[f64]| {
            let (mut log_probs, mut dlogits) = (vec![f64::NAN; logits.len()], vec![f64::NAN; logits.len()]);
            let (mut losses, mut predicted) = (vec![f64::NAN; batch], vec![u32::MAX; batch]);
            let targets = Targets { labels: &labels, smoothing: 0.0, scale: 1.0 / batch as f64 };
            dense_log_softmax(
                &shape,
                logits,
                &identity,
                &vec![0.0; classes],
                &targets,
                &mut log_probs,
                &mut dlogits,
                &mut losses,
                &mut predicted,
            );
            (losses.iter().sum::<f64>() / batch as f64, dlogits)
        };
        assert_gradient(&format!("{batch} of {classes}"), &logits, &run(&logits).1, |z| run(z).0);
    }
}

/// Which side of each kink a pass is on: signs of what ReLU gave, and the places of maxima.
fn kinks(maps: &Maps<'_, f64>) -> (Vec<bool>, Vec<u32>) {
    let signs = [maps.pool1, maps.pool2, maps.fc1, maps.fc2].concat().iter().map(|&y| y > 0.0).collect();
    (signs, [maps.argmax1, maps.argmax2].concat())
}

#[test]
fn the_gradient_of_the_networks_loss_is_a_central_difference_for_every_tensor() {
    for channels in [1, 3] {
        let shape = LeNet5::new(channels, 10);
        let table = ParameterTable::new(&shape);
        let labels = [4, 0, 9];
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let images: Vec<f64> =
            (0..labels.len() * shape.image_len()).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut parameters = Vec::with_capacity(table.arena_len());
        for tensor in table.tensors() {
            let bound = 1.0 / (tensor.fan_in as f64).sqrt();
            parameters.extend((0..tensor.len()).map(|_| random.random_range(-bound..bound)));
        }

        let mut network = Network::<f64>::new(shape, labels.len());
        let mut run = |parameters: &[f64]| {
            network.set_parameters(parameters);
            network.input(labels.len()).copy_from_slice(&images);
            network.forward(&labels);
            let loss = network.losses().iter().sum::<f64>() / labels.len() as f64;
            network.backward();
            (loss, kinks(&network.maps()), network.gradient().to_vec())
        };
        let (_, _, gradient) = run(&parameters);

        for tensor in table.tensors() {
            let scale = largest(&gradient[tensor.range()]);
            assert!(scale > 0.0, "{} has no gradient", tensor.name);
            let mut left = 0;
            let samples = SAMPLES.min(tensor.len());
            for sample in 0..samples {
                let place = tensor.offset + sample * tensor.len() / samples;
                let middle = parameters[place];
                parameters[place] = middle + STEP;
                let (above, kinks_above, _) = run(&parameters);
                parameters[place] = middle - STEP;
                let (below, kinks_below, _) = run(&parameters);
                parameters[place] = middle;
                if kinks_above != kinks_below {
                    continue;
                }
                left += 1;
                let difference = (above - below) / (2.0 * STEP);
                let error = (gradient[place] - difference).abs();
                assert!(
                    error <= NETWORK_TOLERANCE * scale,
                    "{}, at {place}: the gradient is {}, the central difference {difference}",
                    tensor.name,
                    gradient[place]
                );
            }
            assert!(
                left * SAMPLES >= samples * SAMPLES_LEFT,
                "{}: only {left} of {samples} are left",
                tensor.name
            );
        }
    }
}
