//! `lenet-gpu tune`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::bench::{CLASSES, Effort, Trial, synthetic, tune};
use crate::engine::{LARGEST_MICRO_BATCH, Setup};
use crate::escape::escape;
use crate::files::write_output;
use crate::gpu::{self, KernelConfig, KernelSet};
use crate::model::{Init, LeNet5, ParameterTable};
use crate::toml_names::hyphenated;
use anyhow::Context;
use clap::Args;

use super::engine::{self, DeviceArgs};
use super::progress::Progress;
use super::{Ending, Failure, Output, OutputFile, notice, values};

/// The file that the kernel configuration is written to by default.
pub const TUNED: &str = "kernel-config.toml";

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu tune
          Tune for the GPU that `train` would use and write kernel-config.toml
  lenet-gpu train --kernel-config kernel-config.toml
          Train with the result
  lenet-gpu tune --batch-size 1024 -o large.toml
          Tune for large batches

Compiles and times about fifty kernel configurations on synthetic images. Training never tunes \
automatically: other block sizes add numbers in another order, which changes the last bits of the results.";

/// Find the fastest kernel block sizes for your GPU
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct TuneArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Images per training step
    #[arg(long, alias = "batch", value_name = "N", default_value_t = 64, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<usize>(1..=LARGEST_MICRO_BATCH as u64))]
    batch_size: usize,

    /// Length of a timed run, in seconds
    #[arg(long, value_name = "N", default_value_t = 0.2, allow_negative_numbers = true)]
    #[arg(value_parser = values::seconds)]
    seconds: f64,

    /// Number of timed runs per configuration
    #[arg(long, alias = "runs", value_name = "N", default_value_t = 5, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<usize>(1..=1000))]
    repeats: usize,

    /// File to write the kernel configuration to; - is stdout
    #[arg(
        short,
        long,
        alias = "out",
        value_name = "FILE.toml",
        default_value = TUNED,
        help_heading = "Output"
    )]
    output: PathBuf,

    /// Do not show the device, the progress and each configuration tried
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

pub fn run(args: &TuneArgs, output: &mut Output) -> Result<Ending, Failure> {
    output.reserve(&[OutputFile { option: "--output", path: &args.output, is_text: true }], &[], false)?;
    let chosen = args.device.find_gpu("tune for")?;
    if chosen.description.is_software() {
        engine::warn_of_software(&chosen.description.name);
    }
    let device = chosen.description.to_string();
    let default = KernelConfig::of(&chosen.description);
    if !args.quiet {
        notice::note(format_args!("tuning for {device}"));
    }

    let network = LeNet5::new(1, CLASSES);
    let images = Arc::new(synthetic(IMAGES, SEED));
    let weights = Init::Pytorch.arena(&ParameterTable::new(&network), SEED);
    let setup = Setup::new(network, args.batch_size);
    let effort = Effort { runs: args.repeats, seconds: args.seconds };
    let progress = Progress::start("tuning", 0);
    let mut report = |trial: &Trial, better: bool| {
        if !args.quiet {
            let Trial { what, step, .. } = trial;
            let kept = if better { ", best so far" } else { "" };
            notice::note(format_args!(
                "{what}: {:.1} µs per step ± {:.0} %{kept}",
                step.median,
                100.0 * step.spread
            ));
        }
    };
    let context = gpu::Context::open(&chosen).map_err(Failure::work)?;
    let sets = [KernelSet::Fused, KernelSet::Layered];
    let best = tune(&context, default, &sets, &setup, effort, &weights, &images, &mut report)
        .map_err(engine::failure)?;
    drop(progress);

    let text = toml::to_string(&best.config)
        .context("cannot serialize the kernel configuration")
        .map_err(Failure::Work)?;
    let text = hyphenated(&text);
    let device = escape(&device);
    let head = format!("# {device}, batch size {}: {:.1} µs per step\n", args.batch_size, best.step.median);
    if let Err(error) = write_output(&args.output, (head + &text).as_bytes()) {
        // The result is at least printed.
        output.lines(text.lines())?;
        return Err(Failure::work(error));
    }
    let same = if best.config == default { ", the device's default" } else { "" };
    let line = format!(
        "{}: {:.1} µs per step{same}; written to {}",
        best.what,
        best.step.median,
        args.output.display()
    );
    output.line(&line)?;
    Ok(Ending::Done)
}

/// The number of synthetic images, enough for several steps of any batch size.
const IMAGES: usize = 4_096;
const SEED: u64 = 1998;
