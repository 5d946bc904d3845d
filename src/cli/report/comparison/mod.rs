//! Several runs side by side, as one HTML file.

mod charts;
mod facts;
mod links;
mod results;
mod seeds;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context;

pub use links::link;

use super::page::{filled, footer};
use super::{ReportArgs, open, reserve, write};
use crate::calendar::Utc;
use crate::cli::failure::one_line;
use crate::cli::{Ending, Failure, Output, notice};
use crate::files::{is_same_output, is_stdout};
use crate::report::compared_curves::coloured;
use crate::report::page::{Html, Page, Section, Tone, command, details};
use crate::train::{RunDirectory, RunStatus, StoredRun};
use crate::wording::count;

/// The file in the folder of the runs.
const COMPARISON: &str = "comparison.html";

/// A run of the comparison. The runs are in the order of their accuracies.
struct Compared {
    run: StoredRun,
    /// The name on the page: that of the folder, or the path if other runs have the same name.
    name: String,
    /// Its position among those with curves, which is its colour.
    position: Option<usize>,
}

/// Whether a folder contains runs but is not a run itself.
pub fn is_folder_of_runs(path: &Path) -> bool {
    path.is_dir()
        && !RunDirectory::config_path(path).exists()
        && StoredRun::paths_in(path).is_ok_and(|runs| !runs.is_empty())
}

/// Writes the comparison of runs, and of all runs in folders.
pub fn run(args: &ReportArgs, output: &mut Output) -> Result<Ending, Failure> {
    if args.best || args.data.names_a_set() {
        let option = if args.best { "--best" } else { "--data-dir and --dataset" };
        return Err(Failure::usage(
            format!("{option}: only for the report of one run"),
            "a comparison shows what the runs have recorded; give one run for its images",
        ));
    }
    let path = args.output.clone().unwrap_or_else(|| default_path(&args.runs));
    // The shell's runs/* includes an earlier comparison.
    let given: Vec<&PathBuf> = args.runs.iter().filter(|run| !is_same_output(run, &path)).collect();
    let runs = read(&given)?;
    if runs.len() < 2 {
        let problem = match runs.first() {
            Some(run) => format!("there is only one run to compare, {}", run.path.display()),
            None => "there are no runs to compare".to_owned(),
        };
        return Err(Failure::usage(
            problem,
            "give two or more folders of runs, or a folder that contains them",
        ));
    }
    reserve(&path, None, None, output)?;
    write(&path, &page(ordered(runs), &path))?;
    Ok(Ending::Done)
}

/// `comparison.html` in the folder of all runs, or in the current one if they are in different folders.
fn default_path(runs: &[PathBuf]) -> PathBuf {
    let folder = |run: &PathBuf| match is_folder_of_runs(run) {
        true => Some(run.clone()),
        false => run.parent().map(Path::to_owned),
    };
    let mut folders = runs.iter().filter(|run| run.is_dir()).map(folder);
    match folders.next().flatten() {
        Some(first) if folders.all(|other| other.as_ref() == Some(&first)) => first.join(COMPARISON),
        _ => PathBuf::from(COMPARISON),
    }
}

/// Reads the runs, each once. One that cannot be read is left out with a warning, if there are others.
fn read(paths: &[&PathBuf]) -> Result<Vec<StoredRun>, Failure> {
    let (mut runs, mut seen) = (Vec::new(), HashSet::new());
    for path in paths {
        let found = match is_folder_of_runs(path) {
            true => {
                let sweeps = StoredRun::sweeps_in(path).unwrap_or_default().len();
                if sweeps > 0 {
                    let (sweeps, folder) = (count(sweeps, "sweep"), path.display());
                    notice::note(format_args!(
                        "{sweeps} in {folder} left out: a sweep has a report of its own"
                    ));
                }
                StoredRun::all_in(path)
                    .with_context(|| format!("cannot read {}", path.display()))
                    .map_err(Failure::Work)?
            }
            false => {
                // A path that is not a run at all is an error.
                if !path.is_dir() || !RunDirectory::config_path(path).exists() {
                    open(path)?;
                }
                vec![((*path).clone(), StoredRun::open(path))]
            }
        };
        for (path, run) in found {
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                continue;
            }
            match run {
                Ok(run) => runs.push(run),
                Err(error) => {
                    notice::warning(format_args!("{}: left out: {}", path.display(), one_line(&error)))
                }
            }
        }
    }
    Ok(runs)
}

/// Orders runs by accuracy. Those with validation images are first, so that curves keep their colours in figures that only
/// these have; those without curves are last.
fn ordered(mut runs: Vec<StoredRun>) -> Vec<Compared> {
    let rank = |run: &StoredRun| {
        let best = run.best();
        let has_validation = best.is_some_and(|best| best.validation_accuracy.is_some());
        (best.is_some(), has_validation, best.map_or(0.0, |best| best.test_accuracy))
    };
    runs.sort_by(|run, other| {
        let ((has_curve, has_validation, accuracy), other) = (rank(run), rank(other));
        let order = other.0.cmp(&has_curve).then(other.1.cmp(&has_validation));
        order.then(other.2.total_cmp(&accuracy))
    });
    let names: Vec<String> = runs.iter().map(StoredRun::name).collect();
    let compared = runs.into_iter().zip(&names).enumerate().map(|(index, (run, name))| {
        let is_unique = names.iter().filter(|other| *other == name).count() == 1;
        let name = if is_unique { name.clone() } else { run.path.display().to_string() };
        let position = (!run.records.is_empty()).then_some(index);
        Compared { run, name, position }
    });
    compared.collect()
}

fn page(runs: Vec<Compared>, path: &Path) -> Page {
    let folder = if is_stdout(path) { None } else { Some(path.parent().unwrap_or(Path::new(""))) };
    let sections = [
        Section::new("results", "Results", results::body(&runs, folder)),
        Section::new("curves", "Curves", charts::body(&runs)),
        Section::new("differences", "What differs", facts::differences(&runs)),
        Section::new("seeds", "Repeated seeds", seeds::body(&runs)),
        Section::new("shared", "What is the same", facts::shared(&runs)),
        Section::new("repeat", "Repeat a run", commands(&runs)),
    ];
    let mut datasets: Vec<&str> =
        runs.iter().map(|compared| compared.run.config.data.name.as_str()).collect();
    datasets.sort_unstable();
    datasets.dedup();
    let dates = || runs.iter().map(|compared| compared.run.started);
    let day = |time| Utc::of(time).to_string()[..10].to_owned();
    let (first, last) = (dates().min().map(day), dates().max().map(day));
    let period = match (first, last) {
        (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
        (first, _) => first.unwrap_or_default(),
    };
    Page {
        title: format!("{} compared", count(runs.len(), "run")),
        kind: "Comparison of training runs of LeNet-5".to_owned(),
        state: None,
        facts: vec![datasets.join(", "), period],
        lead: lead(&runs, &datasets),
        sections: filled(sections),
        footer: footer(),
    }
}

/// What to know before reading further.
fn lead(runs: &[Compared], datasets: &[&str]) -> Html {
    let mut html = results::tiles(runs);
    let mut note = |tone, text: &str| html.push(&crate::report::page::notice(tone, text));
    if datasets.len() > 1 {
        note(
            Tone::Warning,
            &format!(
                "The runs are of different data sets ({}): compare their accuracies with care.",
                datasets.join(", ")
            ),
        );
    }
    let with_curves = runs.iter().filter(|compared| compared.position.is_some()).count();
    let own = coloured(with_curves);
    if own < with_curves {
        let others = with_curves - own;
        note(
            Tone::Neutral,
            &format!(
                "The {own} best runs by accuracy have colours in the curves; the other {others} are grey."
            ),
        );
    }
    let named = |is_named: fn(&Compared) -> bool| {
        let names: Vec<&str> = runs
            .iter()
            .filter(|compared| is_named(compared))
            .map(|compared| compared.name.as_str())
            .collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    if let Some(names) = named(|compared| compared.position.is_none()) {
        note(Tone::Neutral, &format!("Without a completed epoch, and therefore without curves: {names}."));
    }
    if let Some(names) = named(|compared| compared.run.status == RunStatus::Running) {
        note(Tone::Neutral, &format!("In progress, and shown as they were: {names}."));
    }
    html
}

/// The command that repeats each run.
fn commands(runs: &[Compared]) -> Html {
    runs.iter().map(|Compared { run, name, .. }| details(name, &command(&run.reproduce_command()))).collect()
}
