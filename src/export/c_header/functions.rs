//! The functions of the header that depend on the network.

use super::literals::string;
use crate::export::Input;
use crate::model::Activation;
use crate::model::lenet::IMAGE_SIDE;

/// The C type of an input pixel.
pub(super) fn input_type(input: Input) -> &'static str {
    match input {
        Input::Normalised => "float",
        Input::Raw { .. } => "uint8_t",
    }
}

/// The `#include` lines that the functions need.
pub(super) fn includes(activation: Activation, input: Input) -> String {
    let math = match activation {
        Activation::Sigmoid | Activation::Tanh | Activation::LogSoftmax => "#include <math.h>\n",
        Activation::Identity | Activation::Relu | Activation::Sign | Activation::HardTanh => "",
    };
    let integers = if input == Input::Normalised { "" } else { "#include <stdint.h>\n" };
    let includes = format!("{math}{integers}");
    if includes.is_empty() { includes } else { includes + "\n" }
}

/// `lenet_class_name`, a table lookup.
pub(super) fn class_name(names: &[String]) -> String {
    let names: String = names.iter().map(|name| format!("        {},\n", string(name))).collect();
    format!(
        "\
/* The name is in UTF-8; label must be below LENET_CLASSES. */
static inline const char *lenet_class_name(int label)
{{
    static const char *const names[LENET_CLASSES] = {{
{names}    }};
    return names[label];
}}

"
    )
}

/// `lenet_input` and `lenet_pixel`: the first layer's input at a position in 32×32.
pub(super) fn pixel(input: Input) -> String {
    let kind = input_type(input);
    let ((height, width), (top, left)) = (input.size(), input.margins());
    let full = height == IMAGE_SIDE && width == IMAGE_SIDE;
    let index = "(channel * LENET_HEIGHT + row) * LENET_WIDTH + column";
    let body = match input {
        Input::Normalised => format!("    return image[{index}];\n"),
        Input::Raw { .. } => {
            let bounds = format!(
                "    row -= {top};
    column -= {left};
    if (row < 0 || row >= LENET_HEIGHT || column < 0 || column >= LENET_WIDTH)
        return -1.0f; /* padding is black */
"
            );
            let bounds = if full { "" } else { &bounds };
            format!("{bounds}    return ((float)image[{index}] / 255.0f - 0.5f) / 0.5f;\n")
        }
    };
    format!(
        "\
typedef {kind} lenet_input;

/* The first layer's input at a position in {IMAGE_SIDE}x{IMAGE_SIDE}. */
static inline float lenet_pixel(const lenet_input *image, int channel, int row, int column)
{{
{body}}}

"
    )
}

/// `lenet_activate`: the activation of fc1 and fc2.
pub(super) fn activate(activation: Activation) -> String {
    let each = |y: &str| format!("    for (int i = 0; i < count; i++)\n        values[i] = {y};\n");
    let body = match activation {
        Activation::Identity => "    (void)values;\n    (void)count;\n".to_owned(),
        Activation::Relu => each("values[i] > 0.0f ? values[i] : 0.0f"),
        Activation::Sigmoid => each("1.0f / (1.0f + expf(-values[i]))"),
        Activation::Sign => each("(float)((values[i] > 0.0f) - (values[i] < 0.0f))"),
        Activation::Tanh => each("tanhf(values[i])"),
        Activation::HardTanh => each("values[i] > 1.0f ? 1.0f : values[i] < -1.0f ? -1.0f : values[i]"),
        Activation::LogSoftmax => "\
    float largest = values[0], sum = 0.0f;
    for (int i = 1; i < count; i++)
        if (values[i] > largest)
            largest = values[i];
    for (int i = 0; i < count; i++)
        sum += expf(values[i] - largest);
    for (int i = 0; i < count; i++)
        values[i] = values[i] - largest - logf(sum);
"
        .to_owned(),
    };
    format!(
        "/* The activation of fc1 and fc2. */\nstatic inline void lenet_activate(float *values, int count)\n{{\n{body}}}\n\n"
    )
}
