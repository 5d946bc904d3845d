//! A summary as JSON.

use serde_json::{Value, json};

use super::provenance::Provenance;
use crate::model::LeNet5;
use crate::model::summary::{LayerSummary, NetworkTotals};

/// The whole summary as one object. Shapes are those of one image: channels, height and width; sizes are in bytes,
/// accuracies are fractions. `model` is `null` for a new network, and its fields are `null` if nothing is known.
pub fn object(network: &LeNet5, layers: &[LayerSummary], provenance: Option<&Provenance>) -> Value {
    let totals = NetworkTotals::of(layers);
    let layers = layers.iter().map(|layer| {
        json!({
            "layer": layer.name,
            "operation": layer.operation,
            "output_shape": layer.shape,
            "parameters": layer.parameters,
            "running_statistics": layer.statistics,
            "multiply_adds": layer.multiply_adds,
            "backward_multiply_adds": layer.backward_multiply_adds,
            "parameter_bytes": layer.parameter_bytes(),
            "activation_bytes": layer.activation_bytes(),
        })
    });
    json!({
        "network": {
            "channels": network.channels,
            "classes": network.classes,
            "batch_norm": network.batch_norm,
            "activation": network.activation,
        },
        "layers": layers.collect::<Value>(),
        "totals": {
            "parameters": totals.parameters,
            "running_statistics": totals.statistics,
            "multiply_adds": totals.multiply_adds,
            "training_multiply_adds": totals.training_multiply_adds,
            "parameter_bytes": totals.parameter_bytes(),
            "activation_bytes": totals.activation_bytes(),
        },
        "model": provenance.map(model),
    })
}

fn model(provenance: &Provenance) -> Value {
    let Provenance { path, bytes, writer, weights_hash, info, classes, run } = provenance;
    let record = provenance.record();
    json!({
        "path": path.display().to_string(),
        "bytes": bytes,
        "format_version": writer.as_ref().map(|writer| writer.format),
        "written_by": writer.as_ref().and_then(|writer| writer.program.as_ref()),
        "program": provenance.program(),
        "weights_hash": weights_hash,
        "dataset": info.dataset,
        "source": info.source,
        "fit": info.fit,
        "class_names": info.classes(*classes),
        "selected": info.selected,
        "epoch": provenance.epoch(),
        "test_accuracy": record.map(|record| record.test_accuracy),
        "validation_accuracy": record.and_then(|record| record.validation_accuracy),
        "run": run.as_ref().map(|run| json!({
            "name": run.name,
            "status": run.status,
            "epochs": run.epochs,
            "device": run.config.engine.name,
            "driver": run.config.engine.driver,
            "train_images": run.config.data.train,
            "validation_images": run.config.data.validation,
            "test_images": run.config.data.test,
            "command": run.command,
            "record": record,
        })),
    })
}
