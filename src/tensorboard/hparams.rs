//! The hyper-parameters of a run, for TensorBoard's HParams tab.
//!
//! Every run has the same ones, so that runs with different options can be compared in one table. They are named as the
//! options of the command line. Only those that the optimizer has depend on it.
//!
//! No experiment is described: TensorBoard would take the first one that it finds for all runs in the folder. Without one
//! it finds the hyper-parameters and the metrics in the runs themselves.

use serde::Serialize;

use super::messages::{
    DataType, Dimension, HParamsEntry, HParamsPluginData, PluginData, SessionEndInfo, SessionStartInfo,
    SummaryMetadata, SummaryValue, TensorProto, TensorShapeProto, Value,
};
use crate::engine::{Adam, Loss, Optimizer, Rule, Sgd};
use crate::train::{InitialWeights, RunConfig, TrainingConfig};

/// The hyper-parameters at the start of a run.
pub(super) fn start(config: &RunConfig, start_time_secs: f64) -> SummaryValue {
    let hparams = hparams(config)
        .into_iter()
        .map(|(key, value)| HParamsEntry { key: key.to_owned(), value: Some(value) })
        .collect();
    let session_start_info = Some(SessionStartInfo { hparams, start_time_secs });
    value("_hparams_/session_start_info", HParamsPluginData { session_start_info, session_end_info: None })
}

/// How a run has ended.
pub(super) fn end(info: SessionEndInfo) -> SummaryValue {
    let data = HParamsPluginData { session_start_info: None, session_end_info: Some(info) };
    value("_hparams_/session_end_info", data)
}

/// A value whose data are in its metadata. TensorBoard requires a tensor beside it, which is empty.
fn value(tag: &str, data: HParamsPluginData) -> SummaryValue {
    let content = prost::Message::encode_to_vec(&data);
    let plugin_data = Some(PluginData { plugin_name: "hparams".to_owned(), content });
    let tensor_shape = Some(TensorShapeProto { dim: vec![Dimension { size: 0 }] });
    SummaryValue {
        tag: tag.to_owned(),
        metadata: Some(SummaryMetadata { plugin_data }),
        tensor: Some(TensorProto { dtype: DataType::Float.into(), tensor_shape, ..TensorProto::default() }),
        ..SummaryValue::default()
    }
}

fn hparams(config: &RunConfig) -> Vec<(&'static str, Value)> {
    let RunConfig { engine, data, network, weights, training, loss, optimizer, .. } = config;
    let TrainingConfig { schedule, augmentation, class_weights, .. } = training;
    let Loss { kind, reduction, label_smoothing } = loss;
    let Optimizer { rule, weight_decay, clip, frozen, .. } = optimizer;
    let init = match weights {
        InitialWeights::Init(init) => name(init),
        InitialWeights::InitFrom(path) | InitialWeights::FineTune { init_from: path, .. } => {
            text(path.display().to_string())
        }
    };
    let mut hparams = vec![
        ("dataset", text(data.name.clone())),
        ("training-images", number(data.train as f64)),
        ("epochs", number(training.epochs)),
        ("batch-size", number(training.batch_size as f64)),
        ("lr", single(training.learning_rate)),
        ("schedule", name(schedule.shape)),
        ("warmup", number(schedule.warmup)),
        ("seed", number(training.seed as f64)),
        ("shuffle", flag(training.shuffle)),
        ("optimizer", text(if matches!(rule, Rule::Adam(_)) { "adam" } else { "sgd" })),
        ("weight-decay", single(*weight_decay)),
        ("clip-norm", single(clip.norm.unwrap_or(0.0))),
        ("activation", text(network.activation.to_string())),
        ("batch-norm", flag(network.batch_norm)),
        ("init", init),
        ("freeze", name(frozen)),
        ("loss", name(kind)),
        ("reduction", name(reduction)),
        ("label-smoothing", single(*label_smoothing)),
        ("class-weights", flag(class_weights.is_some())),
        ("shift", number(augmentation.shift.into())),
        ("flip", flag(augmentation.flip)),
        ("rotate", single(augmentation.rotate)),
        ("scale", single(augmentation.scale)),
        ("device", text(engine.name.clone())),
    ];
    match *rule {
        Rule::Adam(Adam { beta1, beta2, eps, .. }) => {
            hparams.extend([("beta1", single(beta1)), ("beta2", single(beta2)), ("eps", single(eps))]);
        }
        Rule::Sgd(Sgd { momentum, nesterov }) => {
            hparams.extend([("momentum", single(momentum)), ("nesterov", flag(nesterov))]);
        }
    }
    hparams
}

fn number(value: f64) -> Value {
    Value { number_value: Some(value), ..Value::default() }
}

/// A number that is shown with the digits that were typed: 0.001 instead of 0.0010000000474974513.
fn single(value: f32) -> Value {
    number(value.to_string().parse().unwrap_or(f64::from(value)))
}

fn text(value: impl Into<String>) -> Value {
    Value { string_value: Some(value.into()), ..Value::default() }
}

fn flag(value: bool) -> Value {
    Value { bool_value: Some(value), ..Value::default() }
}

/// A choice by the name that files and options use.
fn name(choice: impl Serialize) -> Value {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(name)) => text(name),
        _ => text("?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensorboard::run_events::tests::config;

    fn named(config: &RunConfig, wanted: &str) -> Option<Value> {
        hparams(config).into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    #[test]
    fn hyper_parameters_have_the_names_and_digits_of_options() {
        let mut config = config();
        assert_eq!(named(&config, "lr"), Some(number(0.001)));
        assert_eq!(named(&config, "schedule"), Some(text("constant")));
        assert_eq!(named(&config, "init"), Some(text("pytorch")));
        assert_eq!(named(&config, "beta2"), Some(number(0.999)));
        assert_eq!(named(&config, "freeze"), Some(text("none")));
        assert_eq!(named(&config, "momentum"), None);
        config.optimizer.rule = Rule::Sgd(Sgd { momentum: 0.9, nesterov: true });
        assert_eq!(named(&config, "momentum"), Some(number(0.9)));
        assert_eq!(named(&config, "optimizer"), Some(text("sgd")));
        assert!(hparams(&config).iter().all(|(_, value)| *value != text("?")));
    }
}
