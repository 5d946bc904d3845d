//! The network as one header of plain C99: arrays of its weights, and `lenet_predict`, which needs nothing else
//! but the standard library's exponentials.

mod functions;
mod literals;

use std::fmt::Write as _;

use super::Input;
use crate::model::{Activation, Model, NormShape, ParameterTable};
use crate::version::VERSION_WITH_COMMIT;
use literals::{comment, floats};

/// The forward pass, the same for every network. It goes by what stands before it in the file: `LENET_` constants,
/// arrays, `lenet_input`, `lenet_pixel` and `lenet_activate`.
const FORWARD: &str = include_str!("forward.h");

/// Bytes of `lenet_predict`'s own arrays: what five convolutions of a pool window see, both pools, fc1 and fc2.
const ARRAYS: usize = 4 * (6 * 6 * 6 + 6 * 14 * 14 + 16 * 5 * 5 + 120 + 84);

/// The content of a header file.
///
/// # Panics
/// Where the parameters are not the network's.
pub fn text(model: &Model, input: Input) -> String {
    let arrays = arrays(model);
    let mut text = essay(model, input, arrays.iter().map(|array| 4 * array.values.len()).sum());
    text += "#ifndef LENET_H\n#define LENET_H\n\n";
    text += &functions::includes(model.network.activation, input);
    text += &defines(model, input);
    for array in arrays {
        let Array { name, shape, values } = array;
        let length = values.len();
        write!(
            text,
            "/* {shape} */\nstatic const float lenet_{name}[{length}] = {{\n{}}};\n\n",
            floats(&values)
        )
        .expect("a String takes all");
    }
    if let Some(names) = &model.about.class_names {
        text += &functions::class_name(names);
    }
    text += &functions::pixel(input);
    text += &functions::activate(model.network.activation);
    text + FORWARD + "\n#endif\n"
}

/// One tensor as C has it.
struct Array {
    name: String,
    /// `[6][1][5][5]`
    shape: String,
    values: Vec<f32>,
}

/// The tensors in the table's order; a batch normalisation's four become its scale and its shift.
fn arrays(model: &Model) -> Vec<Array> {
    let table = ParameterTable::new(&model.network);
    assert_eq!(model.parameters.len(), table.arena_len(), "the parameters belong to another network");
    let values = |name: &str| &model.parameters[table.get(name).range()];
    let layers = table.tensors().iter().filter(|tensor| !tensor.name.starts_with("bn")).map(|tensor| Array {
        name: tensor.name.replace('.', "_"),
        shape: tensor.shape.iter().map(|side| format!("[{side}]")).collect(),
        values: values(tensor.name).to_vec(),
    });
    let mut arrays: Vec<Array> = layers.collect();
    if model.network.batch_norm {
        for norm in ["bn1", "bn2", "bn3", "bn4"] {
            let part = |part: &str| values(&format!("{norm}.{part}"));
            let [weight, bias, mean, variance] = ["weight", "bias", "running_mean", "running_var"].map(part);
            let scale = |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + NormShape::EPS).sqrt();
            let shift = |c: usize| f64::from(bias[c]) - f64::from(mean[c]) * scale(c);
            let channels = weight.len();
            let array = |part: &str, value: &dyn Fn(usize) -> f64| Array {
                name: format!("{norm}_{part}"),
                shape: format!("[{channels}]"),
                values: (0..channels).map(|c| value(c) as f32).collect(),
            };
            arrays.extend([array("scale", &scale), array("shift", &shift)]);
        }
    }
    arrays
}

/// The comment that the file begins with.
fn essay(model: &Model, input: Input, bytes: usize) -> String {
    let (network, (height, width)) = (&model.network, input.size());
    let of = model.about.dataset.as_ref().map(|dataset| format!(", trained on {}", comment(dataset)));
    let norm = if network.batch_norm { " and batch norm" } else { "" };
    let kind = functions::input_type(input);
    format!(
        "\
/* LeNet-5 for {classes} classes{of}: its weights and its forward pass, in plain C99.
 * Made by lenet-gpu {VERSION_WITH_COMMIT}.
 *
 *     float logits[LENET_CLASSES];
 *     int label = lenet_predict(image, logits);
 *
 * Image: {kind} [{channels}][{height}][{width}]: channels, rows from the top, columns from the left.
 * Values: {values}.
 * Network: conv1, ReLU{norm}, 2x2 max-pool; conv2, the same; fc1, {activation}{norm}; fc2, the same; fc3.
 * Arrays: row-major; [outputs][inputs][rows][columns] of a convolution, [outputs][inputs] of a dense layer.
 * Memory: {bytes} bytes of constants; a call takes {ARRAYS} bytes of stack for its arrays, and some for its
 * variables. Nothing is allocated and nothing kept, so calls may run at the same time. int has 32 bits.
 */
",
        classes = network.classes,
        of = of.unwrap_or_default(),
        channels = network.channels,
        values = input.values(),
        activation = match network.activation {
            Activation::Identity => "no activation",
            Activation::Relu => "ReLU",
            Activation::Sigmoid => "sigmoid",
            Activation::Sign => "sign",
            Activation::Tanh => "tanh",
            Activation::HardTanh => "hard tanh",
            Activation::LogSoftmax => "log-softmax",
        },
    )
}

/// The sizes, and which arrays a layer is normalised by.
fn defines(model: &Model, input: Input) -> String {
    let (height, width) = input.size();
    let norm = match model.network.batch_norm {
        true => "lenet_##layer##_scale, lenet_##layer##_shift",
        false => "0, 0 /* not normalised */",
    };
    format!(
        "\
#define LENET_CHANNELS {}
#define LENET_HEIGHT {height}
#define LENET_WIDTH {width}
#define LENET_CLASSES {}
#define LENET_NORM(layer) {norm}

",
        model.network.channels, model.network.classes
    )
}
