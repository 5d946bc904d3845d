//! The options that choose the kernels on a GPU.

use std::path::{Path, PathBuf};

use crate::engine::{EngineError, Setup};
use crate::files::read_text;
use crate::gpu::adapter::AdapterInfo;
use crate::gpu::{KernelConfig, KernelSet, not_fused};
use crate::toml_names::underscored;
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::Failure;

/// Kernel set and block sizes.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Device")]
pub struct KernelArgs {
    /// Advanced: kernel set on a GPU; results of different sets differ in the last bits
    #[arg(long, value_enum, value_name = "SET", default_value_t = KernelsArg::Auto)]
    kernels: KernelsArg,

    #[command(flatten)]
    config: KernelConfigArg,
}

/// Block sizes.
#[derive(Debug, Clone, PartialEq, Args)]
#[command(next_help_heading = "Device")]
pub struct KernelConfigArg {
    /// Advanced: kernel configuration (block sizes), a file written by `lenet-gpu tune` [default: by the device's class]
    #[arg(long = "kernel-config", alias = "plan", value_name = "FILE.toml")]
    kernel_config: Option<PathBuf>,
}

impl KernelConfigArg {
    /// The file.
    pub fn file(&self) -> Option<&Path> {
        self.kernel_config.as_deref()
    }

    /// The kernel configuration for a device.
    pub fn kernel_config(&self, device: &AdapterInfo) -> Result<KernelConfig, Failure> {
        match &self.kernel_config {
            None => Ok(KernelConfig::of(device)),
            Some(path) => read(path).map_err(Failure::Input),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KernelsArg {
    /// The kernel configuration's set: on real GPUs fused if it supports the network, else layered
    Auto,
    /// One kernel per operation; supports every network
    Layered,
    /// Several layers per kernel, four kernels per step
    Fused,
}

impl KernelArgs {
    /// Rejects these options if the CPU engine was chosen.
    pub fn refuse_on_cpu(&self) -> Result<(), Failure> {
        if self.are_default() {
            return Ok(());
        }
        Err(Failure::usage(
            "--kernels and --kernel-config apply to GPUs, but the CPU engine was chosen",
            "omit them, or choose a GPU with --backend",
        ))
    }

    /// The file of the kernel configuration.
    pub fn file(&self) -> Option<&Path> {
        self.config.file()
    }

    /// Whether neither option was given.
    pub fn are_default(&self) -> bool {
        self.kernels == KernelsArg::Auto && self.config.kernel_config.is_none()
    }

    /// The kernel configuration for a device.
    pub fn kernel_config(&self, device: &AdapterInfo) -> Result<KernelConfig, Failure> {
        let config = self.config.kernel_config(device)?;
        let set = match self.kernels {
            KernelsArg::Auto => config.set,
            KernelsArg::Layered => KernelSet::Layered,
            KernelsArg::Fused => KernelSet::Fused,
        };
        Ok(KernelConfig { set, ..config })
    }

    /// Checks that the requested kernel set supports a setup.
    pub fn check(&self, setup: &Setup) -> Result<(), EngineError> {
        match not_fused(setup) {
            Some(what) if self.kernels == KernelsArg::Fused => Err(EngineError::NotFused(what)),
            _ => Ok(()),
        }
    }
}

/// Reads a kernel configuration and checks that kernels can be compiled for it.
fn read(path: &Path) -> anyhow::Result<KernelConfig> {
    let shown = path.display();
    let text = read_text(path).with_context(|| format!("cannot read the kernel configuration {shown}"))?;
    let parsed: Result<KernelConfig, toml::de::Error> =
        text.parse().and_then(|table| underscored(table).try_into());
    let config = parsed.map_err(|error| {
        anyhow!("{shown} is not a kernel configuration: {}", error.message().replace('\n', " "))
    })?;
    config.check().with_context(|| format!("invalid kernel configuration {shown}"))?;
    Ok(config)
}
