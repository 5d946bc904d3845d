//! `lenet-gpu report`: a run, or several runs side by side, as one HTML file.

mod comparison;
mod ending;
mod evaluated;
pub(super) mod numbers;
pub(super) mod page;
mod sections;
mod subject;

use std::path::{Path, PathBuf};

use clap::Args;

pub use comparison::link;
pub use ending::{RunEnd, write_at_the_end};
pub use sections::curves::chart;
use subject::{Subject, Which};

use super::data_args::DataArgs;
use super::engine::EngineArgs;
use super::evaluate::{CHANNELS_HELP, DATA_DIR_HELP, FIT_HELP};
use super::hints::RUN_FOLDER;
use super::sweep::report as sweep_report;
use super::{Ending, Failure, Input, Output, OutputFile, notice};
use crate::files::{WriteError, check_output, is_same_output, is_stdout, write_output};
use crate::report::curves;
use crate::report::page::Page;
use crate::sweep::SweepFiles;
use crate::train::{OpenRunError, RunDirectory, RunError, StoredRun};

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu report runs/mnist-20261122-174530
          Write report.html and curves.png into the folder of the run
  lenet-gpu report runs/photos --data-dir ~/photos -o photos.html
          Evaluate on the data set in its new place, and write another file
  lenet-gpu report runs/a runs/b runs/c
          Compare runs: their curves in one chart, results side by side, and the options that differ; written to
          runs/comparison.html
  lenet-gpu report runs -o comparison.html
          Compare all runs in a folder
  lenet-gpu report runs/sweep-20261122-174530
          Write the report of a sweep again, also while it is in progress

`train` and `sweep` write report.html at the end. The page is one file that loads nothing from elsewhere.";

/// Show a run as an HTML page
///
/// The page has the curves, the scores of each class, the confusion matrix, the worst mistakes, the calibration, the
/// filters and feature maps, all options, and the command that repeats the run.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
#[command(mut_arg("data_dir", |arg| arg.help(DATA_DIR_HELP)))]
#[command(mut_arg("fit", |arg| arg.help(FIT_HELP)))]
#[command(mut_arg("channels", |arg| arg.help(CHANNELS_HELP)))]
pub struct ReportArgs {
    /// Folder of a run or a sweep; several runs, or a folder that contains runs, are compared
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,

    /// File to write; - writes to stdout [default: report.html in the folder of the run; of several runs
    /// comparison.html beside their folders, or in the current folder if they are in different ones]
    #[arg(short, long, value_name = "FILE.html", help_heading = "Output")]
    output: Option<PathBuf>,

    /// Show the weights of the best epoch instead of the last ones
    #[arg(long)]
    best: bool,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    data: DataArgs,
}

pub fn run(args: &ReportArgs, output: &mut Output) -> Result<Ending, Failure> {
    match &args.runs[..] {
        [folder] if SweepFiles::is_sweep(folder) => sweep(args, folder, output),
        [run] if !comparison::is_folder_of_runs(run) => one(args, run, output),
        _ => comparison::run(args, output),
    }
}

/// Opens a run to be read only.
pub fn open(run: &Path) -> Result<StoredRun, Failure> {
    if run.is_file() {
        let hint = format!("give {RUN_FOLDER}");
        return Err(Failure::usage(format!("{} is a file, not the folder of a run", run.display()), hint));
    }
    if let Some(sweep) = StoredRun::sweeps_in(run).unwrap_or_default().first() {
        let message = format!("{} contains sweeps, but no runs", run.display());
        return Err(Failure::usage(
            message,
            format!("give the folder of a sweep, such as {}", sweep.display()),
        ));
    }
    StoredRun::open(run).map_err(|error| match error {
        OpenRunError::Run(error @ RunError::Read { .. }) => Failure::work(error),
        error => Failure::input(error),
    })
}

/// Writes the report of a sweep.
fn sweep(args: &ReportArgs, folder: &Path, output: &mut Output) -> Result<Ending, Failure> {
    if args.best || args.data.names_a_set() {
        let option = if args.best { "--best" } else { "--data-dir and --dataset" };
        return Err(Failure::usage(
            format!("{option}: only for the report of one run"),
            "the report of a sweep shows what its members have recorded",
        ));
    }
    let sweep = SweepFiles::read(folder).map_err(Failure::input)?;
    let own = SweepFiles::report_path(folder);
    match &args.output {
        Some(path) => {
            reserve(path, Some(&own), None, output)?;
            let from = (!is_stdout(path)).then(|| path.parent().unwrap_or(Path::new("")));
            write(path, &sweep_report::page(folder, &sweep, from))?;
        }
        None => {
            sweep_report::write(folder, &sweep).map_err(Failure::work)?;
            notice::written(&own);
        }
    }
    Ok(Ending::Done)
}

/// Writes the report of one run.
fn one(args: &ReportArgs, run: &Path, output: &mut Output) -> Result<Ending, Failure> {
    let stored = open(run)?;
    let which = if args.best { Which::Best } else { Which::Last };
    let subject = Subject::load(stored, which, &args.engine, &args.data)?;
    if let Some(path) = &args.output {
        reserve(path, Some(&RunDirectory::report_path_in(run)), subject.data_folder(&args.data), output)?;
    }
    let page = page::of(&subject);
    match &args.output {
        Some(path) => write(path, &page)?,
        None => {
            save(&subject, &page).map_err(Failure::work)?;
            notice::written(&RunDirectory::report_path_in(run));
        }
    }
    Ok(Ending::Done)
}

/// Checks that a page can be written without replacing a file of the data set or of a run, unless that is `own`, the run's
/// own report.
fn reserve(path: &Path, own: Option<&Path>, data: Option<&Path>, output: &mut Output) -> Result<(), Failure> {
    if own.is_some_and(|own| is_same_output(path, own)) {
        return check_output(path).map_err(Failure::input);
    }
    let inputs: Vec<_> = data.map(Input::Folder).into_iter().collect();
    output.reserve(&[OutputFile { option: "--output", path, is_text: true }], &inputs, false)
}

/// Writes a page, and names the file.
fn write(path: &Path, page: &Page) -> Result<(), Failure> {
    write_output(path, page.to_html().as_bytes()).map_err(Failure::work)?;
    notice::written(path);
    Ok(())
}

/// Writes the report and the picture of the curves into the folder of the run.
fn save(subject: &Subject, page: &Page) -> Result<(), WriteError> {
    let run = &subject.run;
    RunDirectory::write_report(&run.path, page.to_html().as_bytes())?;
    // Without epochs there are no curves.
    match curves::png(&run.records, &run.name()) {
        Ok(curves) => RunDirectory::write_curves(&run.path, &curves),
        Err(_) => Ok(()),
    }
}
