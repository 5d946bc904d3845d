//! LeNet-5 as this project builds it (paper, section 3):
//! `conv1 → ReLU → [bn1] → pool1 → conv2 → ReLU → [bn2] → pool2 → fc1 → act → [bn3] → fc2 → act → [bn4] →
//! fc3 → log-softmax`, with batch normalisation where it is asked for, and an activation that is ReLU unless
//! another is.

use serde::{Deserialize, Serialize};

use super::Activation;
use super::shapes::{ConvShape, DenseShape, NormShape, PoolShape};

/// Side of the square image that the network sees.
pub const IMAGE_SIDE: usize = 32;

/// What may differ between two networks; everything else about it is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeNet5 {
    /// Channels of the input: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Number of classes K.
    pub classes: usize,
    /// Whether conv1, conv2, fc1 and fc2 are followed by batch normalisation, after their activation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub batch_norm: bool,
    /// The activation of fc1 and fc2; that of the convolutions is always ReLU.
    #[serde(default, skip_serializing_if = "is_relu")]
    pub activation: Activation,
}

// What serde asks for; a network that has neither is written as it always was.
fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_relu(activation: &Activation) -> bool {
    *activation == Activation::Relu
}

impl LeNet5 {
    /// Without batch normalisation, and with ReLU everywhere.
    pub const fn new(channels: usize, classes: usize) -> Self {
        Self { channels, classes, batch_norm: false, activation: Activation::Relu }
    }

    /// Values of one input image, C×32×32.
    pub const fn image_len(&self) -> usize {
        self.channels * IMAGE_SIDE * IMAGE_SIDE
    }

    pub const fn conv1(&self) -> ConvShape {
        conv(self.channels, IMAGE_SIDE, 6)
    }

    pub const fn pool1(&self) -> PoolShape {
        halve(6, 28)
    }

    pub const fn conv2(&self) -> ConvShape {
        conv(6, 14, 16)
    }

    pub const fn pool2(&self) -> PoolShape {
        halve(16, 10)
    }

    pub const fn fc1(&self) -> DenseShape {
        DenseShape { inputs: 400, outputs: 120 }
    }

    pub const fn fc2(&self) -> DenseShape {
        DenseShape { inputs: 120, outputs: 84 }
    }

    pub const fn fc3(&self) -> DenseShape {
        DenseShape { inputs: 84, outputs: self.classes }
    }

    /// The batch normalisation of conv1; whether there is one is another question.
    pub const fn bn1(&self) -> NormShape {
        each_filter(self.conv1())
    }

    /// The batch normalisation of conv2.
    pub const fn bn2(&self) -> NormShape {
        each_filter(self.conv2())
    }

    /// The batch normalisation of fc1.
    pub const fn bn3(&self) -> NormShape {
        NormShape { channels: self.fc1().outputs, positions: 1 }
    }

    /// The batch normalisation of fc2.
    pub const fn bn4(&self) -> NormShape {
        NormShape { channels: self.fc2().outputs, positions: 1 }
    }
}

/// A 5×5 convolution of stride 1 without padding over a square map.
const fn conv(channels: usize, side: usize, filters: usize) -> ConvShape {
    ConvShape { channels, height: side, width: side, filters, size: 5, stride: 1, padding: 0 }
}

/// A 2×2 max-pool of stride 2 over a square map.
const fn halve(channels: usize, side: usize) -> PoolShape {
    PoolShape { channels, height: side, width: side, window: 2, stride: 2 }
}

/// Normalises each of a convolution's output maps.
const fn each_filter(conv: ConvShape) -> NormShape {
    NormShape { channels: conv.filters, positions: conv.out_height() * conv.out_width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_takes_what_the_one_before_gives() {
        for channels in [1, 3] {
            let net = LeNet5::new(channels, 10);
            assert_eq!(net.image_len(), net.conv1().in_len());
            assert_eq!(net.conv1().out_len(), net.pool1().in_len());
            assert_eq!(net.pool1().out_len(), net.conv2().in_len());
            assert_eq!(net.conv2().out_len(), net.pool2().in_len());
            assert_eq!(net.pool2().out_len(), net.fc1().inputs);
            assert_eq!(net.fc1().outputs, net.fc2().inputs);
            assert_eq!(net.fc2().outputs, net.fc3().inputs);
            assert_eq!(net.bn1().image_len(), net.conv1().out_len());
            assert_eq!(net.bn2().image_len(), net.conv2().out_len());
            assert_eq!(net.bn3().image_len(), net.fc1().outputs);
            assert_eq!(net.bn4().image_len(), net.fc2().outputs);
        }
    }
}
