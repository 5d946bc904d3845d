//! The options that say which kernels make a step on a GPU, and how they become a plan.

use std::path::{Path, PathBuf};

use crate::engine::{EngineError, Setup};
use crate::files::read_text;
use crate::gpu::adapter::Description;
use crate::gpu::{KernelConfig, KernelSet, not_fused};
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::Failure;

/// Which kernels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Device")]
pub struct KernelArgs {
    /// Advanced: which kernels make a step on a GPU; others round in another way
    #[arg(long, value_enum, value_name = "SET", default_value_t = KernelsArg::Auto)]
    kernels: KernelsArg,

    #[command(flatten)]
    plan: PlanArg,
}

/// How large the kernels' blocks are.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Device")]
pub struct PlanArg {
    /// Advanced: the kernels' block sizes, from a file that `lenet-gpu tune` wrote [default: those for the
    /// device's class]
    #[arg(long, value_name = "FILE.toml")]
    plan: Option<PathBuf>,
}

impl PlanArg {
    /// The plan for a device.
    pub fn plan(&self, device: &Description) -> Result<KernelConfig, Failure> {
        match &self.plan {
            None => Ok(KernelConfig::of(device)),
            Some(path) => read(path).map_err(Failure::Input),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KernelsArg {
    /// The plan's: on real GPUs the fused ones, where they can make the step, else the layered ones
    Auto,
    /// A kernel for each operation, for every network
    Layered,
    /// Several layers in each kernel, four in all
    Fused,
}

impl KernelArgs {
    /// Refuses what was asked for where no GPU is there to heed it.
    pub fn refuse_on_cpu(&self) -> Result<(), Failure> {
        if self.are_default() {
            return Ok(());
        }
        Err(Failure::Input(anyhow!(
            "--kernels and --plan say how a GPU works, and here the CPU does; leave them out, or name a GPU by \
             --backend"
        )))
    }

    /// Whether nothing was asked for.
    pub fn are_default(&self) -> bool {
        self.kernels == KernelsArg::Auto && self.plan.plan.is_none()
    }

    /// The plan for a device.
    pub fn plan(&self, device: &Description) -> Result<KernelConfig, Failure> {
        let plan = self.plan.plan(device)?;
        let set = match self.kernels {
            KernelsArg::Auto => plan.set,
            KernelsArg::Layered => KernelSet::Layered,
            KernelsArg::Fused => KernelSet::Fused,
        };
        Ok(KernelConfig { set, ..plan })
    }

    /// Refuses a setup whose steps the kernels that were asked for cannot make.
    pub fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        match not_fused(setup) {
            Some(what) if self.kernels == KernelsArg::Fused => Err(EngineError::NotFused(what)),
            _ => Ok(()),
        }
    }
}

/// Reads a plan and looks at its sizes, which kernels are compiled for.
fn read(path: &Path) -> anyhow::Result<KernelConfig> {
    let shown = path.display();
    let text = read_text(path).with_context(|| format!("cannot read {shown}, which --plan names"))?;
    let plan: KernelConfig = toml::from_str(&text)
        .map_err(|error| anyhow!("{shown} is no kernel plan: {}", error.message().replace('\n', " ")))?;
    plan.check().with_context(|| format!("{shown} is no kernel plan that can be run"))?;
    Ok(plan)
}
