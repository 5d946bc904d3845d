//! A small run, within its second epoch.

use lenet_gpu::engine::OptimizerState;
use lenet_gpu::model::{LeNet5, Model, ModelInfo, ParameterTable};
use lenet_gpu::train::{Checkpoint, EpochRecord, RunConfig, RunState};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The smallest network.
pub const NETWORK: LeNet5 = LeNet5::new(1, 2);

/// A checkpoint, with the values of each tensor in its file.
pub fn checkpoint(
    info: ModelInfo,
    state: RunState,
    config: RunConfig,
    values: &dyn Fn(&str) -> Vec<f32>,
) -> Checkpoint {
    let table = ParameterTable::new(&NETWORK);
    let all = |prefix: &str| {
        let tensors = table.tensors().iter();
        tensors.flat_map(|tensor| values(&format!("{prefix}{}", tensor.name))).collect()
    };
    let optimizer = OptimizerState {
        step: state.step,
        first_moment: all("optimizer.first_moment."),
        second_moment: all("optimizer.second_moment."),
    };
    let model = Model { network: NETWORK, parameters: all(""), info };
    Checkpoint { model, optimizer, state, config, images: "0123456789abcdef".to_owned() }
}

/// The metrics of an epoch.
pub fn record(epoch: u64) -> EpochRecord {
    EpochRecord {
        epoch,
        step: 10 * epoch,
        lr: 1e-3,
        train_loss: 0.5,
        train_accuracy: 0.875,
        validation_loss: None,
        validation_accuracy: None,
        test_loss: 0.25,
        test_accuracy: 0.75,
        seconds: 0.125,
        images_per_second: 5120.0,
        weights_hash: "0123456789abcdef".to_owned(),
    }
}

/// A run after an epoch and two steps.
pub fn state() -> RunState {
    read(json!({
        "step": 12, "epochs": 1, "tally": { "samples": 128, "correct": 100, "loss_sum": 30.5 },
        "epoch_seconds": 0.025, "seconds": 0.15, "last": record(1),
        "best": { "epoch": 1, "part": "test", "accuracy": 0.75 },
        "watch": { "lowest_loss": 0.25, "waited": 0 },
    }))
}

/// A run of three epochs of ten steps.
pub fn config() -> RunConfig {
    read(json!({
        "program": { "version": "0.1.0", "commit": "" },
        "engine": { "name": "CPU, 2 threads", "backend": "cpu" },
        "data": { "name": "MNIST (built in)", "train": 640, "test": 100 },
        "network": NETWORK,
        "weights": { "init": "pytorch" },
        "training": {
            "epochs": 3.0, "batch_size": 64, "learning_rate": 0.001, "seed": 1998, "shuffle": true,
            "schedule": { "shape": "cosine", "warmup": 0.1 }, "stopping": { "patience": 2 },
            "augmentation": { "shift": 2 }, "evaluations_per_epoch": 1, "checkpoint_every": 5,
        },
        "loss": { "kind": "nll", "reduction": "mean" },
        "optimizer": { "rule": { "adam": { "beta1": 0.9, "beta2": 0.999, "eps": 1e-8 } } },
        "options": { "epochs": 3, "seed": 1998 },
    }))
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("valid fields")
}
