//! Nodes one after the other, each taking what the one before gives.

use super::messages::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A graph without branches.
#[derive(Debug)]
pub struct Chain {
    input: ValueInfoProto,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Chain {
    pub fn new(input: ValueInfoProto) -> Self {
        Self { input, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// Appends a node, whose output has its name. It takes what the last one gives, and the constants named.
    pub fn then(&mut self, op_type: &str, name: &str, constants: &[&str], attribute: Vec<AttributeProto>) {
        let before = self.nodes.last().map_or(&self.input.name, |node| &node.output[0]);
        let constants = constants.iter().map(|&constant| constant.to_owned());
        self.nodes.push(NodeProto {
            input: [before.clone()].into_iter().chain(constants).collect(),
            output: vec![name.to_owned()],
            name: name.to_owned(),
            op_type: op_type.to_owned(),
            attribute,
        });
    }

    /// Adds a constant of f32; one number where the shape is empty.
    pub fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Float, shape, bytes);
    }

    /// Adds a list of whole numbers as a constant.
    pub fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes);
    }

    fn constant(&mut self, name: &str, data_type: DataType, shape: &[usize], raw_data: Vec<u8>) {
        let dims = shape.iter().map(|&side| side as i64).collect();
        self.initializers.push(TensorProto {
            dims,
            data_type: data_type as i32,
            name: name.to_owned(),
            raw_data,
        });
    }

    /// The whole graph; `output` describes what the last node gives.
    pub fn finish(self, name: &str, output: ValueInfoProto) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.initializers,
            input: vec![self.input],
            output: vec![output],
        }
    }
}

/// A value `[N, shape...]` for any N.
pub fn batch_of(name: &str, data_type: DataType, shape: &[usize], doc_string: &str) -> ValueInfoProto {
    let batch = Dimension { dim_value: None, dim_param: Some("N".to_owned()) };
    let sides = shape.iter().map(|&side| Dimension { dim_value: Some(side as i64), dim_param: None });
    let shape = TensorShapeProto { dim: [batch].into_iter().chain(sides).collect() };
    let tensor = TensorTypeProto { elem_type: data_type as i32, shape: Some(shape) };
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto { tensor_type: Some(tensor) }),
        doc_string: doc_string.to_owned(),
    }
}

pub fn int(name: &str, value: i64) -> AttributeProto {
    attribute(name, AttributeType::Int, AttributeProto { i: Some(value), ..Default::default() })
}

pub fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&value| value as i64).collect();
    attribute(name, AttributeType::Ints, AttributeProto { ints, ..Default::default() })
}

pub fn float(name: &str, value: f32) -> AttributeProto {
    attribute(name, AttributeType::Float, AttributeProto { f: Some(value), ..Default::default() })
}

fn attribute(name: &str, kind: AttributeType, value: AttributeProto) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..value }
}
