//! `lenet-gpu doctor`.

mod check;
mod diagnosis;
mod environment;
mod graphics_cards;
mod problems;
mod storage;
mod system;
mod text;
mod vulkan;

use anyhow::anyhow;
use clap::Args;

use super::engine::DeviceArgs;
use super::{Ending, Failure, Output, terminal};
use diagnosis::Diagnosis;
use problems::Severity;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu doctor
          Examine this machine, and check the device that `train` uses
  lenet-gpu doctor --backend vulkan
          Check another device, even a software adapter
  lenet-gpu doctor --json > doctor.json
          For a bug report: the same as one JSON object; your home folder is shown as ~

The kernel check takes about five seconds; `lenet-gpu verify` runs all checks. The exit code is 0 if the device works, \
and 1 if it does not.";

/// Examine this machine: drivers, devices, caches, and a kernel check
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct DoctorArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Print one JSON object on stdout instead of text
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub fn run(args: &DoctorArgs, output: &mut Output) -> Result<Ending, Failure> {
    let diagnosis = Diagnosis::make(&args.device.request())?;
    if args.json {
        let json = serde_json::to_string(&diagnosis).map_err(Failure::work)?;
        output.json(&json)?;
    } else {
        let columns = terminal::stdout_columns().unwrap_or(usize::MAX);
        output.lines(text::lines(&diagnosis, columns))?;
    }
    match diagnosis.problems.iter().find(|problem| problem.severity == Severity::Error) {
        None => Ok(Ending::Done),
        Some(problem) => Err(Failure::Work(anyhow!("{}", problem.problem))),
    }
}
