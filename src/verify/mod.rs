//! The one table of checks that hold the GPU against the f64 reference in [`crate::cpu`]. The tests run
//! it, and so can a user on a card of their own: a driver's fault shows as a tensor's name and a number.
//!
//! [`kernels`] checks each kernel alone over many shapes; [`network`] checks the whole step.

pub mod comparison;
pub mod kernels;
pub mod network;
mod tensors;
pub mod tolerance;
mod training;
mod update;

pub use comparison::Finding;

use crate::engine::EngineError;
use crate::gpu::{Context, KernelConfig, KernelSet};

/// What runs a check, with the seed of its random inputs.
type Run = Box<dyn Fn(&Context, &KernelConfig, u64) -> Result<Vec<Finding>, EngineError> + Send + Sync>;

/// One check: a name that says what is computed over which shape, and the work.
pub struct Check {
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

    /// The same check of one set of kernels, whatever the plan takes.
    fn by(self, set: KernelSet) -> Self {
        let Self { name, mut kernels, run } = self;
        let name = match set {
            KernelSet::Layered => name,
            KernelSet::Fused => {
                kernels.extend(["fused_conv_forward", "fused_dense", "fused_conv_backward"]);
                format!("fused: {name}")
            }
        };
        Self::new(name, move |context, plan, seed| run(context, &KernelConfig { set, ..*plan }, seed))
            .covering(&kernels)
    }

    /// Runs the check on random inputs drawn from `seed`: a finding for each tensor it looks at.
    ///
    /// # Errors
    /// Where the device fails; a wrong result is a [`Finding`], not an error.
    pub fn run(
        &self,
        context: &Context,
        plan: &KernelConfig,
        seed: u64,
    ) -> Result<Vec<Finding>, EngineError> {
        (self.run)(context, plan, seed)
    }
}

/// Every check: the kernels first, then the whole network.
pub fn checks() -> Vec<Check> {
    let mut all = kernels::checks();
    all.extend(network::checks());
    all
}
