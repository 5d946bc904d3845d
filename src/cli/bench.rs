//! `lenet-gpu bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::bench::{Bench, CLASSES, Candidate, Results, Settings, Startup, counts, synthetic, to_markdown};
use crate::data::{Dataset, Opened};
use crate::engine::LARGEST_MICRO_BATCH;
use crate::files::{check_writable, write_atomically};
use anyhow::{Context, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{ArgAction, Args};

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

const DATA_DIR_HELP: &str = "Folder of a data set whose images are used [default: images are made up]";

/// Measure how fast training and inference are, and where the time goes
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR_HELP)))]
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
    #[arg(long, value_name = "N,N", value_delimiter = ',', action = ArgAction::Set)]
    #[arg(default_values_t = [1, 64, 256, 1_024], value_parser = batch(), allow_negative_numbers = true)]
    batch: Vec<usize>,

    /// The batch size at which the start, the memory and each kernel are looked at
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = batch(), allow_negative_numbers = true)]
    profile_batch: usize,

    /// Seconds that an engine's runs take together, for each task and batch size; warming up comes on top
    #[arg(long, value_name = "N", default_value_t = 3.0, allow_negative_numbers = true)]
    #[arg(value_parser = values::seconds)]
    seconds: f64,

    /// Runs of each measurement
    #[arg(long, value_name = "N", default_value_t = 7, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(5..=1000))]
    repeats: usize,

    /// Of the made-up images and of the weights
    #[arg(long, value_name = "N", default_value_t = 1998, allow_negative_numbers = true)]
    seed: u64,

    /// Only count what each kernel of a training step does, which takes no GPU and no time
    #[arg(long, conflicts_with_all = ["json", "markdown", "compare"])]
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

    /// Print how the engine of this place in --backend starts, as JSON, and no more: how this program asks itself
    #[arg(long, value_name = "PLACE", hide = true)]
    start_of: Option<usize>,
}

pub fn run(args: &BenchArgs, output: &mut Output) -> Result<Ending, Failure> {
    let BenchArgs { contenders, measure, report, .. } = args;
    // What is known to be wrong is said before anything is measured.
    let old = report.compare.as_deref().map(Results::read).transpose().map_err(Failure::input)?;
    for path in [&report.json, &report.markdown].into_iter().flatten() {
        check_writable(path).map_err(Failure::input)?;
    }
    let bench = Bench::new(args.data()?, measure.settings());
    if measure.by_count {
        return print(output, &counts(&bench.count(), measure.profile_batch));
    }
    if let Some(place) = report.start_of {
        let start = bench.start(&contenders.find_one(place)?).map_err(engine::failure)?;
        return print(output, &serde_json::to_string(&start).map_err(Failure::work)?);
    }

    let found = contenders.find()?;
    for adapter in found.iter().filter_map(Candidate::adapter).filter(|adapter| adapter.software) {
        engine::warn_of_software(&adapter.name);
    }
    let mut tell = |what: &str| {
        if !report.quiet {
            notice::note(what);
        }
    };
    let mut started = Vec::with_capacity(found.len());
    for (place, candidate) in found.into_iter().enumerate() {
        tell(&format!("{}: start", candidate.label()));
        started.push((candidate, start_apart(place)?));
    }
    let results = bench.run(started, &mut tell).map_err(engine::failure)?;
    let markdown = to_markdown(&results, old.as_ref());
    report.keep(&results, &markdown)?;
    print(output, &markdown)
}

/// Has this program start the engine of a place in the list in a process of its own.
fn start_apart(place: usize) -> Result<Startup, Failure> {
    let told = "cannot start an engine in a process of its own";
    let program = std::env::current_exe().context(told).map_err(Failure::Work)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).args(["--start-of", &place.to_string()]);
    let finished = command.output().context(told).map_err(Failure::Work)?;
    if !finished.status.success() {
        let said = String::from_utf8_lossy(&finished.stderr);
        let said = said.lines().last().unwrap_or("it said nothing").trim_start_matches("error: ").to_owned();
        // It has the same exit codes.
        return Err(match finished.status.code() {
            Some(2) => Failure::Input(anyhow!(said)),
            _ => Failure::Work(anyhow!(said).context(told)),
        });
    }
    serde_json::from_slice(&finished.stdout).context(told).map_err(Failure::Work)
}

fn print(output: &mut Output, text: &str) -> Result<Ending, Failure> {
    output.line(text.trim_end()).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

impl BenchArgs {
    /// The images, of which there are enough for every batch.
    fn data(&self) -> Result<Dataset, Failure> {
        let data = if self.data.names_a_set() {
            let data = match self.data.open()? {
                Opened::Divided(data) => data,
                Opened::Undivided(images) => images.as_both_parts().map_err(Failure::input)?,
            };
            data.limited(NonZeroUsize::new(self.images), None)
        } else {
            let images = synthetic(self.images, self.measure.seed);
            let conversion = self.data.conversion();
            let fit = conversion.fit_of(&images);
            let images = Arc::new(conversion.apply(images).map_err(Failure::input)?);
            Dataset {
                name: format!("made up from seed {}", self.measure.seed),
                classes: CLASSES,
                class_names: None,
                fit,
                train: Arc::clone(&images),
                validation: None,
                test: images,
            }
        };
        let MeasureArgs { batch, profile_batch, .. } = &self.measure;
        let largest = batch.iter().copied().max().unwrap_or(0).max(*profile_batch);
        if largest > data.train.len() {
            return Err(Failure::Input(anyhow!(
                "a batch of {largest} needs as many images, and there are {}; give more with --images, or name \
                 smaller ones with --batch and --profile-batch",
                data.train.len()
            )));
        }
        Ok(data)
    }
}

impl MeasureArgs {
    fn settings(&self) -> Settings {
        let mut batches = self.batch.clone();
        batches.sort_unstable();
        batches.dedup();
        let Self { profile_batch, repeats, seconds, seed, .. } = *self;
        Settings { batches, profile_batch, repeats, seconds, seed }
    }
}

impl ReportArgs {
    fn keep(&self, results: &Results, markdown: &str) -> Result<(), Failure> {
        let files = [(&self.json, results.to_json()), (&self.markdown, markdown.to_owned())];
        for (path, text) in files.iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
            write_atomically(path, text.as_bytes()).map_err(Failure::work)?;
        }
        Ok(())
    }
}
