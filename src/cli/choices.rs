//! The library's enums as values of command-line options: their names and help texts.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::data::{Channels, DatasetKind, Fit};
use crate::engine::{LossKind, Reduction};
use crate::export::Format;
use crate::model::{Activation, Frozen, Init};
use crate::train::Shape;

/// Implements [`ValueEnum`] for an enum without data. A variant that is missing does not compile.
macro_rules! choices {
    ($enum:ty { $($variant:ident => $name:literal, $help:literal;)+ }) => {
        impl ValueEnum for $enum {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(Self::$variant),+]
            }

            fn to_possible_value(&self) -> Option<PossibleValue> {
                Some(match self {
                    $(Self::$variant => PossibleValue::new($name).help($help),)+
                })
            }
        }
    };
}

choices! { Activation {
    Identity => "identity", "y = x";
    Relu => "relu", "y = max(x, 0)";
    Sigmoid => "sigmoid", "y = 1/(1 + e⁻ˣ)";
    Sign => "sign", "y = −1, 0 or 1; its gradient is 0";
    Tanh => "tanh", "y = tanh x";
    HardTanh => "hard-tanh", "y = x clamped to −1..1";
    LogSoftmax => "log-softmax", "y = x − ln Σ eˣ over the layer's outputs";
} }

choices! { Init {
    Pytorch => "pytorch", "PyTorch's default: weights and biases U(−1, 1)/√fan-in";
    Kaiming => "kaiming", "He et al. 2015: weights √(2/fan-in)·N(0, 1), biases 0";
    Xavier => "xavier", "Glorot and Bengio 2010: weights √(6/(fan-in + fan-out))·U(−1, 1), biases 0";
    PaperUniform => "paper-uniform", "The paper's first listing: filters U(−1, 1)/f², their biases 1; dense layers 0.01·N(0, 1)";
    PaperNormal => "paper-normal", "The paper's second listing: filters 0.01·N(0, 1), their biases 0; dense layers 0.01·N(0, 1)";
} }

choices! { Frozen {
    None => "none", "Every layer is trained";
    Conv => "conv", "conv1 and conv2, with their batch normalisations, which keep their running statistics; only the dense layers are trained";
} }

choices! { Fit {
    Pad => "pad", "Centred on black; for images no larger than 32×32";
    Resize => "resize", "Resized bilinearly, as in the paper; the aspect ratio is not kept";
} }

choices! { Channels {
    Grey => "1", "Greyscale; colour images are converted to luma (ITU-R BT.601)";
    Colour => "3", "RGB; greyscale images are repeated in all three channels";
} }

choices! { LossKind {
    Nll => "nll", "Negative log-likelihood of the log-softmax: −log p(label)";
    CrossEntropy => "cross-entropy", "Cross-entropy on the logits; the same as nll, which includes the log-softmax";
    Mse => "mse", "Squared distance between the logits and the one-hot label, divided by the number of classes if averaged";
    RawNll => "raw-nll", "Negative logit of the label, without log-softmax; has no minimum, and needs batch normalisation to train";
} }

choices! { Reduction {
    Mean => "mean", "Mean";
    Sum => "sum", "Sum; the gradient grows with the batch size";
} }

choices! { Shape {
    Constant => "constant", "Constant";
    Step => "step", "Multiplied by --lr-step-factor every --lr-step-epochs epochs";
    Cosine => "cosine", "Falls to 0 as (1 + cos πf)/2, where f is the fraction of steps done";
    Linear => "linear", "Falls to 0 as 1 − f";
    OneCycle => "one-cycle", "Rises from 1/25 of the rate and falls to 0, both along a cosine (Smith and Topin, 2019)";
} }

choices! { DatasetKind {
    Mnist => "mnist", "Handwritten digits, built in; with --data-dir, four IDX files, gzipped or not, an .npz or CSV files. For other sets in these formats, give --data-dir alone";
    Cifar10 => "cifar10", "Colour photographs; with --data-dir, data_batch_1.bin and so on, and test_batch.bin";
    FashionMnist => "fashion-mnist", "Articles of clothing, in MNIST's format";
    Cifar100 => "cifar100", "Colour photographs of 100 classes; train.bin and test.bin";
    Qmnist => "qmnist", "Handwritten digits; qmnist-train-images-idx3-ubyte and so on";
    EmnistBalanced => "emnist-balanced", "Handwritten digits and letters, 47 classes of equal size; EMNIST's files or copies under MNIST's names";
    EmnistByclass => "emnist-byclass", "Handwritten digits and letters, 62 classes";
    EmnistBymerge => "emnist-bymerge", "Handwritten digits and letters, 47 classes";
    EmnistDigits => "emnist-digits", "Handwritten digits, 280,000 images";
    EmnistLetters => "emnist-letters", "Handwritten letters, 26 classes A to Z";
    EmnistMnist => "emnist-mnist", "Handwritten digits, 70,000 images";
    Folder => "folder", "Your own images: --data-dir DIR with DIR/train/CLASS/* and DIR/test/CLASS/*, or with DIR/CLASS/* and --validation-split";
} }

choices! { Format {
    Onnx => "onnx", "The whole network, for onnxruntime, tract and other ONNX readers";
    Safetensors => "safetensors", "The weights under PyTorch's names, for load_state_dict";
    CHeader => "c-header", "Weights and forward pass as a C99 header for microcontrollers; no malloc";
} }

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[track_caller]
    fn check_names<T: ValueEnum + Serialize>() {
        for variant in T::value_variants() {
            let typed = variant.to_possible_value().expect("no value is hidden");
            assert_eq!(serde_json::json!(variant), typed.get_name());
        }
    }

    #[test]
    fn options_and_files_use_the_same_names() {
        check_names::<Activation>();
        check_names::<Init>();
        check_names::<Frozen>();
        check_names::<Fit>();
        check_names::<LossKind>();
        check_names::<Reduction>();
        check_names::<Shape>();
        check_names::<DatasetKind>();
    }

    #[test]
    fn options_and_messages_use_the_same_names() {
        for kind in DatasetKind::ALL {
            assert_eq!(kind.to_possible_value().unwrap().get_name(), kind.name());
        }
        for activation in Activation::ALL {
            assert_eq!(activation.to_possible_value().unwrap().get_name(), activation.to_string());
        }
    }
}
