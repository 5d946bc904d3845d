//! The exported networks, their input images, and the CPU engine's logits.

use lenet_gpu::cpu::{Network, gather};
use lenet_gpu::data::{Channels, Conversion, ImageSet, embedded_mnist_test};
use lenet_gpu::engine::{Loss, LossKind};
use lenet_gpu::model::{Activation, LeNet5, Model, ModelInfo, ParameterTable};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The tolerance of logits, in rounding errors of the largest logit: the programs sum hundreds of products per layer in
/// different orders. The largest observed difference is 8.
pub const ROUNDINGS: f32 = 16.0;

pub const GREY: LeNet5 = LeNet5::new(1, 10);

/// Networks of every kind: grey and colour, other numbers of classes, batch normalisation, each activation.
pub fn networks() -> Vec<LeNet5> {
    let mut networks = vec![LeNet5::new(3, 17), LeNet5 { batch_norm: true, ..LeNet5::new(3, 2) }];
    networks.extend(Activation::ALL.iter().map(|&activation| LeNet5 { activation, ..GREY }));
    networks.extend([Activation::Relu, Activation::LogSoftmax].map(|activation| LeNet5 {
        batch_norm: true,
        activation,
        ..GREY
    }));
    networks
}

/// A model with random weights and logits as large as those of a trained one.
pub fn random_model(network: LeNet5) -> Model {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut parameters = Vec::new();
    for tensor in ParameterTable::new(&network).tensors() {
        let bound = 2.0 / (tensor.fan_in as f32).sqrt();
        // Variances are positive.
        let least = if tensor.name.ends_with("running_var") { 0.1 } else { -bound };
        parameters.extend((0..tensor.len()).map(|_| random.random_range(least..bound)));
    }
    Model { network, parameters, info: ModelInfo::default() }
}

/// The first of MNIST's test images, 28×28, with the network's channels.
pub fn images(count: usize, network: LeNet5) -> ImageSet {
    let channels = Some(if network.channels == 3 { Channels::Colour } else { Channels::Grey });
    let test = embedded_mnist_test(Conversion { channels, ..Conversion::default() }).unwrap();
    let pixels = test.pixels[..count * test.image_len()].to_vec();
    ImageSet { pixels, labels: test.labels[..count].to_vec(), ..test }
}

/// f32 `[N, C, 32, 32]`, padded and normalised.
pub fn normalised(images: &ImageSet) -> Vec<f32> {
    let mut x = vec![0.0; images.len() * images.channels * 32 * 32];
    gather(images, &(0..images.len() as u32).collect::<Vec<_>>(), &mut x);
    x
}

/// The CPU engine's logits `[N, K]`.
pub fn logits(model: &Model, images: &ImageSet) -> Vec<f32> {
    // With this loss the network's outputs are the logits.
    let loss = Loss { kind: LossKind::Mse, ..Loss::default() };
    let mut network = Network::<f32>::new(model.network, images.len()).with_loss(loss);
    network.set_parameters(&model.parameters);
    network.input(images.len()).copy_from_slice(&normalised(images));
    network.evaluate(&vec![0; images.len()]);
    network.outputs().to_vec()
}

/// The largest difference between two lists of logits, or NaN if either contains one.
pub fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    differences.fold(0.0, |most, next| if next > most || next.is_nan() { next } else { most })
}

/// [`difference`] in rounding errors of the largest logit, so that one tolerance suits logits of any size.
pub fn roundings(found: &[f32], expected: &[f32]) -> f32 {
    let largest = expected.iter().fold(0f32, |most, next| most.max(next.abs()));
    difference(found, expected) / (f32::EPSILON * largest)
}
