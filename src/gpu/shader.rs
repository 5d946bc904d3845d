//! Composes a kernel's WGSL: its file, the files of `shaders/shared/` that it imports (each once, before
//! it), and the constants that the host writes into it. Shapes are constants so that loops have known
//! bounds and blocks stay in registers. Some imports are a [`Choice`]: what stands for `#import activation`
//! is one file of `shaders/activations/`, so that no kernel asks which one it has.

use std::fmt::Write;

use super::kernel_config::FilterMemory;
use crate::model::Activation;

/// `[(name, text of shaders/FOLDERname.wgsl)]`.
macro_rules! sources {
    ($folder:literal, [$($name:literal),* $(,)?]) => {
        [$(($name, include_str!(concat!("../../shaders/", $folder, $name, ".wgsl")))),*]
    };
}

/// The kernels: every file directly in `shaders/`.
pub const KERNELS: &[(&str, &str)] = &sources!(
    "",
    [
        "accumulate",
        "adam",
        "batch_norm_backward_input",
        "batch_norm_backward_weight",
        "batch_norm_forward",
        "batch_norm_statistics",
        "conv_backward_input",
        "conv_backward_weight",
        "conv_forward",
        "dense_backward",
        "dense_forward",
        "dense_log_softmax",
        "dense_mse",
        "dense_raw_nll",
        "fused_conv_backward",
        "fused_conv_forward",
        "fused_dense",
        "gather",
        "gradient_norm",
        "log_softmax",
        "log_softmax_backward",
        "max_pool",
        "max_pool_backward",
        "sgd",
    ]
);

/// What kernels import: every file in `shaders/shared/`.
pub const SHARED: &[(&str, &str)] = &sources!(
    "shared/",
    [
        "batch",
        "batch_norm",
        "classes",
        "clip",
        "dense_layer",
        "faults",
        "finite",
        "full_convolution",
        "gradient_norms",
        "gradients",
        "grid",
        "images",
        "labels",
        "log_softmax_nll",
        "logits",
        "maximum",
        "order",
        "outcomes",
        "parameters",
        "partials",
        "pixels",
        "quads",
        "stretch",
        "tensors",
        "views",
        "workgroup_sum",
        "workspace",
    ]
);

/// Imports of which there are several, and the files to choose from: every file in the folder of each.
pub const CHOICES: &[(&str, &[(&str, &str)])] = &[
    ("activation", &sources!("activations/", ["hard_tanh", "identity", "relu", "sigmoid", "sign", "tanh"])),
    ("filter", &sources!("filters/", ["storage", "uniform"])),
    ("gradient", &sources!("gradients/", ["outer_products", "partial_sums"])),
    ("input", &sources!("inputs/", ["augmented", "plain"])),
    ("pair", &sources!("pairs/", ["aligned", "singles"])),
    ("quad", &sources!("quads/", ["aligned", "singles"])),
];

/// Which file a kernel takes for an import of which there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    import: &'static str,
    file: &'static str,
}

impl Choice {
    /// Gradients stand in the arena, or in partial sums.
    pub const PARTIAL_SUMS: Self = Self { import: "gradient", file: "partial_sums" };

    /// Those of dense layers are still to be made.
    pub const OUTER_PRODUCTS: Self = Self { import: "gradient", file: "outer_products" };

    /// Log-softmax, which is no function of single values, has kernels of its own and leaves values as they
    /// are elsewhere.
    pub fn activation(activation: Activation) -> Self {
        let file = match activation {
            Activation::Identity | Activation::LogSoftmax => "identity",
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Sign => "sign",
            Activation::Tanh => "tanh",
            Activation::HardTanh => "hard_tanh",
        };
        Self { import: "activation", file }
    }

    /// How two values of a row are loaded: at once where rows begin at even places and are as long.
    pub fn pair(aligned: bool) -> Self {
        Self { import: "pair", file: if aligned { "aligned" } else { "singles" } }
    }

    /// How four values of a row are loaded: at once where rows begin at multiples of four and are as long.
    pub fn quad(aligned: bool) -> Self {
        Self { import: "quad", file: if aligned { "aligned" } else { "singles" } }
    }

    /// Where filters are read from.
    pub fn filter(memory: FilterMemory) -> Self {
        Self { import: "filter", file: memory.name() }
    }

    /// How images are seen.
    pub fn input(augmented: bool) -> Self {
        Self { import: "input", file: if augmented { "augmented" } else { "plain" } }
    }
}

/// A constant that the host writes into a kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    Flag(bool),
    Size(usize),
    Sizes(Vec<usize>),
    /// Finite, as WGSL's constants must be.
    Number(f32),
    Numbers(Vec<f32>),
}

impl From<bool> for Constant {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<usize> for Constant {
    fn from(size: usize) -> Self {
        Self::Size(size)
    }
}

impl From<Vec<usize>> for Constant {
    fn from(sizes: Vec<usize>) -> Self {
        Self::Sizes(sizes)
    }
}

impl From<f32> for Constant {
    fn from(number: f32) -> Self {
        Self::Number(number)
    }
}

impl From<Vec<f32>> for Constant {
    fn from(numbers: Vec<f32>) -> Self {
        Self::Numbers(numbers)
    }
}

/// The whole text of a kernel.
///
/// # Panics
/// Where the kernel is not in [`KERNELS`], or one of its imports neither in [`SHARED`] nor chosen: all are
/// written in this repository, and a test composes every kernel.
pub fn compose(kernel: &str, choices: &[Choice], constants: &[(&'static str, Constant)]) -> String {
    let mut text = String::new();
    for (name, value) in constants {
        // Writing to a String cannot fail.
        let _ = match value {
            Constant::Flag(flag) => writeln!(text, "const {name} = {flag};"),
            Constant::Size(size) => writeln!(text, "const {name} = {size}u;"),
            Constant::Sizes(sizes) => {
                let list: Vec<_> = sizes.iter().map(|size| format!("{size}u")).collect();
                writeln!(text, "const {name} = array<u32, {}>({});", sizes.len(), list.join(", "))
            }
            // {:?} writes the shortest digits that read as the same f32.
            Constant::Number(number) => writeln!(text, "const {name} = {number:?}f;"),
            Constant::Numbers(numbers) => {
                let list: Vec<_> = numbers.iter().map(|number| format!("{number:?}f")).collect();
                writeln!(text, "const {name} = array<f32, {}>({});", numbers.len(), list.join(", "))
            }
        };
    }
    append(&mut text, &mut Vec::new(), choices, find(KERNELS, kernel));
    text
}

/// Appends a file after what it imports; what is in `seen` stands already.
fn append(text: &mut String, seen: &mut Vec<String>, choices: &[Choice], source: &str) {
    for import in imports(source) {
        if !seen.iter().any(|name| name == import) {
            seen.push(import.to_owned());
            append(text, seen, choices, imported(import, choices));
        }
    }
    for line in source.lines().filter(|line| !line.starts_with("#import ")) {
        text.push_str(line);
        text.push('\n');
    }
}

/// The file that an import brings.
fn imported(import: &str, choices: &[Choice]) -> &'static str {
    match CHOICES.iter().find(|(name, _)| *name == import) {
        None => find(SHARED, import),
        Some((_, files)) => {
            let choice = choices.iter().find(|choice| choice.import == import);
            find(files, choice.unwrap_or_else(|| panic!("a kernel has not chosen its {import}")).file)
        }
    }
}

fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.strip_prefix("#import ")).map(str::trim)
}

fn find(sources: &[(&str, &'static str)], name: &str) -> &'static str {
    sources
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
        .unwrap_or_else(|| panic!("there is no shader named {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_stands_once_and_before_its_kernel() {
        let text = compose("max_pool", &[], &[]);
        assert_eq!(text.matches("var<storage, read_write> workspace").count(), 1);
        assert!(text.find("workspace: array").unwrap() < text.find("fn max_pool").unwrap());
        assert!(!text.contains("#import"));
    }

    #[test]
    fn constants_are_written_as_wgsl() {
        let constants = [
            ("RUNNING", true.into()),
            ("SIZE", 5.into()),
            ("ENDS", vec![1, 2].into()),
            ("EPS", 1e-8.into()),
            ("BOUNDS", vec![0.0, 5.0].into()),
        ];
        let expected = "const RUNNING = true;\nconst SIZE = 5u;\nconst ENDS = array<u32, 2>(1u, 2u);\n\
                        const EPS = 1e-8f;\nconst BOUNDS = array<f32, 2>(0.0f, 5.0f);\n";
        assert!(compose("max_pool", &[], &constants).starts_with(expected));
    }

    #[test]
    fn a_kernel_has_the_code_of_its_activation_alone() {
        let tanh = Choice::activation(Activation::Tanh);
        let text = compose("max_pool_backward", &[tanh], &[]);
        assert_eq!(text.matches("fn activate_backward(").count(), 1);
        assert!(text.contains(imported("activation", &[tanh])));
    }

    #[test]
    fn every_file_of_the_shaders_folder_is_in_a_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
        let folders = CHOICES.iter().map(|(import, files)| (root.join(format!("{import}s")), *files));
        for (folder, table) in
            [(root.clone(), KERNELS), (root.join("shared"), SHARED)].into_iter().chain(folders)
        {
            let mut files: Vec<_> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
                .filter_map(|name| name.strip_suffix(".wgsl").map(str::to_owned))
                .collect();
            files.sort();
            let known: Vec<_> = table.iter().map(|(name, _)| *name).collect();
            assert_eq!(files, known);
        }
    }
}
