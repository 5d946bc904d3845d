//! The outputs of all layers of the CPU engine, compared with the naive definitions in f64.

use std::ops::ControlFlow;
use std::sync::Arc;

use lenet_gpu::cpu::{self, CpuEngine, Real, Statistics, reference};
use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Engine, Epoch, Loss, LossKind, Setup, Split, steps};
use lenet_gpu::model::{Activation, LeNet5, NormShape, ParameterTable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Relative to the largest value of a layer: sums of up to 400 products in f32, layer after layer.
const TOLERANCE: f64 = 1e-5;

const IMAGES: usize = 5;

fn images(channels: usize, classes: usize) -> Arc<ImageSet> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    Arc::new(ImageSet {
        channels,
        height: 28,
        width: 28,
        pixels: (0..IMAGES * channels * 28 * 28).map(|_| random.random()).collect(),
        labels: (0..IMAGES).map(|_| random.random_range(0..classes as u16)).collect(),
    })
}

fn weights(network: &LeNet5) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let mut arena = Vec::new();
    for tensor in ParameterTable::new(network).tensors() {
        let bound = 1.0 / (tensor.fan_in as f32).sqrt();
        let low = if tensor.name.ends_with("running_var") { 0.1 } else { -bound };
        arena.extend((0..tensor.len()).map(|_| random.random_range(low..bound)));
    }
    arena
}

fn engine(setup: &Setup, split: Split) -> CpuEngine {
    let mut engine = CpuEngine::new(setup);
    engine.set_parameters(&weights(&setup.network)).unwrap();
    engine.load(split, images(setup.network.channels, setup.network.classes)).unwrap();
    engine
}

/// Every layer of the network by its definition.
struct Naive<'a> {
    network: &'a LeNet5,
    arena: Vec<f64>,
}

impl Naive<'_> {
    fn parameter(&self, name: &str) -> &[f64] {
        &self.arena[ParameterTable::new(self.network).get(name).range()]
    }

    /// The next layer's input.
    fn normalised(&self, norm: &str, shape: &NormShape, x: Vec<f64>) -> Vec<f64> {
        if !self.network.batch_norm {
            return x;
        }
        let parameter = |name| self.parameter(&format!("{norm}.{name}"));
        let statistics = Statistics { mean: parameter("running_mean"), variance: parameter("running_var") };
        let (weight, bias) = (parameter("weight"), parameter("bias"));
        x.iter()
            .enumerate()
            .map(|(index, x)| {
                let channel = index / shape.positions % shape.channels;
                let deviation = (statistics.variance[channel] + NormShape::EPS).sqrt();
                weight[channel] * (x - statistics.mean[channel]) / deviation + bias[channel]
            })
            .collect()
    }

    fn layers(&self, images: &ImageSet) -> Vec<(&'static str, Vec<f64>)> {
        let net = self.network;
        let order: Vec<u32> = (0..images.len() as u32).collect();
        let mut x = vec![0.0; images.len() * net.image_len()];
        reference::gather(images, &order, &mut x);
        let mut layers = Vec::new();
        for (conv, pool, norm, names) in [
            (net.conv1(), net.pool1(), net.bn1(), ["conv1", "bn1", "pool1"]),
            (net.conv2(), net.pool2(), net.bn2(), ["conv2", "bn2", "pool2"]),
        ] {
            let [layer, norm_layer, pool_layer] = names;
            let mut y = vec![0.0; images.len() * conv.out_len()];
            let (weight, bias) =
                (self.parameter(&format!("{layer}.weight")), self.parameter(&format!("{layer}.bias")));
            reference::conv_forward(&conv, Activation::Relu, &x, weight, bias, &mut y);
            layers.push((layer, y.clone()));
            x = vec![0.0; images.len() * pool.out_len()];
            let mut argmax = vec![0; x.len()];
            reference::max_pool(&pool, &self.normalised(norm_layer, &norm, y), &mut x, &mut argmax);
            layers.push((pool_layer, x.clone()));
        }
        for (shape, norm, [layer, norm_layer]) in
            [(net.fc1(), net.bn3(), ["fc1", "bn3"]), (net.fc2(), net.bn4(), ["fc2", "bn4"])]
        {
            let mut y = vec![0.0; images.len() * shape.outputs];
            let (weight, bias) =
                (self.parameter(&format!("{layer}.weight")), self.parameter(&format!("{layer}.bias")));
            reference::dense_forward(&shape, net.activation, &x, weight, bias, &mut y);
            if net.activation == Activation::LogSoftmax {
                cpu::log_softmax(shape.outputs, &mut y);
            }
            layers.push((layer, y.clone()));
            x = self.normalised(norm_layer, &norm, y);
        }
        let mut y = vec![0.0; images.len() * net.classes];
        let (weight, bias) = (self.parameter("fc3.weight"), self.parameter("fc3.bias"));
        reference::dense_forward(&net.fc3(), Activation::Identity, &x, weight, bias, &mut y);
        cpu::log_softmax(net.classes, &mut y);
        layers.push(("log_softmax", y));
        layers
    }
}

#[test]
fn layer_outputs_match_the_naive_definitions() {
    let grey = LeNet5::new(1, 10);
    for (network, kind) in [
        (grey, LossKind::Nll),
        (LeNet5::new(3, 37), LossKind::CrossEntropy),
        (LeNet5 { batch_norm: true, ..LeNet5::new(3, 10) }, LossKind::Nll),
        (LeNet5 { batch_norm: true, activation: Activation::Tanh, ..grey }, LossKind::Mse),
        (LeNet5 { activation: Activation::LogSoftmax, ..grey }, LossKind::RawNll),
    ] {
        let setup = Setup { loss: Loss { kind, ..Loss::default() }, ..Setup::new(network, 2) };
        let images = images(network.channels, network.classes);
        let arena = weights(&network).into_iter().map(f64::from).collect();
        let expected = Naive { network: &network, arena }.layers(&images);
        let found = engine(&setup, Split::Test).activations(Split::Test).unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, (layer, expected)) in found.iter().zip(&expected) {
            assert_eq!(found.layer, *layer);
            assert_eq!(found.values.len(), IMAGES * found.image_len(), "{layer} of {network:?}");
            let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            for (found, expected) in found.values.iter().zip(expected) {
                let error = (found.as_f64() - expected).abs() / largest;
                assert!(error <= TOLERANCE, "{layer} of {network:?}: {error:e}");
            }
        }
    }
}

#[test]
fn layer_outputs_have_the_shapes_of_lenet_5() {
    let network = LeNet5::new(3, 4);
    let layers = engine(&Setup::new(network, 1), Split::Train).activations(Split::Train).unwrap();
    let shapes: Vec<_> = layers.iter().map(|layer| (layer.layer, layer.shape)).collect();
    assert_eq!(
        shapes,
        [
            ("conv1", [6, 28, 28]),
            ("pool1", [6, 14, 14]),
            ("conv2", [16, 10, 10]),
            ("pool2", [16, 5, 5]),
            ("fc1", [120, 1, 1]),
            ("fc2", [84, 1, 1]),
            ("log_softmax", [4, 1, 1]),
        ]
    );
    assert_eq!(layers[3].image(4), &layers[3].values[4 * 400..]);
}

#[test]
fn layer_outputs_do_not_depend_on_the_evaluation_batch_and_end_in_the_log_probabilities() {
    let of = |evaluation_batch| {
        let setup = Setup { evaluation_batch, ..Setup::new(LeNet5::new(1, 10), 1) };
        let mut engine = engine(&setup, Split::Test);
        let log_probabilities = engine.log_probabilities(Split::Test).unwrap();
        let layers = engine.activations(Split::Test).unwrap();
        assert_eq!(layers.last().unwrap().values, log_probabilities);
        layers
    };
    assert_eq!(of(2), of(64));
}

#[test]
fn layer_outputs_between_epochs_do_not_change_the_training() {
    let network = LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) };
    let trained = |asks: bool| {
        let mut engine = engine(&Setup::new(network, 2), Split::Train);
        let order: Vec<u32> = (0..IMAGES as u32).collect();
        let batches = steps(IMAGES, 2, 1e-3);
        for _ in 0..3 {
            engine.train(&Epoch::new(&order, &batches), &mut |_, _| ControlFlow::Continue(())).unwrap();
            if asks {
                engine.activations(Split::Train).unwrap();
            }
        }
        (engine.parameters().unwrap(), engine.optimizer_state().unwrap())
    };
    assert!(trained(false) == trained(true));
}
