//! `lenet-gpu bench`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use lenet_gpu::bench::{self, CLASSES, Contender, Results, Settings, synthetic, warnings};
use lenet_gpu::data::Dataset;
use lenet_gpu::engine::LARGEST_MICRO_BATCH;
use lenet_gpu::files::{check_writable, write_atomically};

use super::data_args::DataArgs;
use super::engine::{self, ContenderArgs};
use super::{Ending, Failure, Output, notice, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu bench
          the device that train would take, at batches of 1, 64, 256 and 1024 images
  lenet-gpu bench --backend vulkan,cpu --json new.json --markdown new.md
          two engines side by side, kept for later
  lenet-gpu bench --compare old.json
          how fast it is against an earlier bench, and whether that is more than noise
  lenet-gpu bench --by-count
          what a training step does, counted without any GPU

Each figure is the median of several runs after a warm-up, with its spread. The engines run in turn, so that
what disturbs the machine disturbs all of them. For figures that hold, end other programs first.";

/// Measure how fast training and inference are, and where the time goes
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help("Folder of a data set whose images are used [default: made-up images]")))]
pub struct BenchArgs {
    #[command(flatten)]
    contenders: ContenderArgs,

    #[command(flatten)]
    measure: MeasureArgs,

    #[command(flatten)]
    data: DataArgs,

    /// Images, made up or the first of a data set
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16_384,
        allow_negative_numbers = true,
        help_heading = "Data"
    )]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000_000))]
    images: usize,

    #[command(flatten)]
    report: ReportArgs,
}

/// What is measured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Measurement")]
struct MeasureArgs {
    /// Images of a step, one or several sizes
    #[arg(long, value_name = "N,N", value_delimiter = ',', default_values_t = [1, 64, 256, 1_024])]
    #[arg(value_parser = batch(), allow_negative_numbers = true)]
    batch: Vec<usize>,

    /// The batch size at which the start, the memory and each kernel are looked at
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = batch(), allow_negative_numbers = true)]
    profile_batch: usize,

    /// Seconds for each measurement of an engine, over all its runs; warming up takes about as long
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = values::epochs, allow_negative_numbers = true)]
    seconds: f64,

    /// Runs of each measurement
    #[arg(long, value_name = "N", default_value_t = 7, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(5..=1000))]
    repeats: usize,

    /// Of the made-up images and of the weights
    #[arg(long, value_name = "N", default_value_t = 1998, allow_negative_numbers = true)]
    seed: u64,

    /// Only count what each kernel of a training step does, which takes no GPU and no time
    #[arg(long)]
    by_count: bool,
}

/// More go through the network in parts of that size.
fn batch() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=LARGEST_MICRO_BATCH as u64)
}

/// Where results go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct ReportArgs {
    /// Write all that was measured to this file, run by run
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the tables to this file
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Hold the result against an earlier one's --json
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,

    /// Do not say what is under way
    #[arg(short, long)]
    quiet: bool,
}

pub fn run(args: &BenchArgs, output: &mut Output) -> Result<Ending, Failure> {
    let BenchArgs { contenders, measure, report, .. } = args;
    // What is known to be wrong is said before anything is measured.
    let old = report.compare.as_deref().map(Results::read).transpose().map_err(Failure::input)?;
    for path in [&report.json, &report.markdown].into_iter().flatten() {
        check_writable(path).map_err(Failure::input)?;
    }
    let data = args.data()?;
    if measure.by_count {
        return print(
            output,
            &bench::counts(&bench::count(&data, measure.profile_batch), measure.profile_batch),
        );
    }
    let contenders = contenders.find()?;
    for adapter in contenders.iter().filter_map(Contender::adapter).filter(|adapter| adapter.software) {
        engine::warn_of_software(&adapter.name);
    }

    let settings = Settings {
        batches: measure.batches(),
        profile_batch: measure.profile_batch,
        repeats: measure.repeats,
        seconds: measure.seconds,
        seed: measure.seed,
    };
    let mut tell = |what: &str| {
        if !report.quiet {
            notice::note(what);
        }
    };
    let results = bench::bench(&contenders, &data, settings, &mut tell).map_err(engine::failure)?;
    let markdown = bench::to_markdown(&results, old.as_ref());
    report.keep(&results, &markdown)?;
    for warning in warnings(&results) {
        notice::warning(warning);
    }
    print(output, &markdown)
}

fn print(output: &mut Output, text: &str) -> Result<Ending, Failure> {
    output.line(text.trim_end()).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

impl BenchArgs {
    /// The images, of which there are enough for every batch.
    fn data(&self) -> Result<Dataset, Failure> {
        let data = if self.data.names_a_set() {
            self.data.open()?.limited(std::num::NonZeroUsize::new(self.images), None)
        } else {
            let images = synthetic(self.images, self.measure.seed);
            let images = Arc::new(self.data.conversion().apply(images).map_err(Failure::input)?);
            let (name, classes) = (format!("made up from seed {}", self.measure.seed), CLASSES);
            Dataset { name, classes, train: Arc::clone(&images), validation: None, test: images }
        };
        let MeasureArgs { batch, profile_batch, .. } = &self.measure;
        let largest = batch.iter().copied().max().unwrap_or(0).max(*profile_batch);
        if largest > data.train.len() {
            return Err(Failure::Input(anyhow!(
                "a batch of {largest} needs as many images, and there are {}; give more with --images, or name smaller \
                 ones with --batch and --profile-batch",
                data.train.len()
            )));
        }
        Ok(data)
    }
}

impl MeasureArgs {
    /// In order, each once.
    fn batches(&self) -> Vec<usize> {
        let mut batches = self.batch.clone();
        batches.sort_unstable();
        batches.dedup();
        batches
    }
}

impl ReportArgs {
    fn keep(&self, results: &Results, markdown: &str) -> Result<(), Failure> {
        let write = |path: &Option<PathBuf>, text: &str| match path.as_deref() {
            Some(path) => write_text(path, text),
            None => Ok(()),
        };
        write(&self.json, &results.to_json())?;
        write(&self.markdown, markdown)
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), Failure> {
    write_atomically(path, text.as_bytes()).map_err(Failure::work)
}
