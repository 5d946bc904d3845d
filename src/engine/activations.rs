//! What the layers of a network compute for images.

use super::Loss;
use crate::model::LeNet5;

/// The output of a layer for each image of a split.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerOutput {
    /// `conv1`, `pool1`, `conv2`, `pool2`, `fc1`, `fc2` or `log_softmax`.
    ///
    /// The outputs of convolutions and dense layers are those after the activation function, and before batch
    /// normalisation if the network has it. `log_softmax` is the log-probabilities of the classes, whatever the loss is.
    pub layer: &'static str,
    /// The shape for one image: channels, height and width; `[n, 1, 1]` for a dense layer.
    pub shape: [usize; 3],
    /// The values of all images, `[N, C, H, W]`.
    pub values: Vec<f32>,
}

impl LayerOutput {
    /// The layers of a network in order, without values yet, with room for those of `images` images.
    pub(crate) fn of_network(network: &LeNet5, images: usize) -> [Self; 7] {
        let dense = |outputs| [outputs, 1, 1];
        [
            ("conv1", network.conv1().out_shape()),
            ("pool1", network.pool1().out_shape()),
            ("conv2", network.conv2().out_shape()),
            ("pool2", network.pool2().out_shape()),
            ("fc1", dense(network.fc1().outputs)),
            ("fc2", dense(network.fc2().outputs)),
            ("log_softmax", dense(network.classes)),
        ]
        .map(|(layer, shape)| {
            let values = Vec::with_capacity(images * shape.iter().product::<usize>());
            Self { layer, shape, values }
        })
    }

    /// Completes layers with values: converts the network's outputs, which are the last layer's, to log-probabilities.
    pub(crate) fn finished(mut layers: [Self; 7], loss: &Loss) -> Vec<Self> {
        let [.., last] = &mut layers;
        last.values = loss.kind.log_probabilities(last.image_len(), std::mem::take(&mut last.values));
        layers.into()
    }

    /// The number of values of one image.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The values of one image, `[C, H, W]`.
    ///
    /// # Panics
    /// If there are not that many images.
    pub fn image(&self, index: usize) -> &[f32] {
        &self.values[index * self.image_len()..][..self.image_len()]
    }
}
