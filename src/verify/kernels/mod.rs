//! Each kernel alone, checked against its f64 reference: over LeNet-5's own shapes, and over others that cover
//! strides, paddings, overlapping pools, odd sizes, incomplete blocks, and a batch of one image.

mod batch_norm;
mod conv;
mod dense;
mod fixture;
mod gather;
mod log_softmax;
mod loss;
mod pool;

use super::{Check, update};

/// The checks of single kernels, in which a few hundred tensors are compared.
pub fn checks() -> Vec<Check> {
    [
        conv::checks(),
        pool::checks(),
        dense::checks(),
        log_softmax::checks(),
        loss::checks(),
        batch_norm::checks(),
        gather::checks(),
        update::kernels(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::gpu::shader::FILES;

    /// The kernels' names and sources.
    fn kernels() -> impl Iterator<Item = (&'static str, &'static str)> {
        FILES.iter().filter_map(|(path, source)| Some((path.strip_prefix("kernels/")?, *source)))
    }

    /// The Rust files that a kernel's header names after `CPU twin:` or `Counterpart:`.
    fn counterparts(source: &str) -> Vec<String> {
        let header = source.lines().map_while(|line| line.strip_prefix("//"));
        let header = header.collect::<Vec<_>>().join(" ");
        let named = header.split_once("CPU twin:").or_else(|| header.split_once("Counterpart:"));
        let words = named.map_or("", |(_, named)| named).split_whitespace();
        let paths = words.map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        paths.filter(|path| path.starts_with("src/")).map(str::to_owned).collect()
    }

    #[test]
    fn every_kernel_has_a_cpu_twin_or_names_its_counterpart() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (name, source) in kernels() {
            let named = counterparts(source);
            let twin = root.join(format!("src/cpu/{name}.rs")).exists();
            assert!(twin || !named.is_empty(), "{name} has no src/cpu/{name}.rs and names no counterpart");
            for path in named {
                assert!(root.join(&path).exists(), "{name}.wgsl names {path}, which does not exist");
            }
        }
    }

    #[test]
    fn every_kernel_is_covered_by_a_check() {
        let checks = crate::verify::checks();
        for (name, _) in kernels() {
            assert!(checks.iter().any(|check| check.kernels.contains(&name)), "no check covers {name}");
        }
    }

    #[test]
    fn every_check_names_kernels_that_exist() {
        for check in crate::verify::checks() {
            for kernel in &check.kernels {
                assert!(kernels().any(|(name, _)| name == *kernel), "{}: {kernel}", check.name);
            }
        }
    }
}
