//! The network as an ONNX file. Its input is called `input` (normalised values) or `pixels` (bytes), its output is
//! `logits`, f32 `[N, K]`, or `log_probabilities` for an ensemble. The number of images N is free.

mod graph;
mod messages;
mod network;

use prost::Message;
use serde_json::{Value, json};

use super::Input;
use crate::model::{Ensemble, Model, NamedModel};
use crate::train::weights_hash;
use crate::version;
use messages::{GraphProto, ModelProto, OperatorSetIdProto, StringStringEntryProto};

/// The version of ONNX's operator set. Version 17, of 2022, is widely supported and has all operators needed.
const OPSET: i64 = 17;

/// The version of the file structure, published together with [`OPSET`].
const IR_VERSION: i64 = 8;

/// Returns the content of the ONNX file.
///
/// # Panics
/// If the number of parameters is not the network's.
pub(super) fn to_bytes(model: &Model, input: Input) -> Vec<u8> {
    file(network::graph(model, input), metadata(model))
}

/// The same for an ensemble of several models.
///
/// # Panics
/// As [`to_bytes`].
pub(super) fn ensemble_to_bytes(ensemble: &Ensemble, input: Input) -> Vec<u8> {
    let members = ensemble.members().iter().map(
        |NamedModel { name, model }| json!({ "name": name, "weights_hash": weights_hash(&model.parameters) }),
    );
    let mut metadata = metadata(ensemble.lead());
    metadata.push(entry("ensemble", members.collect::<Value>().to_string()));
    file(network::ensemble_graph(ensemble, input), metadata)
}

fn file(graph: GraphProto, metadata_props: Vec<StringStringEntryProto>) -> Vec<u8> {
    let file = ModelProto {
        ir_version: IR_VERSION,
        producer_name: env!("CARGO_PKG_NAME").to_owned(),
        producer_version: version::VERSION_WITH_COMMIT.to_owned(),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props,
    };
    file.encode_to_vec()
}

/// What is known about the model, under the names used in the safetensors file; the class names are a JSON array.
fn metadata(model: &Model) -> Vec<StringStringEntryProto> {
    let info = &model.info;
    let entries = [
        ("dataset", info.dataset.clone()),
        ("fit", info.fit.map(|fit| json!(fit).as_str().expect("a fit is a word").to_owned())),
        ("class_names", info.class_names.as_ref().map(|names| json!(names).to_string())),
    ];
    entries.into_iter().filter_map(|(key, value)| Some(entry(key, value?))).collect()
}

fn entry(key: &str, value: String) -> StringStringEntryProto {
    StringStringEntryProto { key: key.to_owned(), value }
}
