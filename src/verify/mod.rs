//! Checks of the GPU against the f64 reference in [`crate::cpu`]. The tests run them, and users can run them on their
//! own GPU: a driver bug shows up as the name of a tensor and its error.
//!
//! [`kernels`] checks each kernel by itself over many shapes; [`network`] checks whole steps.

pub mod comparison;
pub mod kernels;
pub mod network;
pub mod quick;
mod reproducibility;
mod tensors;
pub mod tolerance;
mod training;
mod update;
mod whole_steps;

pub use comparison::Finding;

use crate::engine::EngineError;
use crate::gpu::{Context, KernelConfig, KernelSet};

/// Runs a check; the last argument is the seed of its random inputs.
type Run = Box<dyn Fn(&Context, &KernelConfig, u64) -> Result<Vec<Finding>, EngineError> + Send + Sync>;

/// A check. Its name says what is computed, over which shape.
pub struct Check {
    /// What is computed, over which shape.
    pub name: String,
    /// The kernels whose results it compares; empty if it compares other things.
    pub kernels: Vec<&'static str>,
    run: Run,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Check {
    fn new(
        name: impl Into<String>,
        run: impl Fn(&Context, &KernelConfig, u64) -> Result<Vec<Finding>, EngineError> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), kernels: Vec::new(), run: Box::new(run) }
    }

    /// Names the kernels that it covers.
    fn covering(self, kernels: &[&'static str]) -> Self {
        Self { kernels: kernels.to_vec(), ..self }
    }

    /// Whether `text` is part of its name or of the name of a kernel that it covers.
    pub fn is_about(&self, text: &str) -> bool {
        self.name.contains(text) || self.kernels.iter().any(|kernel| kernel.contains(text))
    }

    /// The same check with a fixed kernel set, whichever one the kernel configuration names.
    fn with_kernels(self, set: KernelSet) -> Self {
        let Self { name, mut kernels, run } = self;
        let name = match set {
            KernelSet::Layered => name,
            KernelSet::Fused => {
                kernels.extend(["fused_conv_forward", "fused_dense", "fused_conv_backward"]);
                format!("fused: {name}")
            }
        };
        Self::new(name, move |context, config, seed| run(context, &KernelConfig { set, ..*config }, seed))
            .covering(&kernels)
    }

    /// Runs the check on random inputs drawn from `seed`. Returns a finding for each tensor it compares.
    ///
    /// # Errors
    /// If the device fails. A wrong result is a [`Finding`], not an error.
    pub fn run(
        &self,
        context: &Context,
        config: &KernelConfig,
        seed: u64,
    ) -> Result<Vec<Finding>, EngineError> {
        (self.run)(context, config, seed)
    }
}

/// All checks: first the kernels, then the whole network.
pub fn checks() -> Vec<Check> {
    let mut all = kernels::checks();
    all.extend(network::checks());
    all
}
