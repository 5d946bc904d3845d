//! The fast operations compared with their naive definitions, in f64 and f32.

use std::fmt::Debug;

use lenet_gpu::cpu::{self, Real, Statistics, reference};
use lenet_gpu::data::{Augmentation, ImageSet};
use lenet_gpu::model::{Activation, ConvShape, DenseShape, LeNet5, NormShape, PoolShape};

use super::gradients::{convolutions, dense_layers, norms, pools};

/// Tolerances relative to the largest value of a tensor. The fast operations add sums of up to 1,700 products in
/// another order and may use fused multiply-adds. The rounding errors of one term are 2⁻⁵³ or 2⁻²⁴; most of them cancel,
/// so these tolerances correspond to a few hundred.
const F64: f64 = 1e-13;
const F32: f64 = 2e-5;

/// Deterministic values in (−0.5, 0.5).
fn values<T: Real>(len: usize, seed: usize) -> Vec<T> {
    (0..len).map(|i| T::of(((i + 17 * seed) * 7919 % 1013) as f64 / 1013.0 - 0.5)).collect()
}

fn empty<T: Real>(len: usize) -> Vec<T> {
    vec![T::nan(); len]
}

#[track_caller]
fn assert_close<T: Real>(what: &str, shape: &dyn Debug, actual: &[T], expected: &[T], tolerance: f64) {
    let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.as_f64().abs()));
    assert_within(what, shape, actual, expected, tolerance * largest);
}

#[track_caller]
fn assert_within<T: Real>(what: &str, shape: &dyn Debug, actual: &[T], expected: &[T], bound: f64) {
    assert_eq!(actual.len(), expected.len(), "{what} of {shape:?}");
    for (index, (actual, expected)) in actual.iter().zip(expected).enumerate() {
        let error = (actual.as_f64() - expected.as_f64()).abs();
        assert!(error <= bound, "{what}[{index}] of {shape:?} is {actual:?}, expected {expected:?}");
    }
}

fn network_convolutions() -> impl Iterator<Item = (usize, ConvShape)> {
    let [grey, colour] = [1, 3].map(|channels| LeNet5::new(channels, 10));
    [(2, grey.conv1()), (1, colour.conv1()), (17, grey.conv2())].into_iter().chain(convolutions())
}

fn assert_convolutions_match<T: Real>(tolerance: f64) {
    for (batch, shape) in network_convolutions() {
        let (x, weight) = (values::<T>(batch * shape.in_len(), 1), values(shape.weight_len(), 2));
        let (bias, mut dy) = (values::<T>(shape.filters, 3), values(batch * shape.out_len(), 4));
        // The backward operations skip zeros.
        dy.iter_mut().step_by(3).for_each(|dy| *dy = T::zero());

        for activation in [Activation::Identity, Activation::Relu] {
            let (mut actual, mut expected) = (empty(dy.len()), empty(dy.len()));
            cpu::conv_forward(&shape, activation, &x, &weight, &bias, &mut actual);
            reference::conv_forward(&shape, activation, &x, &weight, &bias, &mut expected);
            assert_close("y", &shape, &actual, &expected, tolerance);
        }

        let (mut actual, mut expected) = (empty(x.len()), empty(x.len()));
        cpu::conv_backward_input(&shape, &weight, &dy, &mut actual);
        reference::conv_backward_input(&shape, &weight, &dy, &mut expected);
        assert_close("dx", &shape, &actual, &expected, tolerance);

        let (mut actual, mut actual_bias) = (empty(weight.len()), empty(bias.len()));
        let (mut expected, mut expected_bias) = (empty(weight.len()), empty(bias.len()));
        cpu::conv_backward_weight(&shape, &x, &dy, &mut actual, &mut actual_bias);
        reference::conv_backward_weight(&shape, &x, &dy, &mut expected, &mut expected_bias);
        assert_close("dweight", &shape, &actual, &expected, tolerance);
        assert_close("dbias", &shape, &actual_bias, &expected_bias, tolerance);
    }
}

#[test]
fn convolutions_match_the_reference() {
    assert_convolutions_match::<f64>(F64);
    assert_convolutions_match::<f32>(F32);
}

#[test]
fn max_pools_match_the_reference_exactly() {
    let network = LeNet5::new(1, 10);
    let shapes = [(2, network.pool1()), (3, network.pool2())].into_iter().chain(pools());
    for (batch, shape) in shapes {
        // Few different values, so that ties are common; and a NaN.
        let mut x: Vec<f32> = (0..batch * shape.in_len()).map(|i| (i * 7919 % 5) as f32).collect();
        let middle = x.len() / 2;
        x[middle] = f32::NAN;
        let run = |max_pool: fn(&PoolShape, &[f32], &mut [f32], &mut [u32])| {
            let (mut y, mut argmax) =
                (empty(batch * shape.out_len()), vec![u32::MAX; batch * shape.out_len()]);
            max_pool(&shape, &x, &mut y, &mut argmax);
            (y.iter().map(|y| y.to_bits()).collect::<Vec<_>>(), argmax)
        };
        assert_eq!(run(cpu::max_pool), run(reference::max_pool), "{shape:?}");
    }
}

fn assert_dense_layers_match<T: Real>(tolerance: f64) {
    let network = LeNet5::new(1, 10);
    let shapes: [(usize, DenseShape); 3] = [(3, network.fc1()), (40, network.fc2()), (5, network.fc3())];
    for (batch, shape) in shapes.into_iter().chain(dense_layers()) {
        let (x, weight) = (values::<T>(batch * shape.inputs, 1), values(shape.weight_len(), 2));
        let (bias, dy) = (values::<T>(shape.outputs, 3), values(batch * shape.outputs, 4));
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh] {
            let (mut actual, mut expected) = (empty(dy.len()), empty(dy.len()));
            cpu::dense_forward(&shape, activation, &x, &weight, &bias, &mut actual);
            reference::dense_forward(&shape, activation, &x, &weight, &bias, &mut expected);
            assert_close("y", &shape, &actual, &expected, tolerance);

            let backward = |dense_backward: DenseBackward<T>| {
                let mut dx = empty(x.len());
                let (mut dweight, mut dbias) = (empty(weight.len()), empty(bias.len()));
                dense_backward(&shape, activation, &x, &weight, &dy, &mut dx, &mut dweight, &mut dbias);
                [("dx", dx), ("dweight", dweight), ("dbias", dbias)]
            };
            let (actual, expected) = (backward(cpu::dense_backward), backward(reference::dense_backward));
            for ((name, actual), (_, expected)) in actual.iter().zip(&expected) {
                assert_close(name, &shape, actual, expected, tolerance);
            }
        }
    }
}

type DenseBackward<T> = fn(&DenseShape, Activation, &[T], &[T], &[T], &mut [T], &mut [T], &mut [T]);

#[test]
fn dense_layers_match_the_reference() {
    assert_dense_layers_match::<f64>(F64);
    assert_dense_layers_match::<f32>(F32);
}

/// The signature of both definitions of the batch's statistics.
type BatchNormStatistics<T> = fn(&NormShape, &[T], &mut [T], &mut [T], &mut [T], &mut [T]);

fn assert_batch_norms_match<T: Real>(tolerance: f64) {
    for (batch, shape) in norms().into_iter().chain([(33, NormShape { channels: 6, positions: 784 })]) {
        let (x, dy) = (values::<T>(batch * shape.image_len(), 1), values(batch * shape.image_len(), 2));
        let statistics = |batch_norm_statistics: BatchNormStatistics<T>| {
            let [mut mean, mut variance] = [empty(shape.channels), empty(shape.channels)];
            let [mut running_mean, mut running_var] = [values(shape.channels, 3), values(shape.channels, 4)];
            batch_norm_statistics(&shape, &x, &mut mean, &mut variance, &mut running_mean, &mut running_var);
            [mean, variance, running_mean, running_var]
        };
        let (actual, expected) =
            (statistics(cpu::batch_norm_statistics), statistics(reference::batch_norm_statistics));
        for (index, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
            // Means of values that nearly cancel: the errors are relative to the values, not to the mean.
            assert_within(&format!("statistic {index}"), &shape, actual, expected, tolerance);
        }

        let [mean, variance, ..] = &expected;
        let statistics = Statistics { mean, variance };
        let (mut actual, mut actual_bias) = (empty(shape.channels), empty(shape.channels));
        let (mut expected, mut expected_bias) = (empty(shape.channels), empty(shape.channels));
        cpu::batch_norm_backward_weight(&shape, &x, &statistics, &dy, &mut actual, &mut actual_bias);
        reference::batch_norm_backward_weight(
            &shape,
            &x,
            &statistics,
            &dy,
            &mut expected,
            &mut expected_bias,
        );
        // Up to 26,000 terms that nearly cancel.
        let bound = tolerance * (batch * shape.positions) as f64;
        assert_within("dweight", &shape, &actual, &expected, bound);
        assert_within("dbias", &shape, &actual_bias, &expected_bias, bound);
    }
}

#[test]
fn batch_norms_match_the_reference() {
    assert_batch_norms_match::<f64>(F64);
    assert_batch_norms_match::<f32>(F32);
}

fn images(channels: usize, side: usize) -> ImageSet {
    let pixels = (0..7 * channels * side * side).map(|i| (i * 7919 % 251) as u8).collect();
    ImageSet { channels, height: side, width: side, pixels, labels: vec![0; 7] }
}

#[test]
fn gather_matches_the_reference_exactly() {
    for (channels, side) in [(1, 28), (3, 32), (1, 21)] {
        let (images, order) = (images(channels, side), [6, 0, 3, 3, 1]);
        let [mut actual, mut expected] = [(); 2].map(|()| empty::<f32>(order.len() * channels * 32 * 32));
        cpu::gather(&images, &order, &mut actual);
        reference::gather(&images, &order, &mut expected);
        assert_eq!(actual, expected, "{channels} channels of {side}x{side}");
    }
}

#[test]
fn augmented_gather_matches_the_reference() {
    let shifted = Augmentation { shift: 3, flip: true, ..Augmentation::default() };
    let rotated = Augmentation { rotate: 30.0, scale: 0.3, ..shifted };
    for (channels, side) in [(1, 28), (3, 32)] {
        for augmentation in [shifted, rotated] {
            let (images, order) = (images(channels, side), [6, 0, 3, 3, 1]);
            let views = augmentation.views(1, 0, &order).unwrap();
            let [mut actual, mut expected] = [(); 2].map(|()| empty::<f64>(order.len() * channels * 32 * 32));
            cpu::gather_augmented(&images, &order, &views, &mut actual);
            reference::gather_augmented(&images, &order, &views, &mut expected);
            assert_close("x", &augmentation, &actual, &expected, F64);
        }
    }
}
