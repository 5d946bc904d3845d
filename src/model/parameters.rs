//! The parameter table: what each tensor is called (as PyTorch's `state_dict` names it), its shape,
//! and its place in the arena. The arena is one flat array of f32 in the table's order; gradients
//! and Adam's moments have the same layout.

use std::ops::Range;

use super::LeNet5;

/// Which operation a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    Conv,
    Dense,
}

/// What a tensor is to its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TensorRole {
    Weight,
    Bias,
}

/// One parameter tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// `conv1.weight`, `fc3.bias`, ...
    pub name: &'static str,
    pub shape: Vec<usize>,
    /// First value's place in the arena.
    pub offset: usize,
    pub kind: LayerKind,
    pub role: TensorRole,
    /// Inputs that one output of the layer sums over.
    pub fan_in: usize,
    /// Outputs that one input of the layer goes to.
    pub fan_out: usize,
}

impl Tensor {
    // A parameter tensor is never empty, so there is no `is_empty` to go with it.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensor's place in the arena.
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

    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Number of parameters: the length of the arena.
    pub fn arena_len(&self) -> usize {
        self.tensors.last().map_or(0, |tensor| tensor.offset + tensor.len())
    }

    /// Parameters of the convolutions, which come first in the arena.
    pub fn conv_len(&self) -> usize {
        self.get("fc1.weight").offset
    }

    /// # Panics
    /// Where `name` is no tensor of LeNet-5: names are written in this crate, not by users.
    pub fn get(&self, name: &str) -> &Tensor {
        self.tensors
            .iter()
            .find(|tensor| tensor.name == name)
            .unwrap_or_else(|| panic!("LeNet-5 has no tensor named {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_parameters_is_the_papers() {
        for (channels, expected) in [(1, 61_706), (3, 62_006)] {
            let table = ParameterTable::new(&LeNet5::new(channels, 10));
            assert_eq!(table.arena_len(), expected);
        }
    }

    #[test]
    fn tensors_follow_each_other_without_gaps() {
        let table = ParameterTable::new(&LeNet5::new(1, 10));
        let mut end = 0;
        for tensor in table.tensors() {
            assert_eq!(tensor.offset, end, "{}", tensor.name);
            end = tensor.range().end;
        }
        assert_eq!(table.conv_len(), 2_572);
    }
}
