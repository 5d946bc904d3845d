//! `lenet-gpu train --seeds N`: a sweep over the seed alone.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::anyhow;
use toml::Table;

use super::members::{Running, Sweep};
use super::{conclusion, run};
use crate::cli::{Ending, Failure, Output, job, values};
use crate::sweep::{MAX_MEMBERS, Metric, SweepFiles, Variation, statistics};
use crate::train::quoted;
use crate::wording::count;

/// Trains a network for each of the seeds from `first`, and prints the mean and the range of their accuracies. `options` are
/// all options given.
pub fn train(
    mut options: Table,
    first: u64,
    number: NonZeroUsize,
    run_dir: Option<PathBuf>,
    running: Running,
    started: Instant,
    output: &mut Output,
) -> Result<Ending, Failure> {
    if number.get() > MAX_MEMBERS {
        return Err(Failure::Input(anyhow!(
            "--seeds {number}: at most {MAX_MEMBERS} networks are trained at once"
        )));
    }
    let last = first.checked_add(number.get() as u64 - 1).filter(|&last| last <= values::MAX_INTEGER);
    let Some(last) = last else {
        let message = format!("--seeds {number} from --seed {first}: the last seed would be above 2^63 - 1");
        return Err(Failure::usage(message, "use a smaller --seed"));
    };
    options.remove(Variation::SEED);
    let json = running.json;
    let sweep = Sweep::over_seeds(options, (first..=last).collect(), run_dir, running);
    let sweep = job::agree(sweep)?;
    if job::ranks().rank() > 0 {
        return run::follow(&sweep);
    }
    let (files, ending) = run::run(sweep, started, output)?;
    if json {
        conclusion::print(&files, json, output)?;
    } else if ending == Ending::Done {
        output.lines(summary(&files))?;
    }
    Ok(ending)
}

/// The accuracies in words, and where the models are.
fn summary(files: &SweepFiles) -> Vec<String> {
    let stored = files.stored();
    let metric = Metric::TestAccuracy;
    let ranking = statistics::ranking(&stored.plan, metric, &stored.results);
    let members = files.path().join("members");
    let failed = stored.results.iter().filter(|result| result.error.is_some()).count();
    let mut lines = Vec::new();
    if let Some(summary) = ranking.first()
        && let (Some(mean), Some(min), Some(max)) = (summary.mean, summary.min, summary.max)
    {
        let [mean, min, max] = [mean, min, max].map(|accuracy| format!("{:.2} %", 100.0 * accuracy));
        let deviation = summary.deviation.map_or(String::new(), |deviation| {
            format!(", standard deviation {:.2} percentage points", 100.0 * deviation)
        });
        let runs = count(summary.metrics.len(), "run");
        lines.push(format!("test accuracy of {runs}: mean {mean}{deviation}, range {min} to {max}"));
    }
    if failed > 0 {
        lines.push(format!("{} failed", count(failed, "run")));
    }
    lines.push(format!(
        "the runs are in {}; to average their predictions: lenet-gpu evaluate {}",
        members.display(),
        quoted(&members.join("*").display().to_string())
    ));
    lines
}
