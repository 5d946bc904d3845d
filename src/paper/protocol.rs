//! The paper's experimental setup: data sets, optimizers, network variants and hyperparameters.

use std::num::NonZeroUsize;

use crate::data::Dataset;
use crate::engine::{Adam, Clip, Loss, LossKind, Optimizer, Reduction, Rule, Setup, Sgd};
use crate::model::LeNet5;
use crate::train::{Stopping, TrainingConfig};

/// A data set of the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PaperDataset {
    /// MNIST.
    Mnist,
    /// CIFAR-10.
    Cifar10,
}

impl PaperDataset {
    /// The display name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mnist => "MNIST",
            Self::Cifar10 => "CIFAR-10",
        }
    }
}

/// An optimizer that the paper compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Adam.
    Adam,
    /// Mini-batch gradient descent.
    Gd,
}

impl Method {
    /// Both optimizers.
    pub const BOTH: [Self; 2] = [Self::Adam, Self::Gd];

    /// The display name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "Adam",
            Self::Gd => "Gradient descent",
        }
    }

    /// The learning rate of section 6.
    pub fn learning_rate(self) -> f32 {
        match self {
            Self::Adam => 0.01,
            Self::Gd => 0.001,
        }
    }
}

/// How closely the experiments follow the paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// As section 6 describes them: the whole data set in mini-batches, the mean loss, gradients clipped to ±5 (dense
    /// layers) and ±1 (convolutions).
    #[default]
    AsDescribed,
    /// As the paper's script implements them: one training batch of 32 images, seven test batches, the summed loss,
    /// gradients clipped to ±3, parameters clipped to ±1000, Adam's bias correction applied twice.
    AsListed,
}

/// The paper's batch size.
pub const BATCH_SIZE: usize = 32;

/// Test batches of the paper's script.
const LISTED_TEST_BATCHES: usize = 7;

/// Training accuracy, in percent, at which a run stops. The script stops above it, section 6 when it is reached. Both are
/// the same, because no fraction of the script's 32 images is exactly 95 %.
pub const STOP_ACCURACY: f64 = 95.0;

impl Protocol {
    /// Limits a data set to the images that the protocol uses.
    pub fn images(self, data: Dataset) -> Dataset {
        match self {
            Self::AsDescribed => data,
            Self::AsListed => {
                let test_images = LISTED_TEST_BATCHES * BATCH_SIZE;
                data.limited(NonZeroUsize::new(BATCH_SIZE), NonZeroUsize::new(test_images))
            }
        }
    }

    pub(super) fn setup(self, method: Method, network: NetworkVariant, data: &Dataset) -> Setup {
        let listed = self == Self::AsListed;
        let rule = match method {
            Method::Adam => Rule::Adam(Adam { correct_twice: listed, ..Adam::default() }),
            Method::Gd => Rule::Sgd(Sgd::default()),
        };
        let (conv, fc) = if listed { (3.0, 3.0) } else { (1.0, 5.0) };
        let clip = Clip { conv: Some(conv), fc: Some(fc), ..Clip::default() };
        let bound = listed.then_some(1e3);
        let reduction = if listed { Reduction::Sum } else { Reduction::Mean };
        Setup {
            optimizer: Optimizer { rule, clip, bound, ..Optimizer::default() },
            loss: Loss { kind: network.loss(), reduction, ..Loss::default() },
            ..Setup::new(network.network(data), BATCH_SIZE)
        }
    }

    pub(super) fn training_config(
        self,
        method: Method,
        epochs: u32,
        evaluations_per_epoch: usize,
        seed: u64,
    ) -> TrainingConfig {
        TrainingConfig {
            epochs: f64::from(epochs),
            batch_size: BATCH_SIZE,
            learning_rate: method.learning_rate(),
            seed,
            stopping: Stopping { train_accuracy: Some(STOP_ACCURACY), ..Stopping::default() },
            evaluations_per_epoch: if self == Self::AsListed { 1 } else { evaluations_per_epoch },
            ..TrainingConfig::default()
        }
    }
}

/// A variant of the paper's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkVariant {
    /// The network of section 6, with batch normalisation and log-softmax.
    Full,
    /// With batch normalisation but without log-softmax: the loss is the negative likelihood of the raw outputs.
    WithoutLogSoftmax,
    /// Without batch normalisation and log-softmax.
    Bare,
}

impl NetworkVariant {
    fn network(self, data: &Dataset) -> LeNet5 {
        let plain = LeNet5::new(data.train.channels, data.classes);
        LeNet5 { batch_norm: self != Self::Bare, ..plain }
    }

    fn loss(self) -> LossKind {
        if self == Self::Full { LossKind::Nll } else { LossKind::RawNll }
    }

    /// The suffix to an optimizer's name; empty for the full network.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::WithoutLogSoftmax => " without log-softmax",
            Self::Bare => " without log-softmax and batch normalisation",
        }
    }
}
