//! Composes a kernel's WGSL: its file, the files of `shaders/shared/` that it imports (each once, before
//! it), and the constants that the host writes into it. Shapes are constants so that loops have known
//! bounds and blocks stay in registers.

use std::fmt::Write;

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
        "adam",
        "conv_backward_input",
        "conv_backward_weight",
        "conv_forward",
        "dense_backward",
        "dense_forward",
        "dense_log_softmax",
        "gather",
        "gather_augmented",
        "max_pool",
        "max_pool_backward",
    ]
);

/// What kernels import: every file in `shaders/shared/`.
pub const SHARED: &[(&str, &str)] = &sources!(
    "shared/",
    [
        "batch",
        "finite",
        "gradients",
        "grid",
        "images",
        "labels",
        "order",
        "outcomes",
        "parameters",
        "pixels",
        "relu",
        "views",
        "workspace",
    ]
);

/// A constant that the host writes into a kernel.
#[derive(Debug, Clone, PartialEq)]
pub enum Constant {
    Flag(bool),
    Size(usize),
    Sizes(Vec<usize>),
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

/// The whole text of a kernel.
///
/// # Panics
/// Where the kernel, or one of its imports, is not in [`KERNELS`] or [`SHARED`]: both are written in this
/// repository, and a test composes every kernel.
pub fn compose(kernel: &str, constants: &[(&'static str, Constant)]) -> String {
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
        };
    }
    append(&mut text, &mut Vec::new(), find(KERNELS, kernel));
    text
}

/// Appends a file after what it imports; what is in `seen` stands already.
fn append(text: &mut String, seen: &mut Vec<String>, source: &str) {
    for import in imports(source) {
        if !seen.iter().any(|name| name == import) {
            seen.push(import.to_owned());
            append(text, seen, find(SHARED, import));
        }
    }
    for line in source.lines().filter(|line| !line.starts_with("#import ")) {
        text.push_str(line);
        text.push('\n');
    }
}

fn imports(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| line.strip_prefix("#import ")).map(str::trim)
}

fn find<'a>(sources: &[(&str, &'a str)], name: &str) -> &'a str {
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
        let text = compose("max_pool", &[]);
        assert_eq!(text.matches("var<storage, read_write> workspace").count(), 1);
        assert!(text.find("workspace: array").unwrap() < text.find("fn max_pool").unwrap());
        assert!(!text.contains("#import"));
    }

    #[test]
    fn constants_are_written_as_wgsl() {
        let constants = [("RELU", true.into()), ("SIZE", 5.into()), ("ENDS", vec![1, 2].into())];
        let text = compose("gather", &constants);
        assert!(
            text.starts_with("const RELU = true;\nconst SIZE = 5u;\nconst ENDS = array<u32, 2>(1u, 2u);\n")
        );
    }

    #[test]
    fn every_file_of_the_shaders_folder_is_in_a_table() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
        for (folder, table) in [(root.clone(), KERNELS), (root.join("shared"), SHARED)] {
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
