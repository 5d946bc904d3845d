//! `lenet-gpu tune`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::{CLASSES, Effort, Trial, synthetic, tune};
use crate::engine::{LARGEST_MICRO_BATCH, Setup};
use crate::files::{check_writable, write_atomically};
use crate::gpu::{self, KernelConfig, KernelSet};
use crate::model::{Init, LeNet5, ParameterTable};
use anyhow::Context;
use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::engine::{self, DeviceArgs};
use super::{Ending, Failure, Output, notice, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu tune
          try the kernels' block sizes on the GPU that train would take, into plan.toml
  lenet-gpu train --plan plan.toml
          train by what was found
  lenet-gpu tune --batch-size 1024 --out large.toml
          for large batches

Some fifty plans are tried on made-up images, each compiled anew. A run never tunes itself: another plan adds in
another order, which gives other bits, so a plan is a file that you choose.";

/// Find the kernels' block sizes by which your GPU trains fastest
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TuneArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Images of a step
    #[arg(long, value_name = "N", default_value_t = 64, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=LARGEST_MICRO_BATCH as u64))]
    batch_size: usize,

    /// Seconds of a run, of which each plan has several
    #[arg(long, value_name = "N", default_value_t = 0.2, allow_negative_numbers = true)]
    #[arg(value_parser = values::seconds)]
    seconds: f64,

    /// Runs of each plan
    #[arg(long, value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    runs: usize,

    /// Where the plan goes
    #[arg(short, long, value_name = "FILE.toml", default_value = "plan.toml", help_heading = "Output")]
    out: PathBuf,

    /// Do not tell of each plan
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &TuneArgs, output: &mut Output) -> Result<Ending, Failure> {
    check_writable(&args.out).map_err(Failure::input)?;
    let chosen = args.device.find_gpu("tune for")?;
    if chosen.description.is_software() {
        engine::warn_of_software(&chosen.description.name);
    }
    let device = chosen.description.to_string();
    let plan = KernelConfig::of(&chosen.description);
    notice::note(format_args!("tuning for {device}"));

    let network = LeNet5::new(1, CLASSES);
    let images = Arc::new(synthetic(IMAGES, SEED));
    let weights = Init::Pytorch.arena(&ParameterTable::new(&network), SEED);
    let setup = Setup::new(network, args.batch_size);
    let effort = Effort { runs: args.runs, seconds: args.seconds };
    let mut tell = |trial: &Trial, better: bool| {
        if !args.quiet {
            let Trial { what, step, .. } = trial;
            let kept = if better { ", kept" } else { "" };
            notice::note(format_args!(
                "{what}: {:.1} us a step ± {:.0} %{kept}",
                step.median,
                100.0 * step.spread
            ));
        }
    };
    let context = gpu::Context::open(&chosen).map_err(Failure::work)?;
    let sets = [KernelSet::Fused, KernelSet::Layered];
    let best =
        tune(&context, plan, &sets, &setup, effort, &weights, &images, &mut tell).map_err(engine::failure)?;

    let text = toml::to_string(&best.config).context("cannot write the plan").map_err(Failure::Work)?;
    let head = format!("# {device}, batches of {}: {:.1} us a step\n", args.batch_size, best.step.median);
    write_atomically(&args.out, (head + &text).as_bytes()).map_err(Failure::work)?;
    let same = if best.config == plan { ", which is what the device has anyway" } else { "" };
    let line = format!(
        "{}: {:.1} us a step{same}; the plan is in {}",
        best.what,
        best.step.median,
        args.out.display()
    );
    output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

/// Made-up images, as many as make some steps of any size.
const IMAGES: usize = 4_096;
const SEED: u64 = 1998;
