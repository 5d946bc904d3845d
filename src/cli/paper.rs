//! `lenet-gpu paper`.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::data::{Conversion, Dataset, DatasetKind, Fit};
use crate::paper::PaperDataset as Set;
use crate::paper::{self, Experiment, ExperimentListener, PaperError, Protocol, StudyConfig, StudyResults};
use crate::train::{EpochProgress, EpochRecord, TrainingConfig};
use crate::wording::count;
use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};

use super::data::fetched;
use super::data_args::LimitArgs;
use super::engine::{self, EngineArgs};
use super::fit::fit;
use super::interrupt::Interrupt;
use super::memory_args::MemoryArgs;
use super::{Ending, Failure, Output, notice, terminal, threads, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu paper
          On MNIST: three runs of Adam and three of gradient descent; takes minutes on a CPU
  lenet-gpu paper --dataset both --output paper
          Also on CIFAR-10, after `lenet-gpu data fetch cifar10`
  lenet-gpu paper --as-listed
          One batch of 32 images, as in the paper's script

Writes report.md, the figures as SVG and PNG, summary.csv and .md, verdicts.csv and .md, and runs.csv with \
every measurement.";

/// Reproduce the paper's experiments: Adam against gradient descent
///
/// Writes a report with figures, tables and a verdict on each of the paper's claims.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PaperArgs {
    /// Data sets to train on
    #[arg(long, value_name = "SET", value_enum, default_value_t = Sets::Mnist)]
    dataset: Sets,

    /// Folder of CIFAR-10 [default: the one from `lenet-gpu data fetch cifar10`]
    #[arg(long, value_name = "DIR")]
    cifar10_dir: Option<PathBuf>,

    /// Number of runs of each optimizer on each data set, with consecutive seeds
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u32>(1..=100))]
    runs: u32,

    /// Maximum number of epochs per run [default: 10; with --as-listed 100, each of one step]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u32>(1..=10_000))]
    epochs: Option<u32>,

    /// Number of times per epoch that training and test accuracy are measured
    #[arg(
        long = "evaluations-per-epoch",
        alias = "probes",
        value_name = "N",
        default_value_t = 20,
        allow_negative_numbers = true
    )]
    #[arg(value_parser = values::integer::<usize>(1..=1000))]
    probes: usize,

    /// Follow the paper's script exactly: one batch of 32 training images and seven of test images, the summed
    /// gradient clipped to ±3, parameters clipped to ±1000, Adam's bias corrected twice
    #[arg(long)]
    as_listed: bool,

    /// Seed of the first run
    #[arg(long, value_name = "N", default_value_t = TrainingConfig::default().seed, allow_negative_numbers = true)]
    #[arg(value_parser = values::integer::<u64>(0..=values::MAX_INTEGER - 100))]
    seed: u64,

    #[command(flatten)]
    limit: LimitArgs,

    #[command(flatten)]
    memory: MemoryArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// Folder for the report, new or empty
    #[arg(short, long, alias = "out", value_name = "DIR", default_value = "paper", help_heading = "Output")]
    output: PathBuf,

    /// Print only the result
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sets {
    /// MNIST, built in
    Mnist,
    /// CIFAR-10
    Cifar10,
    /// Both, one after the other
    Both,
}

/// The paper resizes its images.
const RESIZED: Conversion = Conversion { fit: Some(Fit::Resize), channels: None };

/// The default number of epochs of a run, and that of a run with `--as-listed`.
const EPOCHS: u32 = 10;
const LISTED_EPOCHS: u32 = 100;

pub fn run(args: &PaperArgs, output: &mut Output) -> Result<Ending, Failure> {
    args.memory.apply();
    let sets = args.sets()?;
    let device = args.engine.open()?;
    device.warn_of_software();
    make_folder(&args.output)?;
    let study = StudyConfig {
        datasets: sets,
        protocol: if args.as_listed { Protocol::AsListed } else { Protocol::AsDescribed },
        runs: args.runs,
        first_seed: args.seed,
        epochs: args.epochs.unwrap_or(if args.as_listed { LISTED_EPOCHS } else { EPOCHS }),
        evaluations_per_epoch: args.probes,
    };
    study.setups().iter().try_for_each(|setup| device.check(setup)).map_err(engine::failure)?;
    let interrupt = Interrupt::listen(|| "no report was written".to_owned())?;
    let progress = Progress { interrupt, quiet: args.quiet };
    let spinner = super::progress::Progress::start("training", 0);
    let name = device.open_device().name();
    if !args.quiet {
        notice::note(format_args!("training on {name}: {}", device.reason()));
    }
    let findings = match paper::run_study(&study, device.open_device(), &progress) {
        Ok(findings) => findings,
        Err(PaperError::Interrupted) => {
            notice::note("interrupted; no report was written");
            return Ok(Ending::Interrupted);
        }
        Err(PaperError::Engine(error)) => return Err(engine::failure(error)),
        Err(PaperError::Thread(error)) => return Err(threads::cannot_start(error)),
        Err(error) => return Err(Failure::work(error)),
    };
    drop(spinner);
    let provenance = args.provenance(&name);
    let written = findings.write(&args.output, &provenance).map_err(Failure::work);
    note_files(&args.output);
    // If the report cannot be written, the results are at least printed.
    let place = written.as_ref().ok().map(|report| format!("the report is in {}", report.display()));
    let conclusion = conclusion(&findings);
    output.lines(fit(&conclusion, terminal::stdout_columns().unwrap_or(usize::MAX)))?;
    if let Some(place) = place {
        output.line(&place)?;
    }
    written.map(|_| Ending::Done)
}

/// The summary table, and a line per claim.
fn conclusion(findings: &StudyResults) -> String {
    let verdicts = findings.claims();
    let lines = verdicts
        .iter()
        .map(|verdict| format!("{:13} {}: {}", verdict.outcome, verdict.claim, verdict.evidence));
    [findings.summary().to_markdown()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

impl PaperArgs {
    /// Opens the data sets, resized as in the paper.
    fn sets(&self) -> Result<Vec<(Set, Dataset)>, Failure> {
        if self.dataset == Sets::Mnist && self.cifar10_dir.is_some() {
            return Err(Failure::Input(anyhow!(
                "--cifar10-dir requires --dataset cifar10 or --dataset both"
            )));
        }
        let sets = match self.dataset {
            Sets::Mnist => &[Set::Mnist][..],
            Sets::Cifar10 => &[Set::Cifar10],
            Sets::Both => &[Set::Mnist, Set::Cifar10],
        };
        sets.iter()
            .map(|&set| {
                let data = match set {
                    Set::Mnist => Dataset::embedded_mnist(RESIZED),
                    Set::Cifar10 => Dataset::open(&self.cifar10()?, Some(DatasetKind::Cifar10), RESIZED),
                }
                .map_err(Failure::input)?;
                Ok((set, self.limit.limit(data)))
            })
            .collect()
    }

    /// The folder of CIFAR-10.
    fn cifar10(&self) -> Result<PathBuf, Failure> {
        match &self.cifar10_dir {
            Some(folder) => Ok(folder.clone()),
            None => fetched(DatasetKind::Cifar10, "--cifar10-dir"),
        }
    }

    /// How the report was made, for its introduction.
    fn provenance(&self, device: &str) -> String {
        let (first, last) = (self.seed, self.seed + u64::from(self.runs) - 1);
        let seeds = if first == last { format!("seed {first}") } else { format!("seeds {first} to {last}") };
        format!(
            "Made by lenet-gpu {} on {device}: {} each, {seeds}{}.",
            crate::version::VERSION_WITH_COMMIT,
            count(self.runs, "run"),
            self.limit
        )
    }
}

/// Creates the folder, unless it exists and is empty.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    let cannot_create =
        || format!("cannot create the folder {}; choose another with --output", folder.display());
    fs::create_dir_all(folder).with_context(cannot_create).map_err(Failure::Input)?;
    let mut content = fs::read_dir(folder).with_context(cannot_create).map_err(Failure::Input)?;
    match content.next() {
        None => Ok(()),
        Some(_) => Err(Failure::Input(anyhow!(
            "{} is not empty; choose a new folder with --output",
            folder.display()
        ))),
    }
}

/// Names the files of the report: the folder was empty before.
fn note_files(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    paths.iter().for_each(|path| notice::written(path));
}

/// Prints a line per epoch on stderr.
struct Progress {
    interrupt: Interrupt,
    quiet: bool,
}

impl ExperimentListener for Progress {
    fn progress(&self, _: &Experiment, _: &EpochProgress) -> ControlFlow<()> {
        if self.interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&self, experiment: &Experiment, record: &EpochRecord) {
        if self.quiet {
            return;
        }
        notice::note(format_args!(
            "{}, epoch {}: training accuracy {:.2} %, test accuracy {:.2} %",
            experiment.name(),
            record.epoch,
            100.0 * record.train_accuracy,
            100.0 * record.test_accuracy,
        ));
    }
}
