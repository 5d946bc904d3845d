//! Ensembles as ONNX files, run by tract.

use lenet_gpu::engine::mean_log_probabilities;
use lenet_gpu::export::{Format, Input, ensemble_to_onnx, to_bytes};
use lenet_gpu::model::{Activation, Ensemble, LeNet5, Model, ModelInfo, NamedModel};
use tract_onnx::prelude::*;

use crate::models::{GREY, images, logits, normalised, random_model};
use crate::onnx::run;

#[path = "../common/ensemble.rs"]
mod golden;

/// Batch sizes, run one after the other by the same session.
const BATCHES: [usize; 2] = [2, 4];

fn named(models: Vec<Model>) -> Ensemble {
    let named = models.into_iter().zip(["runs/\"a\"", "b", "c"]);
    Ensemble::new(named.map(|(model, name)| NamedModel { name: name.to_owned(), model }).collect()).unwrap()
}

/// Three networks with different layers.
fn three() -> Ensemble {
    let networks =
        [GREY, LeNet5 { batch_norm: true, ..GREY }, LeNet5 { activation: Activation::HardTanh, ..GREY }];
    named(networks.map(random_model).to_vec())
}

#[test]
fn the_mean_of_two_models_matches_pytorch() {
    let (ensemble, images) = (golden::models(), golden::images());
    let file = ensemble_to_onnx(&ensemble, Input::Normalised);
    let found = run(&file, &normalised(&images), &[3, 32, 32], &BATCHES);
    golden::assert_close("mean", &found, &golden::expected());
    let file = ensemble_to_onnx(&ensemble, Input::Raw { height: 32, width: 32 });
    let found = run(&file, &images.pixels, &[3, 32, 32], &BATCHES);
    golden::assert_close("mean from pixels", &found, &golden::expected());
}

#[test]
fn each_model_of_an_ensemble_has_its_own_layers() {
    let (ensemble, images) = (three(), images(6, GREY));
    let log_softmax = |row: &[f32]| -> Vec<f32> {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = row.iter().map(|z| (z - largest).exp()).sum();
        row.iter().map(|z| z - largest - total.ln()).collect()
    };
    let of_models = ensemble.members().iter().map(|member| {
        let logits = logits(&member.model, &images);
        logits.chunks_exact(10).flat_map(log_softmax).collect()
    });
    let expected = mean_log_probabilities(of_models.collect());
    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
    let file = ensemble_to_onnx(&ensemble, Input::Raw { height: 28, width: 28 });
    golden::assert_close("mean", &run(&file, &images.pixels, &[1, 28, 28], &BATCHES), &expected);
}

#[test]
fn the_metadata_lists_the_models() {
    let file = ensemble_to_onnx(&three(), Input::Normalised);
    let proto = tract_onnx::onnx().proto_model_for_read(&mut &*file).unwrap();
    let entry = proto.metadata_props.iter().find(|entry| entry.key == "ensemble").unwrap();
    let listed: serde_json::Value = serde_json::from_str(&entry.value).unwrap();
    let listed = listed.as_array().unwrap();
    let names: Vec<_> = listed.iter().map(|model| model["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["runs/\"a\"", "b", "c"]);
    assert!(listed.iter().all(|model| model["weights_hash"].as_str().unwrap().len() == 16), "{listed:?}");
    let graph = proto.graph.unwrap();
    assert_eq!((graph.input[0].name.as_str(), graph.output[0].name.as_str()), ("input", "log_probabilities"));
    let mut names: Vec<_> = graph.node.iter().map(|node| &node.name).collect();
    names.extend(graph.initializer.iter().map(|constant| &constant.name));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "no two nodes have the same name");
}

#[test]
fn an_ensemble_of_one_model_is_the_model() {
    let model = Model { info: ModelInfo::default(), ..random_model(GREY) };
    let alone = to_bytes(&model, Format::Onnx, Input::Normalised);
    assert_eq!(ensemble_to_onnx(&named(vec![model]), Input::Normalised), alone);
}
