//! The sweeps in a folder, with a line for each instead of one for each of its members.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::table::{Column, DATE, rows_within};
use crate::calendar::Utc;
use crate::cli::failure::one_line;
use crate::sweep::statistics::{ranking, shown};
use crate::sweep::{StoredSweep, SweepFiles};
use crate::train::StoredRun;

/// A sweep, or its problem on one line.
pub struct ListedSweep {
    /// The path below the folder that is listed.
    name: String,
    started: SystemTime,
    is_running: bool,
    sweep: Result<StoredSweep, String>,
}

/// The sweeps below the folders, each once, the newest first. Those that are given themselves are not among them: their
/// members are listed.
pub fn find(folders: &[PathBuf]) -> Vec<ListedSweep> {
    let (mut found, mut seen) = (Vec::new(), HashSet::new());
    for folder in folders {
        for path in StoredRun::sweeps_in(folder).unwrap_or_default() {
            if seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                let below = path.strip_prefix(folder).ok().filter(|_| folders.len() == 1);
                let name = below.unwrap_or(&path).display().to_string();
                found.push(read(&path, name));
            }
        }
    }
    found.sort_by(|one, other| other.started.cmp(&one.started).then_with(|| one.name.cmp(&other.name)));
    found
}

fn read(path: &Path, name: String) -> ListedSweep {
    ListedSweep {
        name,
        started: StoredRun::start_of_sweep(path),
        is_running: StoredRun::is_in_progress(path),
        sweep: SweepFiles::read(path).map_err(|error| one_line(&error)),
    }
}

/// The lines of the table for so many columns.
pub fn lines(sweeps: &[ListedSweep], room: usize) -> Vec<String> {
    let readable: Vec<(&ListedSweep, &StoredSweep)> =
        sweeps.iter().filter_map(|listed| Some((listed, listed.sweep.as_ref().ok()?))).collect();
    let mut lines = Vec::new();
    if !readable.is_empty() {
        let column = |heading, is_number, cell: &dyn Fn(&ListedSweep, &StoredSweep) -> String| {
            let cells = readable.iter().map(|&(listed, sweep)| cell(listed, sweep));
            Column::new(heading, is_number, cells)
        };
        let table = vec![
            column("name", false, &|listed, _| listed.name.clone()),
            column("date", false, &|listed, _| {
                Utc::of(listed.started).to_string().replace('T', " ")[..DATE.len()].to_owned()
            }),
            column("members", true, &|_, sweep| format!("{}/{}", sweep.results.len(), members(sweep))),
            column("best mean", true, &|_, sweep| best(sweep)),
            column("state", false, &|listed, sweep| state(listed, sweep).to_owned()),
            column("options", false, &|_, sweep| varied(sweep)),
        ];
        lines.push(crate::wording::count(sweeps.len(), "sweep") + ":");
        lines.extend(rows_within(table, room));
    }
    for listed in sweeps {
        if let Err(problem) = &listed.sweep {
            lines.push(super::table::shortened(&format!("{}  damaged: {problem}", listed.name), room));
        }
    }
    lines
}

fn members(sweep: &StoredSweep) -> usize {
    sweep.config.members(&sweep.plan).count()
}

/// The mean of the metric of the best setting.
fn best(sweep: &StoredSweep) -> String {
    let metric = sweep.config.metric;
    let ranking = ranking(&sweep.plan, metric, &sweep.results);
    let best = ranking.first().filter(|best| best.finished > 0).and_then(|best| best.mean);
    best.map_or_else(|| "–".to_owned(), |mean| shown(metric, mean))
}

fn state(listed: &ListedSweep, sweep: &StoredSweep) -> &'static str {
    match sweep.results.len() < members(sweep) {
        _ if listed.is_running => "running",
        true => "interrupted",
        false => "finished",
    }
}

/// `lr=1e-3,1e-2 seed=0..4`
fn varied(sweep: &StoredSweep) -> String {
    let varied = sweep.config.variations.iter();
    varied.map(|varied| format!("{}={}", varied.name, varied.typed_values())).collect::<Vec<_>>().join(" ")
}
