//! `lenet-gpu bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use crate::bench::{
    Bench, CLASSES, Candidate, Results, SYNTHETIC_BYTES, Settings, Startup, counts, synthetic, to_markdown,
};
use crate::data::{DataError, Dataset, OpenedDataset};
use crate::engine::LARGEST_MICRO_BATCH;
use crate::files::{is_stdout, write_output};
use crate::memory::{self, Reservation};
use anyhow::{Context, anyhow};
use clap::{ArgAction, Args};

use super::data_args::DataArgs;
use super::engine::{self, CandidateArgs};
use super::fit::fit;
use super::progress::Progress;
use super::{Ending, Failure, Input, Output, OutputFile, notice, terminal, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu bench
          Measure the device that `train` would use at batch sizes 1, 64, 256 and 1024
  lenet-gpu bench --backend vulkan,cpu -o new.json --markdown new.md
          Compare two engines and save the results
  lenet-gpu bench --compare old.json
          Compare with an earlier result and mark the differences that exceed noise
  lenet-gpu bench --population 1,4,16,64 --batch-size 64
          Also measure how many models per second train at the same time
  lenet-gpu bench --by-count
          Count the operations of a training step, without a GPU

Each figure is the median of several runs after a warm-up, with its spread. The engines take turns, so that \
disturbances affect all of them equally. Close other programs for reliable figures.";

const DATA_DIR_HELP: &str = "Folder of a data set whose images are used [default: synthetic images]";

/// Measure training and inference speed
///
/// Also measures each kernel against the device's peak FLOP/s and bytes/s, start-up time, latency and memory.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR_HELP)))]
pub struct BenchArgs {
    #[command(flatten)]
    candidates: CandidateArgs,

    #[command(flatten)]
    measure: MeasureArgs,

    #[command(flatten)]
    data: DataArgs,

    /// Number of images: synthetic, or the first of the data set
    #[arg(
        long,
        value_name = "N",
        default_value_t = 16_384,
        allow_negative_numbers = true,
        help_heading = "Data"
    )]
    #[arg(value_parser = values::integer::<usize>(1..=10_000_000))]
    images: usize,

    #[command(flatten)]
    report: ReportArgs,
}

/// What to measure.
#[derive(Debug, Args)]
#[command(next_help_heading = "Measurement")]
struct MeasureArgs {
    /// Batch sizes to measure
    #[arg(long, alias = "batch", value_name = "N,N", value_delimiter = ',', action = ArgAction::Set)]
    #[arg(default_values_t = [1, 64, 256, 1_024], value_parser = batch(), allow_negative_numbers = true)]
    batch_size: Vec<usize>,

    /// Batch size for the start-up time, the memory and the time of each kernel
    #[arg(long, alias = "profile-batch", value_name = "N", default_value_t = 64, value_parser = batch())]
    #[arg(allow_negative_numbers = true)]
    profile_batch_size: usize,

    /// Also measure training this many models at the same time, with --profile-batch-size [default: none]
    #[arg(long, value_name = "N,N", value_delimiter = ',', action = ArgAction::Set)]
    #[arg(value_parser = values::integer::<usize>(1..=10_000), allow_negative_numbers = true)]
    population: Vec<usize>,

    /// Seconds of measurement per engine, task and batch size, without the warm-up
    #[arg(long, value_name = "N", default_value_t = 3.0, allow_negative_numbers = true)]
    #[arg(value_parser = values::seconds)]
    seconds: f64,

    /// Number of runs per measurement
    #[arg(long, value_name = "N", default_value_t = 7, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<usize>(5..=1000))]
    repeats: usize,

    /// Seed of the synthetic images and of the weights
    #[arg(long, value_name = "N", default_value_t = 1998, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER))]
    seed: u64,

    /// Only count the operations and bytes of each kernel of a training step; needs no GPU
    #[arg(long, conflicts_with_all = ["json", "output", "markdown", "compare", "population"])]
    by_count: bool,
}

/// Parses a batch size; larger batches are split into micro-batches.
fn batch() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync {
    values::integer(1..=LARGEST_MICRO_BATCH as u64)
}

/// Where the results are written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
struct ReportArgs {
    /// Print every measurement as one JSON object on stdout instead of tables
    #[arg(long)]
    json: bool,

    /// Write the same JSON to this file, for --compare
    #[arg(short, long, value_name = "FILE.json")]
    output: Option<PathBuf>,

    /// Write the tables to this file as Markdown
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,

    /// Compare with an earlier result, a file written with --output
    #[arg(long, value_name = "OLD.json")]
    compare: Option<PathBuf>,

    /// Do not show progress
    #[arg(short, long)]
    quiet: bool,

    /// Measure only the start-up of the engine at this index in --backend and print it as JSON; used by the program
    /// itself
    #[arg(long, value_name = "INDEX", hide = true)]
    start_of: Option<usize>,
}

pub fn run(args: &BenchArgs, output: &mut Output) -> Result<Ending, Failure> {
    let BenchArgs { candidates, measure, report, .. } = args;
    // Invalid input is reported before anything is measured.
    let old = report.compare.as_deref().map(Results::read).transpose().map_err(Failure::input)?;
    // The process that measures the start-up reports on stdout and writes no files.
    if report.start_of.is_none() {
        output.reserve(&report.files(), &args.inputs(), report.json)?;
    }
    let bench = Bench::new(args.data()?, measure.settings());
    if measure.by_count {
        return print(output, &counts(&bench.count(), measure.profile_batch_size));
    }
    if let Some(index) = report.start_of {
        let start = bench.start(&candidates.find_one(index)?).map_err(engine::failure)?;
        let json = serde_json::to_string(&start).map_err(Failure::work)?;
        output.json(&json)?;
        return Ok(Ending::Done);
    }

    let found = candidates.find()?;
    for adapter in found.iter().filter_map(Candidate::adapter).filter(|adapter| adapter.software) {
        engine::warn_of_software(&adapter.name);
    }
    let spinner = Progress::start("measuring", 0);
    let mut progress = |text: &str| {
        if !report.quiet {
            notice::note(text);
        }
    };
    let mut started = Vec::with_capacity(found.len());
    for (index, candidate) in found.into_iter().enumerate() {
        progress(&format!("{}: start-up", candidate.label()));
        started.push((candidate, start_in_own_process(index)?));
    }
    let results = bench.run(started, &mut progress).map_err(engine::failure)?;
    drop(spinner);
    let markdown = to_markdown(&results, old.as_ref());
    let written = report.write(&results, &markdown);
    // If a file cannot be written, the results are at least printed. Once is enough.
    if report.json {
        output.json(results.to_json().trim_end())?;
    } else if !report.markdown.as_deref().is_some_and(is_stdout) {
        print(output, &markdown)?;
    }
    written.map(|()| Ending::Done)
}

/// Measures the start-up of the engine at `index` in a separate process.
fn start_in_own_process(index: usize) -> Result<Startup, Failure> {
    let cannot_start = "cannot measure an engine's start-up in a separate process";
    let program = std::env::current_exe().context(cannot_start).map_err(Failure::Work)?;
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).args(["--start-of", &index.to_string()]);
    let child = command.output().context(cannot_start).map_err(Failure::Work)?;
    if !child.status.success() {
        let stderr = String::from_utf8_lossy(&child.stderr);
        // The last such line: drivers also print lines that begin in this way.
        let error = stderr.lines().rev().find_map(|line| line.strip_prefix("error: "));
        let error = error.unwrap_or("it ended without an error message").to_owned();
        // Its exit codes are this program's.
        return Err(match child.status.code() {
            Some(2) => Failure::Input(anyhow!(error)),
            _ => Failure::Work(anyhow!(error).context(cannot_start)),
        });
    }
    serde_json::from_slice(&child.stdout).context(cannot_start).map_err(Failure::Work)
}

fn print(output: &mut Output, text: &str) -> Result<Ending, Failure> {
    match terminal::stdout_columns() {
        Some(columns) => output.lines(fit(text.trim_end(), columns))?,
        None => output.lines(text.trim_end().lines())?,
    }
    Ok(Ending::Done)
}

impl BenchArgs {
    /// The files that are read, which no output may replace.
    fn inputs(&self) -> Vec<Input<'_>> {
        let files = [self.report.compare.as_deref(), self.candidates.kernel_config_file()];
        let folder = self.data.folder().map(Input::Folder);
        files.into_iter().flatten().map(Input::File).chain(folder).collect()
    }

    /// Opens the images and checks that there are enough for the largest batch.
    fn data(&self) -> Result<Dataset, Failure> {
        self.data.apply_memory_limit();
        let data = if self.data.names_a_set() {
            let _progress = Progress::reading();
            let data = match self.data.open()? {
                OpenedDataset::Split(data) => data,
                OpenedDataset::Unsplit(images) => images.without_split().map_err(Failure::input)?,
            };
            data.limited(NonZeroUsize::new(self.images), None)
        } else {
            let _memory = hold_synthetic(self.images).map_err(Failure::input)?;
            let images = synthetic(self.images, self.measure.seed);
            let conversion = self.data.conversion();
            let fit = conversion.fit_of(&images);
            let images = Arc::new(conversion.apply(images).map_err(Failure::input)?);
            Dataset {
                name: format!("synthetic, seed {}", self.measure.seed),
                kind: None,
                classes: CLASSES,
                class_names: None,
                fit,
                train: Arc::clone(&images),
                validation: None,
                test: images,
            }
        };
        let MeasureArgs { batch_size, profile_batch_size, .. } = &self.measure;
        let largest = batch_size.iter().copied().max().unwrap_or(0).max(*profile_batch_size);
        if largest > data.train.len() {
            return Err(Failure::Input(anyhow!(
                "batch size {largest} needs at least as many images; there are {}: raise --images, or lower --batch-size \
                 and --profile-batch-size",
                data.train.len()
            )));
        }
        Ok(data)
    }
}

/// Reserves memory for synthetic images.
fn hold_synthetic(images: usize) -> Result<Reservation<'static>, DataError> {
    let bytes = (images as u64).saturating_mul(SYNTHETIC_BYTES);
    memory::hold(bytes)
        .map_err(|source| DataError::Memory { what: format!("{images} synthetic images"), source })
}

impl MeasureArgs {
    fn settings(&self) -> Settings {
        let [batches, populations] = [&self.batch_size, &self.population].map(|sizes| {
            let mut sizes = sizes.clone();
            sizes.sort_unstable();
            sizes.dedup();
            sizes
        });
        let Self { profile_batch_size: profile_batch, repeats, seconds, seed, .. } = *self;
        Settings { batches, profile_batch, repeats, seconds, seed, populations }
    }
}

impl ReportArgs {
    /// The files to write.
    fn files(&self) -> Vec<OutputFile<'_>> {
        let files = [("--output", &self.output), ("--markdown", &self.markdown)];
        let named = files.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)));
        named.map(|(option, path)| OutputFile { option, path, is_text: true }).collect()
    }

    fn write(&self, results: &Results, markdown: &str) -> Result<(), Failure> {
        let files = [(&self.output, results.to_json()), (&self.markdown, markdown.to_owned())];
        let mut written = Ok(());
        for (path, text) in files.iter().filter_map(|(path, text)| Some((path.as_ref()?, text))) {
            // One file that cannot be written does not prevent the other.
            let one = write_output(path, text.as_bytes()).inspect(|()| notice::written(path));
            written = written.and(one);
        }
        written.map_err(Failure::work)
    }
}
