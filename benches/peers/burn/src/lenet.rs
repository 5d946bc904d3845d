//! The network, and one step of training or inference with it.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::mnist::SIDE;

const LEARNING_RATE: f64 = 1e-3;

#[derive(Module, Debug)]
struct LeNet5 {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet5 {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 6], [5, 5]).init(device),
            conv2: Conv2dConfig::new([6, 16], [5, 5]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            fc1: LinearConfig::new(400, 120).init(device),
            fc2: LinearConfig::new(120, 84).init(device),
            fc3: LinearConfig::new(84, 10).init(device),
        }
    }

    /// Maps N×1×32×32 images to N×10 logits.
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(x)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        let x = relu(self.fc1.forward(x.flatten(1, 3)));
        self.fc3.forward(relu(self.fc2.forward(x)))
    }
}

/// A network in training, with Adam and cross-entropy.
pub struct Trainer {
    device: Device,
    /// `None` only during a step.
    network: Option<LeNet5>,
    adam: ModuleOptimizer,
}

impl Trainer {
    pub fn new(device: Device) -> Self {
        let network = LeNet5::new(&device.clone().autodiff());
        Self { device, network: Some(network), adam: AdamConfig::new().with_epsilon(1e-8).init() }
    }

    /// Trains on a batch and returns its loss, without waiting for the device.
    pub fn step(&mut self, images: Vec<f32>, labels: Vec<i32>) -> Tensor<1> {
        let device = self.device.clone().autodiff();
        let network = self.network.take().expect("a step puts the network back");
        let count = labels.len();
        let labels = Tensor::<1, Int>::from_data(TensorData::new(labels, [count]), &device);
        let logits = network.forward(batch(images, &device));
        let loss = CrossEntropyLossConfig::new().init(&device).forward(logits, labels);
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        self.network = Some(self.adam.step(LEARNING_RATE, network, gradients));
        loss.inner()
    }

    /// The current network, for inference.
    pub fn classifier(&self) -> Classifier {
        let network = self.network.as_ref().expect("a step puts the network back").valid();
        Classifier { device: self.device.clone(), network }
    }
}

/// A network for inference only.
pub struct Classifier {
    device: Device,
    network: LeNet5,
}

impl Classifier {
    /// The predicted class of each image, without waiting for the device.
    pub fn classes(&self, images: Vec<f32>) -> Tensor<2, Int> {
        self.network.forward(batch(images, &self.device)).argmax(1)
    }
}

fn batch(images: Vec<f32>, device: &Device) -> Tensor<4> {
    let count = images.len() / (SIDE * SIDE);
    Tensor::from_data(TensorData::new(images, [count, 1, SIDE, SIDE]), device)
}
