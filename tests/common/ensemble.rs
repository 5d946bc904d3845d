//! The mean of the probabilities of two models, compared with PyTorch on any engine.
//!
//! The expected values are computed by PyTorch in double precision; see `make_ensemble.py` in `tests/golden`.

// Not every test program uses all of it.
#![allow(dead_code)]

use std::sync::Arc;

use lenet_gpu::data::ImageSet;
use lenet_gpu::engine::{Engine, EngineError, EnsembleEngine, Setup, Split, mean_log_probabilities};
use lenet_gpu::model::{
    Activation, Ensemble, Fit, LeNet5, Model, ModelInfo, NamedModel, ParameterTable, Tensor,
};
use safetensors::SafeTensors;

/// By which `make_ensemble.py` multiplies the weights of the last layer.
const SHARPNESS: f32 = 64.0;

/// The largest observed difference of log-probabilities up to 17 is 3e-5, for logits of hundreds.
const TOLERANCE: f64 = 2e-4;

pub fn golden<R>(name: &str, read: impl FnOnce(&SafeTensors) -> R) -> R {
    let path = format!("{}/tests/golden/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    read(&SafeTensors::deserialize(&std::fs::read(path).unwrap()).unwrap())
}

fn f32s(file: &SafeTensors, name: &str) -> Vec<f32> {
    file.tensor(name).unwrap().data().as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

pub fn f64s(file: &SafeTensors, name: &str) -> Vec<f64> {
    file.tensor(name).unwrap().data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
}

/// A plain network, and one with batch normalisation and tanh.
pub fn models() -> Ensemble {
    let plain = LeNet5::new(3, 10);
    let normalised = LeNet5 { batch_norm: true, activation: Activation::Tanh, ..plain };
    let stored =
        |tensor: &Tensor| golden("networks", |file| f32s(file, &format!("parameters.{}", tensor.name)));
    let arenas = [
        golden("lenet_c3", |file| f32s(file, "parameters")),
        ParameterTable::new(&normalised).tensors().iter().flat_map(stored).collect(),
    ];
    let members = [plain, normalised].into_iter().zip(arenas).map(|(network, mut parameters)| {
        for tensor in ParameterTable::new(&network).tensors() {
            if tensor.name == "fc3.weight" {
                parameters[tensor.range()].iter_mut().for_each(|weight| *weight *= SHARPNESS);
            }
        }
        let info = ModelInfo { fit: Some(Fit::Pad), ..ModelInfo::default() };
        NamedModel { name: network.activation.to_string(), model: Model { network, parameters, info } }
    });
    Ensemble::new(members.collect()).unwrap()
}

/// The images of the golden file.
pub fn images() -> ImageSet {
    golden("ensemble", |file| {
        let labels =
            file.tensor("labels").unwrap().data().as_chunks::<4>().0.iter().map(|&bytes| bytes[0].into());
        let pixels = file.tensor("images").unwrap().data().to_vec();
        ImageSet::new(3, 32, 32, pixels, labels.collect()).unwrap()
    })
}

/// PyTorch's logarithms of the mean probabilities of [`models`] for [`images`].
pub fn expected() -> Vec<f64> {
    golden("ensemble", |file| f64s(file, "mean_logs"))
}

#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(found) - expected).abs();
        assert!(difference <= TOLERANCE, "{what}[{index}] is {found}, PyTorch has {expected}");
    }
}

/// Asserts that an engine gives PyTorch's log-probabilities of each model and of their mean.
#[track_caller]
pub fn assert_matches_pytorch(open: impl FnMut(&Setup) -> Result<Box<dyn Engine>, EngineError>) {
    let mut engine = EnsembleEngine::new(&models(), open).unwrap();
    engine.load(Split::Test, &Arc::new(images())).unwrap();
    let found = engine.log_probabilities(Split::Test).unwrap();
    assert_close("models", &found.concat(), &golden("ensemble", |file| f64s(file, "logs")));
    assert_close("mean", &mean_log_probabilities(found), &expected());
}
