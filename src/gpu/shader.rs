//! Composes a kernel's WGSL from its file, the files that it imports (each once, before the first use), and the
//! constants that the host writes into it. Shapes are constants so that loops have known bounds and blocks stay
//! in registers.
//!
//! `#import shared/grid` names a file in `shaders/`. `#import variants/activation` names a folder: the host
//! chooses the file with a [`Variant`], so that no kernel branches on the variant.

use std::fmt::Write;

use super::kernel_config::FilterMemory;
use crate::engine::LossKind;
use crate::model::Activation;

// `FILES: &[(&str, &str)]`, every file in `shaders/`: its path without the extension, and its text. The build script
// lists the folder.
include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// The file of `shaders/variants/` that a kernel uses for an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    import: &'static str,
    file: &'static str,
}

impl Variant {
    /// Gradients are in the arena or in partial sums.
    pub const PARTIAL_SUMS: Self = Self { import: "variants/gradient", file: "partial_sums" };

    /// Gradients of convolutions are in partial sums; those of dense layers are computed from activations.
    pub const OUTER_PRODUCTS: Self = Self { import: "variants/gradient", file: "outer_products" };

    /// The network is alone.
    pub const ALONE: Self = Self { import: "variants/member", file: "alone" };

    /// The network is a member of a population.
    pub const POPULATION: Self = Self { import: "variants/member", file: "population" };

    /// An update changes all parameters, or only those that are not frozen. For all of them the WGSL is that of a kernel
    /// that imports `shared/grid`.
    pub fn updated(all: bool) -> Self {
        Self { import: "variants/updated", file: if all { "all" } else { "unfrozen" } }
    }

    /// The activation function. Log-softmax is not elementwise and has kernels of its own; in all other kernels
    /// it is the identity.
    pub fn activation(activation: Activation) -> Self {
        let file = match activation {
            Activation::Identity | Activation::LogSoftmax => "identity",
            Activation::Relu => "relu",
            Activation::Sigmoid => "sigmoid",
            Activation::Sign => "sign",
            Activation::Tanh => "tanh",
            Activation::HardTanh => "hard_tanh",
        };
        Self { import: "variants/activation", file }
    }

    /// How images are read: as stored, or through their views.
    pub fn input(augmented: bool) -> Self {
        Self { import: "variants/input", file: if augmented { "augmented" } else { "plain" } }
    }

    /// The loss function, with or without class weights.
    pub fn loss(kind: LossKind, class_weighted: bool) -> Self {
        let file = match (kind, class_weighted) {
            (LossKind::Nll | LossKind::CrossEntropy, false) => "log_softmax",
            (LossKind::Nll | LossKind::CrossEntropy, true) => "weighted_log_softmax",
            (LossKind::Mse, false) => "mse",
            (LossKind::Mse, true) => "weighted_mse",
            // Its targets are weighted: see `Self::target`.
            (LossKind::RawNll, _) => "raw_nll",
        };
        Self { import: "variants/loss", file }
    }

    /// The target of a loss, with or without class weights.
    pub fn target(class_weighted: bool) -> Self {
        Self { import: "variants/target", file: if class_weighted { "weighted" } else { "plain" } }
    }

    /// The workspace two values at a time if `aligned`, else as single values.
    pub fn workspace_vec2(aligned: bool) -> Self {
        Self { import: "variants/workspace", file: if aligned { "vec2" } else { "f32" } }
    }

    /// The workspace four values at a time if `aligned`, else as single values.
    pub fn workspace_vec4(aligned: bool) -> Self {
        Self { import: "variants/workspace", file: if aligned { "vec4" } else { "f32" } }
    }

    /// The parameters four values at a time if `aligned`, else as single values.
    pub fn parameters_vec4(aligned: bool) -> Self {
        Self { import: "variants/parameters", file: if aligned { "vec4" } else { "f32" } }
    }

    /// The parameters as single values, in the given kind of memory.
    pub fn parameters_in(memory: FilterMemory) -> Self {
        let file = match memory {
            FilterMemory::Storage => "f32",
            FilterMemory::Uniform => "uniform",
        };
        Self { import: "variants/parameters", file }
    }
}

/// A constant that the host writes into a kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    Flag(bool),
    Size(usize),
    Sizes(Vec<usize>),
    /// A finite number: WGSL has no other constants.
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

/// Returns the complete WGSL of the shader at `path` (`kernels/max_pool`).
///
/// # Panics
/// If `path` or one of its imports is not in [`FILES`], or an import of variants has no variant. All of them are
/// part of this crate, and a test composes every kernel.
pub fn compose(path: &str, variants: &[Variant], constants: &[(&'static str, Constant)]) -> String {
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
            // {:?} writes the fewest digits that read back as the same f32.
            Constant::Number(number) => writeln!(text, "const {name} = {number:?}f;"),
            Constant::Numbers(numbers) => {
                let list: Vec<_> = numbers.iter().map(|number| format!("{number:?}f")).collect();
                writeln!(text, "const {name} = array<f32, {}>({});", numbers.len(), list.join(", "))
            }
        };
    }
    append(&mut text, &mut Vec::new(), variants, path);
    text
}

/// Appends the file at `path` after its imports. `included` lists the files that are already part of the text.
fn append(text: &mut String, included: &mut Vec<String>, variants: &[Variant], path: &str) {
    if included.iter().any(|known| known == path) {
        return;
    }
    included.push(path.to_owned());
    let source = file(path).unwrap_or_else(|| panic!("there is no file shaders/{path}.wgsl"));
    for import in imports(source) {
        append(text, included, variants, &resolve(import, variants));
    }
    for line in source.lines().filter(|line| !line.starts_with("#import ")) {
        text.push_str(line);
        text.push('\n');
    }
}

/// Returns the path of the file that an import refers to.
fn resolve(import: &str, variants: &[Variant]) -> String {
    if file(import).is_some() {
        return import.to_owned();
    }
    let variant = variants.iter().find(|variant| variant.import == import);
    let variant = variant.unwrap_or_else(|| panic!("no file is chosen for `#import {import}`"));
    format!("{import}/{}", variant.file)
}

fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.strip_prefix("#import ")).map(str::trim)
}

fn file(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == path).map(|&(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_is_included_once_and_before_its_kernel() {
        let text = compose("kernels/max_pool", &[Variant::ALONE], &[]);
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
        assert!(compose("kernels/max_pool", &[Variant::ALONE], &constants).starts_with(expected));
    }

    #[test]
    fn a_kernel_contains_only_the_chosen_variant() {
        let tanh = Variant::activation(Activation::Tanh);
        let text = compose("kernels/max_pool_backward", &[Variant::ALONE, tanh], &[]);
        assert_eq!(text.matches("fn activate_backward(").count(), 1);
        let (_, after_import) =
            file("variants/activation/tanh").unwrap().split_once("#import shared/finite\n").unwrap();
        assert!(text.contains(after_import));
    }

    #[test]
    fn an_update_of_all_parameters_has_the_text_of_the_usual_grid() {
        assert_eq!(file("variants/updated/all"), Some("#import shared/grid\n"));
        let variants = [Variant::ALONE, Variant::PARTIAL_SUMS, Variant::updated(false)];
        assert!(compose("kernels/adam", &variants, &[]).contains("FROZEN_STARTS"));
    }

    #[test]
    #[should_panic(expected = "no file is chosen for `#import variants/activation`")]
    fn an_import_of_variants_needs_a_choice() {
        compose("kernels/max_pool_backward", &[Variant::ALONE], &[]);
    }

    #[test]
    fn binding_numbers_are_written_in_one_file() {
        for (path, text) in FILES {
            for binding in text.split("@binding(").skip(1) {
                assert!(binding.starts_with("BINDING_"), "shaders/{path}.wgsl: @binding({binding:.20}");
            }
        }
    }
}
