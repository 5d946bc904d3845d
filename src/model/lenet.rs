//! The architecture of LeNet-5 (section 3 of the paper):
//!
//! `conv1 → ReLU → [bn1] → pool1 → conv2 → ReLU → [bn2] → pool2`
//! `→ fc1 → act → [bn3] → fc2 → act → [bn4] → fc3 → log-softmax`
//!
//! Batch normalisation is optional, and the activation of the dense layers can be chosen.

use serde::{Deserialize, Serialize};

use super::Activation;
use super::shapes::{ConvShape, DenseShape, NormShape, PoolShape};

/// Side of the network's square input images.
pub const IMAGE_SIDE: usize = 32;

/// The variable parts of the architecture; everything else is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeNet5 {
    /// Input channels: 1 for grey, 3 for colour.
    pub channels: usize,
    /// The number of classes K.
    pub classes: usize,
    /// Whether conv1, conv2, fc1 and fc2 are followed by batch normalisation, after their activation.
    #[serde(default, skip_serializing_if = "is_false")]
    pub batch_norm: bool,
    /// The activation of fc1 and fc2. That of the convolutions is always ReLU.
    #[serde(default, skip_serializing_if = "is_relu")]
    pub activation: Activation,
}

// Defaults are not serialized, so files of plain networks are the same as before these fields existed.
fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_relu(activation: &Activation) -> bool {
    *activation == Activation::Relu
}

impl LeNet5 {
    /// A network without batch normalisation and with ReLU everywhere.
    pub const fn new(channels: usize, classes: usize) -> Self {
        Self { channels, classes, batch_norm: false, activation: Activation::Relu }
    }

    /// Returns the number of values of an input image, C·32·32.
    pub const fn image_len(&self) -> usize {
        self.channels * IMAGE_SIDE * IMAGE_SIDE
    }

    /// Returns the shape of conv1: C×32×32 → 6×28×28 with 5×5 filters.
    pub const fn conv1(&self) -> ConvShape {
        conv(self.channels, IMAGE_SIDE, 6)
    }

    /// Returns the shape of pool1: 6×28×28 → 6×14×14.
    pub const fn pool1(&self) -> PoolShape {
        halve(6, 28)
    }

    /// Returns the shape of conv2: 6×14×14 → 16×10×10 with 5×5 filters.
    pub const fn conv2(&self) -> ConvShape {
        conv(6, 14, 16)
    }

    /// Returns the shape of pool2: 16×10×10 → 16×5×5.
    pub const fn pool2(&self) -> PoolShape {
        halve(16, 10)
    }

    /// Returns the shape of fc1: 400 → 120.
    pub const fn fc1(&self) -> DenseShape {
        DenseShape { inputs: 400, outputs: 120 }
    }

    /// Returns the shape of fc2: 120 → 84.
    pub const fn fc2(&self) -> DenseShape {
        DenseShape { inputs: 120, outputs: 84 }
    }

    /// Returns the shape of fc3: 84 → K.
    pub const fn fc3(&self) -> DenseShape {
        DenseShape { inputs: 84, outputs: self.classes }
    }

    /// Returns the shape of conv1's batch normalisation, even if the network has none.
    pub const fn bn1(&self) -> NormShape {
        each_filter(self.conv1())
    }

    /// Returns the shape of conv2's batch normalisation.
    pub const fn bn2(&self) -> NormShape {
        each_filter(self.conv2())
    }

    /// Returns the shape of fc1's batch normalisation.
    pub const fn bn3(&self) -> NormShape {
        NormShape { channels: self.fc1().outputs, positions: 1 }
    }

    /// Returns the shape of fc2's batch normalisation.
    pub const fn bn4(&self) -> NormShape {
        NormShape { channels: self.fc2().outputs, positions: 1 }
    }
}

/// A 5×5 convolution with stride 1 and no padding over square feature maps.
const fn conv(channels: usize, side: usize, filters: usize) -> ConvShape {
    ConvShape { channels, height: side, width: side, filters, size: 5, stride: 1, padding: 0 }
}

/// A 2×2 max-pool with stride 2 over square feature maps.
const fn halve(channels: usize, side: usize) -> PoolShape {
    PoolShape { channels, height: side, width: side, window: 2, stride: 2 }
}

/// A batch normalisation of a convolution's output.
const fn each_filter(conv: ConvShape) -> NormShape {
    NormShape { channels: conv.filters, positions: conv.out_height() * conv.out_width() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_takes_the_output_of_the_one_before() {
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
