//! `lenet-gpu paper`.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::data::{Conversion, Dataset, DatasetKind, Fit};
use crate::engine::Setup;
use crate::paper::{self, Experiment, Findings, Manner, PaperError, Set, Study, Watcher};
use crate::train::{EpochProgress, EpochRecord, TrainingConfig};
use anyhow::{Context, anyhow};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use super::data::fetched;
use super::data_args::LimitArgs;
use super::engine::{self, EngineArgs};
use super::interrupt::Interrupt;
use super::{Ending, Failure, Output, notice, values};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu paper
          MNIST: three runs of Adam and three of gradient descent, some minutes on a CPU
  lenet-gpu paper --dataset both --out paper
          CIFAR-10 too, which `lenet-gpu data fetch cifar10` brings
  lenet-gpu paper --as-listed
          one batch of 32 images, as the paper's script has it

The folder gets report.md, the figures as SVG and PNG, summary.csv and .md, verdicts.csv and .md, and
runs.csv with every measurement.";

/// Make the paper's experiments: Adam against gradient descent, with figures, tables and verdicts
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct PaperArgs {
    /// On which sets
    #[arg(long, value_name = "SET", value_enum, default_value_t = Sets::Mnist)]
    dataset: Sets,

    /// The folder that CIFAR-10 lies in [default: where `lenet-gpu data fetch cifar10` puts it]
    #[arg(long, value_name = "DIR")]
    cifar10_dir: Option<PathBuf>,

    /// Runs of each optimizer on each set, with seeds one after the other
    #[arg(long, value_name = "N", default_value_t = 3, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=100))]
    runs: u32,

    /// Epochs of a run, at most [default: 10; 100 with --as-listed, where an epoch is a step]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=10_000))]
    epochs: Option<u32>,

    /// Looks at both accuracies within an epoch
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    probes: usize,

    /// The paper's script to the letter: one batch of 32 images and seven to test with, the summed gradient cut
    /// to ±3, parameters to ±1000, Adam's bias corrected twice
    #[arg(long)]
    as_listed: bool,

    /// The first run's seed
    #[arg(long, value_name = "N", default_value_t = TrainingConfig::default().seed, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(0..=values::MAX_INTEGER - 100))]
    seed: u64,

    #[command(flatten)]
    limit: LimitArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// Folder for the report, new or empty
    #[arg(long, value_name = "DIR", default_value = "paper", help_heading = "Output")]
    out: PathBuf,

    /// Say nothing but the result
    #[arg(short, long, help_heading = "Output")]
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sets {
    /// MNIST, which is built in
    Mnist,
    /// CIFAR-10
    Cifar10,
    /// One after the other
    Both,
}

/// The paper resizes its images.
const RESIZED: Conversion = Conversion { fit: Some(Fit::Resize), channels: None };

/// Epochs of a run in each manner.
const EPOCHS: u32 = 10;
const LISTED_EPOCHS: u32 = 100;

pub fn run(args: &PaperArgs, output: &mut Output) -> Result<Ending, Failure> {
    let sets = args.sets()?;
    let chosen = args.engine.choose()?;
    make_folder(&args.out)?;
    let study = Study {
        sets,
        manner: if args.as_listed { Manner::AsListed } else { Manner::AsDescribed },
        runs: args.runs,
        first_seed: args.seed,
        epochs: args.epochs.unwrap_or(if args.as_listed { LISTED_EPOCHS } else { EPOCHS }),
        probes: args.probes,
    };
    let interrupt = Interrupt::listen().context("cannot listen for Ctrl-C").map_err(Failure::Work)?;
    let mut teller = Teller { interrupt, quiet: args.quiet };
    let mut device = None;
    let mut open = |setup: &Setup| {
        let engine = chosen.engine(setup)?;
        if device.is_none() && !args.quiet {
            notice::note(format_args!("training on {}: {}", engine.name(), chosen.reason()));
        }
        device = Some(engine.name());
        Ok(engine)
    };
    let findings = match paper::study(&study, &mut open, &mut teller) {
        Ok(findings) => findings,
        Err(PaperError::Interrupted) => {
            notice::note("interrupted; nothing was written");
            return Ok(Ending::Interrupted);
        }
        Err(PaperError::Engine(error)) => return Err(engine::failure(error)),
        Err(error) => return Err(Failure::work(error)),
    };
    let how = args.how(&device.unwrap_or_default());
    let report = findings.write(&args.out, &how).map_err(Failure::work)?;
    let text = format!("{}\nthe report is in {}", conclusion(&findings), report.display());
    output.line(&text).context("cannot write to the standard output").map_err(Failure::Work)?;
    Ok(Ending::Done)
}

/// The table, and a line a claim.
fn conclusion(findings: &Findings) -> String {
    let verdicts = findings.verdicts();
    let lines =
        verdicts.iter().map(|verdict| format!("{:13} {}: {}", verdict.outcome, verdict.claim, verdict.found));
    [findings.summary().to_markdown()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

impl PaperArgs {
    /// The images, resized as the paper's are.
    fn sets(&self) -> Result<Vec<(Set, Dataset)>, Failure> {
        if self.dataset == Sets::Mnist && self.cifar10_dir.is_some() {
            return Err(Failure::Input(anyhow!(
                "--cifar10-dir is of --dataset cifar10 and both, and it is mnist; ask for one of them"
            )));
        }
        let wanted = match self.dataset {
            Sets::Mnist => &[Set::Mnist][..],
            Sets::Cifar10 => &[Set::Cifar10],
            Sets::Both => &[Set::Mnist, Set::Cifar10],
        };
        wanted
            .iter()
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

    /// Where CIFAR-10 lies.
    fn cifar10(&self) -> Result<PathBuf, Failure> {
        match &self.cifar10_dir {
            Some(folder) => Ok(folder.clone()),
            None => fetched(DatasetKind::Cifar10, "--cifar10-dir"),
        }
    }

    /// What the report says of how it came about.
    fn how(&self, device: &str) -> String {
        format!(
            "Made by lenet-gpu {} on {device}: {} runs each, seeds {} to {}{}.",
            crate::version::VERSION_WITH_COMMIT,
            self.runs,
            self.seed,
            self.seed + u64::from(self.runs) - 1,
            self.limit
        )
    }
}

/// Makes the folder, or takes it where it is empty.
fn make_folder(folder: &std::path::Path) -> Result<(), Failure> {
    let told = || format!("cannot make the folder {}; --out names another", folder.display());
    fs::create_dir_all(folder).with_context(told).map_err(Failure::Input)?;
    let mut content = fs::read_dir(folder).with_context(told).map_err(Failure::Input)?;
    match content.next() {
        None => Ok(()),
        Some(_) => Err(Failure::Input(anyhow!(
            "{} is not empty; a report needs a folder of its own: name another with --out",
            folder.display()
        ))),
    }
}

/// Tells each epoch on stderr.
struct Teller {
    interrupt: Interrupt,
    quiet: bool,
}

impl Watcher for Teller {
    fn so_far(&mut self, _: &Experiment, _: &EpochProgress) -> ControlFlow<()> {
        if self.interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn epoch(&mut self, experiment: &Experiment, record: &EpochRecord) {
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
