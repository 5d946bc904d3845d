//! The parameter table: the name of each tensor (as in PyTorch's `state_dict`), its shape, and its offset in the
//! arena.
//!
//! The arena is one flat array of f32 in the order of the table. Trained tensors come first; gradients and the
//! optimizer's moments have the layout of that part. The running statistics of batch normalisation come last.

use std::ops::Range;

use super::{Frozen, LeNet5, NormShape};

/// The kind of layer that a tensor belongs to. Batch normalisation belongs to the layer before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// A convolution.
    Conv,
    /// A fully connected layer.
    Dense,
}

/// The role of a tensor in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorRole {
    /// The weight of a convolution or a dense layer.
    Weight,
    /// The bias of a convolution or a dense layer.
    Bias,
    /// The scale γ of a batch normalisation.
    NormWeight,
    /// The shift β of a batch normalisation.
    NormBias,
    /// The running mean of a batch normalisation.
    RunningMean,
    /// The running variance of a batch normalisation.
    RunningVar,
}

impl TensorRole {
    /// Whether the optimizer updates it. Running statistics are updated by the forward pass instead.
    pub fn is_trained(self) -> bool {
        !matches!(self, Self::RunningMean | Self::RunningVar)
    }
}

/// One parameter tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name in PyTorch's `state_dict`: `conv1.weight`, `fc3.bias`, …
    pub name: &'static str,
    /// The dimensions, outermost first.
    pub shape: Vec<usize>,
    /// The offset of the first value in the arena.
    pub offset: usize,
    /// The kind of its layer.
    pub kind: LayerKind,
    /// Its role in the layer.
    pub role: TensorRole,
    /// The number of inputs of one output of the layer; 1 for batch normalisation.
    pub fan_in: usize,
    /// The number of outputs that depend on one input of the layer; 1 for batch normalisation.
    pub fan_out: usize,
}

impl Tensor {
    /// Returns the number of values, which is never 0.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns the tensor's range in the arena.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// All tensors of a network, in the arena's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterTable {
    tensors: Vec<Tensor>,
}

impl ParameterTable {
    /// Builds the table of a network.
    pub fn new(network: &LeNet5) -> Self {
        let mut table = Self { tensors: Vec::with_capacity(10) };
        for (weight, bias, shape) in
            [("conv1.weight", "conv1.bias", network.conv1()), ("conv2.weight", "conv2.bias", network.conv2())]
        {
            let area = shape.size * shape.size;
            let fans = (shape.channels * area, shape.filters * area);
            let dims = vec![shape.filters, shape.channels, shape.size, shape.size];
            table.layer(LayerKind::Conv, weight, bias, dims, fans);
        }
        for (weight, bias, shape) in [
            ("fc1.weight", "fc1.bias", network.fc1()),
            ("fc2.weight", "fc2.bias", network.fc2()),
            ("fc3.weight", "fc3.bias", network.fc3()),
        ] {
            let fans = (shape.inputs, shape.outputs);
            table.layer(LayerKind::Dense, weight, bias, vec![shape.outputs, shape.inputs], fans);
        }
        if network.batch_norm {
            let norms = [
                (LayerKind::Conv, network.bn1()),
                (LayerKind::Conv, network.bn2()),
                (LayerKind::Dense, network.bn3()),
                (LayerKind::Dense, network.bn4()),
            ];
            let roles = [TensorRole::NormWeight, TensorRole::NormBias];
            table.norms(
                roles,
                &norms,
                [
                    ["bn1.weight", "bn1.bias"],
                    ["bn2.weight", "bn2.bias"],
                    ["bn3.weight", "bn3.bias"],
                    ["bn4.weight", "bn4.bias"],
                ],
            );
            let roles = [TensorRole::RunningMean, TensorRole::RunningVar];
            table.norms(
                roles,
                &norms,
                [
                    ["bn1.running_mean", "bn1.running_var"],
                    ["bn2.running_mean", "bn2.running_var"],
                    ["bn3.running_mean", "bn3.running_var"],
                    ["bn4.running_mean", "bn4.running_var"],
                ],
            );
        }
        table
    }

    /// Appends a layer's weight and bias.
    fn layer(
        &mut self,
        kind: LayerKind,
        weight: &'static str,
        bias: &'static str,
        shape: Vec<usize>,
        (fan_in, fan_out): (usize, usize),
    ) {
        let bias_shape = vec![shape[0]];
        for (name, shape, role) in [(weight, shape, TensorRole::Weight), (bias, bias_shape, TensorRole::Bias)]
        {
            let offset = self.arena_len();
            self.tensors.push(Tensor { name, shape, offset, kind, role, fan_in, fan_out });
        }
    }

    /// Appends two tensors for each batch normalisation.
    fn norms(
        &mut self,
        roles: [TensorRole; 2],
        norms: &[(LayerKind, NormShape); 4],
        names: [[&'static str; 2]; 4],
    ) {
        for ((kind, norm), names) in norms.iter().zip(names) {
            for (role, name) in roles.into_iter().zip(names) {
                let (shape, offset) = (vec![norm.channels], self.arena_len());
                self.tensors.push(Tensor { name, shape, offset, kind: *kind, role, fan_in: 1, fan_out: 1 });
            }
        }
    }

    /// Returns all tensors, in the arena's order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Returns the tensors that the optimizer updates, which come first.
    pub fn trained(&self) -> &[Tensor] {
        let trained = self.tensors.iter().take_while(|tensor| tensor.role.is_trained()).count();
        &self.tensors[..trained]
    }

    /// Returns the length of the arena: the number of parameters, including running statistics.
    pub fn arena_len(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.range().end)
    }

    /// Returns the number of trained parameters: the length of gradients and moments.
    pub fn trained_len(&self) -> usize {
        self.trained().last().map_or(0, |tensor| tensor.range().end)
    }

    /// Returns the ranges of the arena that an optimizer updates: all trained tensors that are not frozen.
    pub fn updated(&self, frozen: Frozen) -> Vec<Range<usize>> {
        ranges(self.trained(), |tensor| !frozen.contains(tensor.kind))
    }

    /// Returns the number of parameters of convolutions and dense layers, which come before batch normalisation.
    pub fn layers_len(&self) -> usize {
        self.get("fc3.bias").range().end
    }

    /// Returns the number of parameters of convolutions, which come first.
    pub fn conv_len(&self) -> usize {
        self.get("fc1.weight").offset
    }

    /// Returns a tensor by name.
    ///
    /// # Panics
    /// If the network has no tensor of this name.
    pub fn get(&self, name: &str) -> &Tensor {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .unwrap_or_else(|| panic!("the network has no tensor {name}"))
    }
}

/// The ranges of the arena that the tensors with a property occupy, in order, as few as possible. `tensors` are
/// consecutive.
pub(crate) fn ranges(tensors: &[Tensor], has: impl Fn(&Tensor) -> bool) -> Vec<Range<usize>> {
    let runs = tensors.chunk_by(|tensor, next| has(tensor) == has(next));
    runs.filter(|run| has(&run[0])).map(|run| run[0].offset..run[run.len() - 1].range().end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_count_is_that_of_the_paper() {
        for (channels, expected) in [(1, 61_706), (3, 62_006)] {
            let table = ParameterTable::new(&LeNet5::new(channels, 10));
            assert_eq!(table.arena_len(), expected);
        }
    }

    #[test]
    fn tensors_are_contiguous() {
        for batch_norm in [false, true] {
            let table = ParameterTable::new(&LeNet5 { batch_norm, ..LeNet5::new(1, 10) });
            let mut end = 0;
            for tensor in table.tensors() {
                assert_eq!(tensor.offset, end, "{}", tensor.name);
                end = tensor.range().end;
            }
            assert_eq!(table.conv_len(), 2_572);
        }
    }

    #[test]
    fn frozen_convolutions_leave_the_dense_layers_to_update() {
        let updated = |table: &ParameterTable, frozen| -> Vec<_> {
            table.updated(frozen).into_iter().map(|range| (range.start, range.end)).collect()
        };
        let plain = ParameterTable::new(&LeNet5::new(1, 10));
        assert_eq!(updated(&plain, Frozen::None), [(0, 61_706)]);
        assert_eq!(updated(&plain, Frozen::Conv), [(2_572, 61_706)]);
        let normed = ParameterTable::new(&LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) });
        let (bn3, end) = (normed.get("bn3.weight").offset, normed.trained_len());
        assert_eq!(updated(&normed, Frozen::None), [(0, end)]);
        assert_eq!(updated(&normed, Frozen::Conv), [(2_572, 61_706), (bn3, end)]);
    }

    #[test]
    fn batch_norm_tensors_follow_the_layers_and_statistics_come_last() {
        let plain = ParameterTable::new(&LeNet5::new(1, 10));
        let normed = ParameterTable::new(&LeNet5 { batch_norm: true, ..LeNet5::new(1, 10) });
        assert_eq!(normed.tensors()[..10], plain.tensors()[..]);
        assert_eq!(plain.trained_len(), plain.arena_len());
        // A weight, a bias and two running statistics for each of 6 + 16 + 120 + 84 channels.
        assert_eq!(normed.trained_len(), plain.arena_len() + 2 * 226);
        assert_eq!(normed.arena_len(), plain.arena_len() + 4 * 226);
        assert!(normed.tensors()[18..].iter().all(|tensor| tensor.name.contains("running")));
    }
}
