//! `lenet-gpu verify`.

use crate::gpu::Context;
use crate::verify::{Check, checks};
use crate::wording::count;
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;

use super::engine::DeviceArgs;
use super::kernel_args::KernelConfigArg;
use super::progress::Progress;
use super::{Ending, Failure, Output, notice, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu verify
          Check every kernel on the GPU that `train` would use
  lenet-gpu verify --backend vulkan --adapter llvmpipe --seeds 3 --json
          Check a software adapter with three random inputs per check; one JSON object per tensor
  lenet-gpu verify --kernel-config kernel-config.toml
          Check the block sizes that `tune` found

Runs each kernel on its own over many shapes and then whole training steps, and compares each tensor with \
the CPU in f64. A driver bug shows as a tensor whose error exceeds its tolerance. The exit code is 1 if any \
tensor fails.";

/// Check every GPU kernel against an f64 CPU reference
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    kernel_config: KernelConfigArg,

    /// Run only the checks whose name contains TEXT, such as `max_pool` or `whole step` [default: all]
    #[arg(long, value_name = "TEXT", help_heading = "Checks")]
    only: Option<String>,

    /// Number of random inputs per check
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(1..=1000), help_heading = "Checks")]
    seeds: u64,

    /// Print one JSON object per tensor on stdout
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Do not print the device
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &VerifyArgs, output: &mut Output) -> Result<Ending, Failure> {
    let selected = |check: &Check| args.only.as_deref().is_none_or(|text| check.is_about(text));
    let checks: Vec<_> = checks().into_iter().filter(selected).collect();
    if checks.is_empty() {
        return Err(Failure::Input(anyhow!(
            "--only {:?} matches no check; `lenet-gpu verify --json` prints the names of all checks",
            args.only.as_deref().unwrap_or_default()
        )));
    }
    let chosen = args.device.find_gpu("verify")?;
    let kernels = args.kernel_config.kernel_config(&chosen.description)?;
    let context = Context::open(&chosen).map_err(Failure::work)?;
    if !args.quiet {
        notice::note(format_args!("verifying {}", context.description));
    }
    let progress = Progress::start("verifying", checks.len() * args.seeds as usize);
    let (mut passed, mut failed) = (0, 0);
    for check in checks {
        for seed in 0..args.seeds {
            let findings = check
                .run(&context, &kernels, seed)
                .with_context(|| format!("check {:?} could not run", check.name))
                .map_err(Failure::Work)?;
            progress.advance(1);
            for finding in &findings {
                *(if finding.passed() { &mut passed } else { &mut failed }) += 1;
                let written = if args.json {
                    let line = json!({
                        "check": check.name,
                        "seed": seed,
                        "tensor": finding.tensor,
                        // JSON has no infinity: a non-finite error is null.
                        "error": finding.error,
                        "tolerance": finding.tolerance,
                        "passed": finding.passed(),
                    });
                    output.json(&line.to_string())
                } else if !finding.passed() {
                    output.line(&format!("FAILED: {} (seed {seed}): {finding}", check.name))
                } else {
                    continue;
                };
                written?;
            }
        }
    }
    drop(progress);
    if failed > 0 {
        return Err(Failure::Work(anyhow!(
            "{failed} of {} exceed the tolerance on {}; this is a bug in its driver or in lenet-gpu",
            count(passed + failed, "tensor"),
            context.description
        )));
    }
    if !args.json {
        let line = match passed {
            1 => "the tensor is within its tolerance".to_owned(),
            _ => format!("all {passed} tensors are within their tolerances"),
        };
        output.line(&line)?;
    }
    Ok(Ending::Done)
}
