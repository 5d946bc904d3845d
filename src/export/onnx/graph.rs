//! Chains of ONNX nodes, each taking the previous node's output.

use super::messages::{
    AttributeProto, AttributeType, DataType, Dimension, GraphProto, NodeProto, TensorProto, TensorShapeProto,
    TensorTypeProto, TypeProto, ValueInfoProto,
};

/// A graph that grows at its end. Branches start at the output of an earlier node and are joined later.
#[derive(Debug)]
pub(super) struct Chain {
    input: ValueInfoProto,
    /// The value that the next node takes.
    last: String,
    /// Precedes the names of nodes and constants.
    prefix: String,
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
}

impl Chain {
    pub(super) fn new(input: ValueInfoProto) -> Self {
        let (last, prefix) = (input.name.clone(), String::new());
        Self { input, last, prefix, nodes: Vec::new(), initializers: Vec::new() }
    }

    /// Appends a node, whose output has the same name. Its inputs are the previous node's output and the named constants.
    pub(super) fn then(
        &mut self,
        op_type: &str,
        name: &str,
        constants: &[&str],
        attribute: Vec<AttributeProto>,
    ) {
        let constants = constants.iter().map(|constant| format!("{}{constant}", self.prefix));
        let input = [self.last.clone()].into_iter().chain(constants).collect();
        self.node(op_type, name, input, attribute);
    }

    /// Appends a node that takes the outputs of several others.
    pub(super) fn join(&mut self, op_type: &str, name: &str, inputs: &[String]) {
        self.node(op_type, name, inputs.to_vec(), vec![]);
    }

    fn node(&mut self, op_type: &str, name: &str, input: Vec<String>, attribute: Vec<AttributeProto>) {
        self.last = format!("{}{name}", self.prefix);
        self.nodes.push(NodeProto {
            input,
            output: vec![self.last.clone()],
            name: self.last.clone(),
            op_type: op_type.to_owned(),
            attribute,
        });
    }

    /// The value that the next node takes.
    pub(super) fn last(&self) -> String {
        self.last.clone()
    }

    /// Starts a branch at an earlier value. The names of its nodes and constants begin with `prefix`, which is empty for
    /// those outside branches.
    pub(super) fn branch(&mut self, from: &str, prefix: &str) {
        self.last = from.to_owned();
        self.prefix = prefix.to_owned();
    }

    /// Adds an f32 constant; an empty shape is a scalar.
    pub(super) fn floats(&mut self, name: &str, shape: &[usize], values: &[f32]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Float, shape, bytes);
    }

    /// Adds an i64 vector as a constant.
    pub(super) fn integers(&mut self, name: &str, values: &[i64]) {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes);
    }

    fn constant(&mut self, name: &str, data_type: DataType, shape: &[usize], raw_data: Vec<u8>) {
        let dims = shape.iter().map(|&side| side as i64).collect();
        self.initializers.push(TensorProto {
            dims,
            data_type: data_type as i32,
            name: format!("{}{name}", self.prefix),
            raw_data,
        });
    }

    /// Returns the graph; `output` describes the last node's output.
    pub(super) fn finish(self, name: &str, output: ValueInfoProto) -> GraphProto {
        GraphProto {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.initializers,
            input: vec![self.input],
            output: vec![output],
        }
    }
}

/// Describes a value of shape `[N, shape...]` for any N.
pub(super) fn batch_of(name: &str, data_type: DataType, shape: &[usize], doc_string: &str) -> ValueInfoProto {
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

pub(super) fn int(name: &str, value: i64) -> AttributeProto {
    attribute(name, AttributeType::Int, AttributeProto { i: Some(value), ..Default::default() })
}

pub(super) fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|&value| value as i64).collect();
    attribute(name, AttributeType::Ints, AttributeProto { ints, ..Default::default() })
}

pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    attribute(name, AttributeType::Float, AttributeProto { f: Some(value), ..Default::default() })
}

fn attribute(name: &str, kind: AttributeType, value: AttributeProto) -> AttributeProto {
    AttributeProto { name: name.to_owned(), r#type: kind as i32, ..value }
}
