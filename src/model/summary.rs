//! The layers of a network as a table: shapes, parameters, arithmetic and memory.

use super::lenet::IMAGE_SIDE;
use super::parameters::TensorRole;
use super::{Activation, ConvShape, DenseShape, LeNet5, NormShape, ParameterTable, PoolShape};

/// Bytes of a value: everything is f32.
const VALUE: u64 = size_of::<f32>() as u64;

/// A layer of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerSummary {
    /// `input`, `conv1`, `bn1`, `pool1`, and so on.
    pub name: &'static str,
    /// What it computes, with its activation function: "conv 5×5, ReLU".
    pub operation: String,
    /// The shape of its output for one image: channels, height and width; `[n, 1, 1]` for a dense layer.
    pub shape: [usize; 3],
    /// Parameters that are trained.
    pub parameters: usize,
    /// Running statistics of a batch normalisation.
    pub statistics: usize,
    /// Products that a forward pass adds up for one image. Biases, activation functions and maxima do not count.
    pub multiply_adds: u64,
    /// Products that the backward pass adds up for one image, for the gradients of the weights and of the input.
    pub backward_multiply_adds: u64,
}

/// The sums over all layers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkTotals {
    /// Parameters that are trained.
    pub parameters: usize,
    /// Running statistics of batch normalisations.
    pub statistics: usize,
    /// Multiply-adds of a forward pass for one image.
    pub multiply_adds: u64,
    /// Multiply-adds of a forward and a backward pass for one image.
    pub training_multiply_adds: u64,
    /// Values of one image's input and of all layers' outputs.
    pub activations: usize,
}

impl LayerSummary {
    fn new(name: &'static str, operation: impl Into<String>, shape: [usize; 3]) -> Self {
        let operation = operation.into();
        Self {
            name,
            operation,
            shape,
            parameters: 0,
            statistics: 0,
            multiply_adds: 0,
            backward_multiply_adds: 0,
        }
    }

    /// Values of the output for one image.
    pub fn activations(&self) -> usize {
        self.shape.iter().product()
    }

    /// Bytes of the parameters and the running statistics.
    pub fn parameter_bytes(&self) -> u64 {
        (self.parameters + self.statistics) as u64 * VALUE
    }

    /// Bytes of the output for one image.
    pub fn activation_bytes(&self) -> u64 {
        self.activations() as u64 * VALUE
    }

    /// The shape of the output for one image in words: "6×28×28", or "120" for a dense layer.
    pub fn shape_text(&self) -> String {
        match self.shape {
            [outputs, 1, 1] => outputs.to_string(),
            [channels, height, width] => format!("{channels}×{height}×{width}"),
        }
    }
}

impl NetworkTotals {
    /// Adds up all layers.
    pub fn of(layers: &[LayerSummary]) -> Self {
        layers.iter().fold(Self::default(), |total, layer| Self {
            parameters: total.parameters + layer.parameters,
            statistics: total.statistics + layer.statistics,
            multiply_adds: total.multiply_adds + layer.multiply_adds,
            training_multiply_adds: total.training_multiply_adds
                + layer.multiply_adds
                + layer.backward_multiply_adds,
            activations: total.activations + layer.activations(),
        })
    }

    /// Bytes of the parameters and the running statistics.
    pub fn parameter_bytes(&self) -> u64 {
        (self.parameters + self.statistics) as u64 * VALUE
    }

    /// Bytes of one image's input and of all layers' outputs.
    pub fn activation_bytes(&self) -> u64 {
        self.activations as u64 * VALUE
    }
}

/// All layers of a network in the order of the forward pass, with its input and its log-probabilities.
pub fn layers(network: &LeNet5) -> Vec<LayerSummary> {
    let table = ParameterTable::new(network);
    let mut layers = vec![LayerSummary::new("input", "image", [network.channels, IMAGE_SIDE, IMAGE_SIDE])];
    for (names, conv, norm, pool) in [
        (["conv1", "bn1", "pool1"], network.conv1(), network.bn1(), network.pool1()),
        (["conv2", "bn2", "pool2"], network.conv2(), network.bn2(), network.pool2()),
    ] {
        let needs_input_gradient = names[0] != "conv1";
        layers.push(convolution(names[0], &conv, needs_input_gradient));
        layers.extend(normalisation(network, names[1], &norm, layers[layers.len() - 1].shape));
        layers.push(max_pool(names[2], &pool));
    }
    for (names, shape, norm) in
        [(["fc1", "bn3"], network.fc1(), network.bn3()), (["fc2", "bn4"], network.fc2(), network.bn4())]
    {
        layers.push(dense(names[0], &shape, network.activation));
        layers.extend(normalisation(network, names[1], &norm, [shape.outputs, 1, 1]));
    }
    layers.push(dense("fc3", &network.fc3(), Activation::Identity));
    layers.push(LayerSummary::new("log_softmax", "log-softmax", [network.classes, 1, 1]));
    for layer in &mut layers {
        let of_layer = table.tensors().iter().filter(|tensor| {
            tensor.name.split_once('.').is_some_and(|(tensor_layer, _)| tensor_layer == layer.name)
        });
        for tensor in of_layer {
            match tensor.role {
                TensorRole::RunningMean | TensorRole::RunningVar => layer.statistics += tensor.len(),
                _ => layer.parameters += tensor.len(),
            }
        }
    }
    layers
}

fn convolution(name: &'static str, conv: &ConvShape, needs_input_gradient: bool) -> LayerSummary {
    let products = (conv.out_height() * conv.out_width() * conv.weight_len()) as u64;
    let operation = format!("conv {0}×{0}, ReLU", conv.size);
    LayerSummary {
        multiply_adds: products,
        backward_multiply_adds: products * if needs_input_gradient { 2 } else { 1 },
        ..LayerSummary::new(name, operation, conv.out_shape())
    }
}

fn max_pool(name: &'static str, pool: &PoolShape) -> LayerSummary {
    let operation = format!("max pool {0}×{0}", pool.window);
    LayerSummary::new(name, operation, pool.out_shape())
}

fn dense(name: &'static str, dense: &DenseShape, activation: Activation) -> LayerSummary {
    let products = dense.weight_len() as u64;
    let operation = match activation {
        Activation::Identity => "dense".to_owned(),
        Activation::Relu => "dense, ReLU".to_owned(),
        other => format!("dense, {other}"),
    };
    LayerSummary {
        multiply_adds: products,
        backward_multiply_adds: 2 * products,
        ..LayerSummary::new(name, operation, [dense.outputs, 1, 1])
    }
}

/// A batch normalisation scales and shifts each value. Its backward pass sums the gradients of the scale and multiplies
/// by the gradient of the normalised value.
fn normalisation(
    network: &LeNet5,
    name: &'static str,
    norm: &NormShape,
    shape: [usize; 3],
) -> Option<LayerSummary> {
    let values = norm.image_len() as u64;
    network.batch_norm.then(|| LayerSummary {
        multiply_adds: values,
        backward_multiply_adds: 2 * values,
        ..LayerSummary::new(name, "batch norm", shape)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GREY: LeNet5 = LeNet5::new(1, 10);

    #[test]
    fn a_grey_network_has_the_papers_parameters_and_416_520_multiply_adds() {
        let layers = layers(&GREY);
        let rows: Vec<_> =
            layers.iter().map(|layer| (layer.name, layer.shape_text(), layer.parameters)).collect();
        let expected = [
            ("input", "1×32×32", 0),
            ("conv1", "6×28×28", 156),
            ("pool1", "6×14×14", 0),
            ("conv2", "16×10×10", 2_416),
            ("pool2", "16×5×5", 0),
            ("fc1", "120", 48_120),
            ("fc2", "84", 10_164),
            ("fc3", "10", 850),
            ("log_softmax", "10", 0),
        ];
        assert_eq!(rows, expected.map(|(name, shape, parameters)| (name, shape.to_owned(), parameters)));
        let totals = NetworkTotals::of(&layers);
        assert_eq!((totals.parameters, totals.statistics), (61_706, 0));
        assert_eq!(totals.multiply_adds, 117_600 + 240_000 + 48_000 + 10_080 + 840);
        assert_eq!(totals.training_multiply_adds, 3 * totals.multiply_adds - 117_600);
        assert_eq!(totals.parameter_bytes(), 4 * 61_706);
    }

    #[test]
    fn every_parameter_belongs_to_a_layer() {
        for channels in [1, 3] {
            for batch_norm in [false, true] {
                let network = LeNet5 { batch_norm, ..LeNet5::new(channels, 37) };
                let (table, totals) = (ParameterTable::new(&network), NetworkTotals::of(&layers(&network)));
                assert_eq!(totals.parameters, table.trained_len(), "{network:?}");
                assert_eq!(totals.parameters + totals.statistics, table.arena_len(), "{network:?}");
            }
        }
    }

    #[test]
    fn batch_norms_follow_their_layers_and_have_their_shapes() {
        let layers = layers(&LeNet5 { batch_norm: true, activation: Activation::Tanh, ..GREY });
        let names: Vec<_> = layers.iter().map(|layer| layer.name).collect();
        let expected = [
            "input",
            "conv1",
            "bn1",
            "pool1",
            "conv2",
            "bn2",
            "pool2",
            "fc1",
            "bn3",
            "fc2",
            "bn4",
            "fc3",
            "log_softmax",
        ];
        assert_eq!(names, expected);
        let bn2 = &layers[5];
        assert_eq!((bn2.shape, bn2.parameters, bn2.statistics), ([16, 10, 10], 32, 32));
        assert_eq!(layers[7].operation, "dense, tanh");
    }
}
