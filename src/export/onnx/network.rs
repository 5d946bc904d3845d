//! LeNet-5, or an ensemble of them, as a graph of ONNX operators, with constants under PyTorch's names.

use super::graph::{Chain, batch_of, float, int, ints};
use super::messages::{DataType, GraphProto};
use crate::export::Input;
use crate::model::lenet::IMAGE_SIDE;
use crate::model::{Activation, ConvShape, Ensemble, LeNet5, Model, NormShape, ParameterTable, PoolShape};

/// Builds the network from its input to the logits.
///
/// # Panics
/// If the number of parameters is not the network's.
pub(super) fn graph(model: &Model, input: Input) -> GraphProto {
    let network = &model.network;
    let mut chain = start(network.channels, input);
    layers(&mut chain, model);
    let logits = batch_of(
        "logits",
        DataType::Float,
        &[network.classes],
        "a value for each class; the largest is the prediction",
    );
    chain.finish("LeNet-5", logits)
}

/// Builds the networks of an ensemble, which share the input, and the logarithm of the mean of their probabilities:
/// m + ln Σ exp(lᵢ − m) − ln N of the N networks' log-probabilities lᵢ, with m = max lᵢ, so that nothing underflows.
///
/// # Panics
/// If the number of a model's parameters is not its network's.
pub(super) fn ensemble_graph(ensemble: &Ensemble, input: Input) -> GraphProto {
    let LeNet5 { channels, classes, .. } = ensemble.lead().network;
    let mut chain = start(channels, input);
    let start = chain.last();
    let prefix = |index| format!("models.{index}.");
    let mut logs = Vec::new();
    for (index, member) in ensemble.members().iter().enumerate() {
        chain.branch(&start, &prefix(index));
        layers(&mut chain, &member.model);
        chain.then("LogSoftmax", "log_softmax", &[], vec![int("axis", 1)]);
        logs.push(chain.last());
    }
    chain.branch(&start, "");
    chain.join("Max", "largest", &logs);
    let mut shares = Vec::new();
    for (index, log) in logs.into_iter().enumerate() {
        let name = |what: &str| prefix(index) + what;
        chain.join("Sub", &name("difference"), &[log, "largest".to_owned()]);
        chain.then("Exp", &name("share"), &[], vec![]);
        shares.push(chain.last());
    }
    chain.join("Sum", "sum", &shares);
    chain.then("Log", "log_sum", &[], vec![]);
    chain.then("Add", "log_total", &["largest"], vec![]);
    chain.floats("log_count", &[], &[libm::log(shares.len() as f64) as f32]);
    chain.then("Sub", "log_probabilities", &["log_count"], vec![]);
    let logs = batch_of(
        "log_probabilities",
        DataType::Float,
        &[classes],
        "the natural logarithm of the mean probability of each class; the largest is the prediction",
    );
    chain.finish("Ensemble of LeNet-5", logs)
}

/// Adds the layers up to the logits, with their parameters.
fn layers(chain: &mut Chain, model: &Model) {
    let network = &model.network;
    parameters(chain, model);
    if network.activation == Activation::HardTanh {
        chain.floats("minus_one", &[], &[-1.0]);
        chain.floats("one", &[], &[1.0]);
    }

    convolution(chain, "conv1", network.conv1());
    chain.then("Relu", "relu1", &[], vec![]);
    batch_norm(chain, model, "bn1");
    max_pool(chain, "pool1", network.pool1());

    convolution(chain, "conv2", network.conv2());
    chain.then("Relu", "relu2", &[], vec![]);
    batch_norm(chain, model, "bn2");
    max_pool(chain, "pool2", network.pool2());

    chain.then("Flatten", "flatten", &[], vec![int("axis", 1)]);
    dense(chain, "fc1", "fc1");
    activation(chain, "activation1", network.activation);
    batch_norm(chain, model, "bn3");

    dense(chain, "fc2", "fc2");
    activation(chain, "activation2", network.activation);
    batch_norm(chain, model, "bn4");

    dense(chain, "fc3", "logits");
}

/// Builds the nodes from the graph's input to the first layer's input.
fn start(channels: usize, input: Input) -> Chain {
    let (height, width) = input.size();
    let shape = [channels, height, width];
    if input == Input::Normalised {
        return Chain::new(batch_of("input", DataType::Float, &shape, input.values()));
    }
    let mut chain = Chain::new(batch_of("pixels", DataType::Uint8, &shape, input.values()));
    chain.then("Cast", "floats", &[], vec![int("to", DataType::Float as i64)]);
    let (top, left) = input.margins();
    let [bottom, right] = [IMAGE_SIDE - height - top, IMAGE_SIDE - width - left];
    if top + bottom + left + right > 0 {
        // Padding before each of N, C, H and W, then after each; the padding value is 0.
        let margins = [0, 0, top, left, 0, 0, bottom, right].map(|margin| margin as i64);
        chain.integers("margins", &margins);
        chain.then("Pad", "padded", &["margins"], vec![]);
    }
    chain.floats("full", &[], &[255.0]);
    chain.floats("half", &[], &[0.5]);
    chain.then("Div", "shares", &["full"], vec![]);
    chain.then("Sub", "centred", &["half"], vec![]);
    chain.then("Div", "normalised", &["half"], vec![]);
    chain
}

/// Adds all tensors as constants.
fn parameters(chain: &mut Chain, model: &Model) {
    let table = ParameterTable::new(&model.network);
    assert_eq!(model.parameters.len(), table.arena_len(), "the parameters belong to another network");
    for tensor in table.tensors() {
        chain.floats(tensor.name, &tensor.shape, &model.parameters[tensor.range()]);
    }
}

fn convolution(chain: &mut Chain, layer: &str, shape: ConvShape) {
    let constants = [format!("{layer}.weight"), format!("{layer}.bias")];
    let attributes = vec![
        ints("kernel_shape", &[shape.size; 2]),
        ints("strides", &[shape.stride; 2]),
        ints("pads", &[shape.padding; 4]),
    ];
    chain.then("Conv", layer, &constants.each_ref().map(String::as_str), attributes);
}

fn max_pool(chain: &mut Chain, layer: &str, shape: PoolShape) {
    let attributes = vec![ints("kernel_shape", &[shape.window; 2]), ints("strides", &[shape.stride; 2])];
    chain.then("MaxPool", layer, &[], attributes);
}

/// y = x Wᵀ + bias, in a node called `name`.
fn dense(chain: &mut Chain, layer: &str, name: &str) {
    let constants = [format!("{layer}.weight"), format!("{layer}.bias")];
    chain.then("Gemm", name, &constants.each_ref().map(String::as_str), vec![int("transB", 1)]);
}

/// Batch normalisation with running statistics, if the network has it.
fn batch_norm(chain: &mut Chain, model: &Model, layer: &str) {
    if model.network.batch_norm {
        let constants =
            ["weight", "bias", "running_mean", "running_var"].map(|part| format!("{layer}.{part}"));
        let epsilon = float("epsilon", NormShape::EPS as f32);
        chain.then("BatchNormalization", layer, &constants.each_ref().map(String::as_str), vec![epsilon]);
    }
}

fn activation(chain: &mut Chain, name: &str, activation: Activation) {
    let mut elementwise = |op_type| chain.then(op_type, name, &[], vec![]);
    match activation {
        Activation::Identity => {}
        Activation::Relu => elementwise("Relu"),
        Activation::Sigmoid => elementwise("Sigmoid"),
        Activation::Sign => elementwise("Sign"),
        Activation::Tanh => elementwise("Tanh"),
        Activation::HardTanh => chain.then("Clip", name, &["minus_one", "one"], vec![]),
        Activation::LogSoftmax => chain.then("LogSoftmax", name, &[], vec![int("axis", 1)]),
    }
}
