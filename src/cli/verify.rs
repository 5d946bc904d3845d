//! `lenet-gpu verify`.

use crate::gpu::Context;
use crate::verify::{Check, checks};
use anyhow::{Context as _, anyhow};
use clap::Args;
use serde_json::json;

use super::engine::DeviceArgs;
use super::kernel_args::PlanArg;
use super::{Ending, Failure, Output, notice};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu verify
          every kernel on the GPU that train would take
  lenet-gpu verify --backend vulkan --adapter llvmpipe --seeds 3 --json
          on a software adapter, over three random inputs each, an object a finding
  lenet-gpu verify --plan plan.toml
          by the block sizes that tune found

Each kernel runs alone over many shapes, then the whole step; each tensor is held against the CPU in f64.
A driver's fault shows as a tensor's name and a number. Exit code 1 if any fails.";

/// Hold every kernel on your GPU against the CPU in f64
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    #[command(flatten)]
    device: DeviceArgs,

    #[command(flatten)]
    plan: PlanArg,

    /// Make only the checks whose name contains this, such as `max_pool` or `whole step` [default: all]
    #[arg(long, value_name = "TEXT", help_heading = "Checks")]
    only: Option<String>,

    /// Random inputs of each check
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = "Checks")]
    seeds: u64,

    /// Print one JSON object a finding on stdout and nothing else
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub fn run(args: &VerifyArgs, output: &mut Output) -> Result<Ending, Failure> {
    let chosen = args.device.find_gpu("verify")?;
    let plan = args.plan.plan(&chosen.description)?;
    let context = Context::open(&chosen).map_err(Failure::work)?;
    notice::note(format_args!("verifying {}", context.description));

    let wanted = |check: &Check| args.only.as_deref().is_none_or(|text| check.is_about(text));
    let checks: Vec<_> = checks().into_iter().filter(wanted).collect();
    if checks.is_empty() {
        return Err(Failure::Input(anyhow!(
            "no check's name contains {:?}; without --only all are made, and --json tells their names",
            args.only.as_deref().unwrap_or_default()
        )));
    }
    let (mut held, mut off) = (0, 0);
    for check in checks {
        for seed in 0..args.seeds {
            let findings = check
                .run(&context, &plan, seed)
                .with_context(|| format!("in the check of {}", check.name))
                .map_err(Failure::Work)?;
            for finding in &findings {
                *(if finding.passed() { &mut held } else { &mut off }) += 1;
                let line = if args.json {
                    json!({
                        "check": check.name,
                        "seed": seed,
                        "tensor": finding.tensor,
                        // JSON has no infinity: an error that is not finite is null.
                        "error": finding.error,
                        "tolerance": finding.tolerance,
                        "passed": finding.passed(),
                    })
                    .to_string()
                } else if !finding.passed() {
                    format!("FAILED: {} (seed {seed}): {finding}", check.name)
                } else {
                    continue;
                };
                output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
            }
        }
    }
    if off > 0 {
        return Err(Failure::Work(anyhow!(
            "{off} of {} tensors failed on {}: a bug in its driver or in lenet-gpu",
            held + off,
            context.description
        )));
    }
    if !args.json {
        let line = format!("all {held} tensors are within their tolerances");
        output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    }
    Ok(Ending::Done)
}
