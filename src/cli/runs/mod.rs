//! `lenet-gpu runs`.

mod export;
mod filter;
mod listed;
mod sort;
mod sweeps;
mod table;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::Args;

use super::{Ending, Failure, Output, notice, terminal};
use crate::train::StoredRun;
use crate::wording::count;
use filter::Filter;
pub use filter::numeric_order;
use listed::Listed;
use sort::Sort;

const AFTER_HELP: &str = "\
Examples:
  lenet-gpu runs
          all runs in the folder runs, the newest first
  lenet-gpu runs --sort accuracy --limit 10
          the ten best
  lenet-gpu runs --filter dataset=mnist --filter 'accuracy>98' --filter lr=1e-3
          the runs that match all filters
  lenet-gpu runs --filter state=interrupted
          what can be resumed
  lenet-gpu runs runs/sweep-20261122-174530 --sort accuracy
          the members of a sweep
  lenet-gpu runs --csv > runs.csv
          a line for each run, with a column for each option

A sweep is one line below the runs. The list of its members is that of its folder.

Filters are NAME, then = != < <= > >= or ~ (contains), then VALUE. NAME is name, state (running, finished, stopped, \
interrupted, failed, damaged), dataset, device, date (2026-11, 2026-11-22), accuracy and last (of the test images, in \
percent), loss, epochs, time (in seconds), images/s, or an option of train, such as lr or batch-size.

best is the test accuracy of the best epoch, which is selected on the validation images if there are any; last is that \
of the last epoch. time is spent training, without the evaluations.";

/// List runs and how well they did
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct RunsArgs {
    /// Folders of runs, or single runs
    #[arg(value_name = "FOLDER|RUN", default_value = super::train::RUNS)]
    paths: Vec<PathBuf>,

    /// Order: date and epochs from the highest, accuracy and images/s from the best, loss and time from the lowest; -KEY
    /// reverses it [default: date]
    #[arg(long, value_name = "KEY", value_parser = sort::parse, allow_hyphen_values = true)]
    sort: Option<Sort>,

    /// Reverse the order
    #[arg(long, short)]
    reverse: bool,

    /// Only runs that match, such as dataset=mnist, 'accuracy>98' or lr=1e-3; may be repeated
    #[arg(long, value_name = "CONDITION", value_parser = filter::parse, action = clap::ArgAction::Append)]
    filter: Vec<Filter>,

    /// Only the first N runs, in this order [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,

    /// Print CSV on stdout, with all columns and in full precision
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    csv: bool,

    /// Print one JSON object per run on stdout instead of a table
    #[arg(long, help_heading = "Output")]
    json: bool,
}

pub fn run(args: &RunsArgs, output: &mut Output) -> Result<Ending, Failure> {
    let found = find(&args.paths)?;
    // Filters are about runs.
    let sweeps = if args.filter.is_empty() { sweeps::find(&args.paths) } else { Vec::new() };
    let all = found.len();
    let mut listed: Vec<Listed> =
        found.into_iter().filter(|run| args.filter.iter().all(|filter| filter.holds(run))).collect();
    let sort = args.sort.unwrap_or_default();
    sort.apply(&mut listed, args.reverse);
    listed.truncate(args.limit.unwrap_or(usize::MAX));
    if (args.csv || args.json) && !sweeps.is_empty() {
        let sweeps = count(sweeps.len(), "sweep");
        notice::note(format_args!("{sweeps} left out: list the members of a sweep by giving its folder"));
    }
    if args.csv {
        output.lines(export::csv(&listed).split("\r\n").filter(|line| !line.is_empty()))?;
    } else if args.json {
        for run in &listed {
            output.json(&export::json(run).to_string())?;
        }
    } else if all == 0 && sweeps.is_empty() {
        let folder = args.paths.first().map_or(Path::new(super::train::RUNS), PathBuf::as_path);
        output.line(&format!("no runs in {}; `lenet-gpu train` makes one", folder.display()))?;
    } else {
        // What is no terminal has room for all.
        let room = terminal::stdout_columns().unwrap_or(usize::MAX);
        let mut lines = table::lines(&listed, room);
        if listed.len() < all {
            lines.push(format!("{} of {}", listed.len(), count(all, "run")));
        }
        if !lines.is_empty() && !sweeps.is_empty() {
            lines.push(String::new());
        }
        lines.extend(sweeps::lines(&sweeps, room));
        output.lines(lines)?;
    }
    Ok(Ending::Done)
}

/// The runs in all folders, each once. A folder that does not exist is an error, unless it is the default.
fn find(paths: &[PathBuf]) -> Result<Vec<Listed>, Failure> {
    let (mut listed, mut seen) = (Vec::new(), HashSet::new());
    let is_only_folder = paths.len() == 1;
    for folder in paths {
        if !folder.is_dir() {
            if folder == Path::new(super::train::RUNS) && !folder.exists() {
                continue;
            }
            let path = folder.display();
            return Err(match folder.exists() {
                true => Failure::usage(
                    format!("{path} is a file"),
                    "runs takes folders of runs, or single runs".to_owned(),
                ),
                false => Failure::Input(anyhow!("there is no folder {path}")),
            });
        }
        let runs = StoredRun::all_in(folder).map_err(|error| {
            Failure::input(anyhow!(error).context(format!("cannot read {}", folder.display())))
        })?;
        for (path, run) in runs {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                let below =
                    path.strip_prefix(folder).ok().filter(|below| is_only_folder && *below != Path::new(""));
                let name = below.unwrap_or(&path).display().to_string();
                listed.push(Listed {
                    name,
                    path,
                    run: run.map_err(|error| super::failure::one_line(&error)),
                });
            }
        }
    }
    Ok(listed)
}
