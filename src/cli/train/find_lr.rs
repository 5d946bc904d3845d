//! `lenet-gpu train --find-lr`: tries rising learning rates instead of training, and suggests one. It is not a run: it
//! leaves a figure, and no weights.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::beginning::unusable;
use super::opening::Opening;
use super::{OutputArgs, RUNS};
use crate::cli::hints::HintedError;
use crate::cli::interrupt::Interrupt;
use crate::cli::progress::Progress;
use crate::cli::{Ending, Failure, Output, notice, values};
use crate::engine::{Engine, Rule};
use crate::report::figure::{self, Figure};
use crate::train::{LrPoint, LrRange, LrSearch, LrSearchEnding, RunConfig, RunDirectory, find_learning_rate};
use crate::wording::count;

#[derive(Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct FindLrArgs {
    /// Find a learning rate instead of training: raise it from LOW to HIGH over at most one epoch (or 100 steps), print the
    /// rate that the losses suggest, and draw them [default range: 1e-6:1 with adam, 1e-5:10 with sgd and gd]
    #[arg(long, value_name = "LOW:HIGH", num_args = 0..=1, require_equals = true)]
    #[arg(value_parser = range, conflicts_with_all = ["resume", "serve", "tensorboard"])]
    find_lr: Option<Option<LrRange>>,
}

/// The stem of the names of the figure's files.
const STEM: &str = "lr-finder";

/// Options that have no effect here: the length of a run, its learning rates, and what ends it.
const IGNORED: [&str; 11] = [
    "checkpoint-every",
    "early-stop-train-accuracy",
    "epochs",
    "lr",
    "lr-step-epochs",
    "lr-step-factor",
    "max-steps",
    "patience",
    "schedule",
    "target-accuracy",
    "warmup",
];

fn range(typed: &str) -> Result<LrRange, String> {
    let rule = "must be LOW:HIGH, two learning rates such as 1e-5:1";
    let (low, high) = typed.split_once(':').ok_or(rule)?;
    let rate = |typed: &str| values::positive(typed).map_err(|_| format!("{rule}, each above 0 and finite"));
    let range = LrRange { low: rate(low)?, high: rate(high)? };
    if range.low < range.high { Ok(range) } else { Err(format!("{rule}, the lower one first")) }
}

impl FindLrArgs {
    /// The rates to try; `None` to train.
    pub fn range(&self, rule: &Rule) -> Option<LrRange> {
        self.find_lr.map(|range| range.unwrap_or(LrRange::of(rule)))
    }
}

/// The object that `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    suggestion: Option<f32>,
    ending: LrSearchEnding,
    points: &'a [LrPoint],
    figure: &'a Path,
}

/// Searches, and writes and prints what was found.
pub fn run(
    range: LrRange,
    opening: Opening,
    engine: &mut dyn Engine,
    args: &OutputArgs,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Opening { images, parameters, config, slug, .. } = opening;
    let data = images.data;
    engine.set_parameters(&parameters).map_err(Failure::work)?;
    let RunConfig { training, options, .. } = config;
    let ignored: Vec<String> =
        IGNORED.iter().filter(|name| options.contains_key(**name)).map(|name| format!("--{name}")).collect();
    if !ignored.is_empty() && !args.quiet {
        notice::note(format_args!("--find-lr does not use {}", ignored.join(", ")));
    }
    let folder = Folder::open(args, &slug)?;
    let path = folder.path.display().to_string();
    let interrupt = Interrupt::listen(move || format!("{path} has no figure"))?;
    let mut progress = None;
    let mut shown = 0;
    let mut show = |done: usize, total: usize| {
        let progress = progress.get_or_insert_with(|| Progress::start("trying learning rates", total));
        progress.advance(done - shown);
        shown = done;
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let found = find_learning_rate(engine, &data.train, &training, range, &mut show);
    drop(progress);
    let found = found.map_err(Failure::work)?;
    if found.ending == LrSearchEnding::Interrupted {
        notice::note(format_args!("interrupted after {}; nothing was written", steps(&found)));
        return Ok(Ending::Interrupted);
    }
    if found.points.is_empty() {
        let message = "the loss of the first step is not finite, whatever the learning rate".to_owned();
        let hint = Some("try another --init, or other weights with --init-from".to_owned());
        return Err(Failure::work(HintedError { message, hint }));
    }
    let title = format!("Learning-rate search on {}", data.name);
    let [svg, _] = folder.write(&found.figure(&title))?;
    if !args.quiet {
        notice::note(ended(&found));
    }
    let suggestion = found.suggestion();
    if args.json {
        let LrSearch { points, ending, .. } = &found;
        let line = serde_json::to_string(&Found { suggestion, ending: *ending, points, figure: &svg });
        output.json(&line.expect("finite numbers and a path can be written as JSON"))?;
    }
    let Some(rate) = suggestion else {
        let message = format!(
            "no learning rate from {} to {} lowers the loss enough to suggest one; the curve is in {}",
            figure::short_number(range.low.into()),
            figure::short_number(range.high.into()),
            svg.display()
        );
        let hint = Some("try another range, --find-lr=LOW:HIGH, or another --init".to_owned());
        return Err(Failure::work(HintedError { message, hint }));
    };
    if !args.json {
        output.line(&format!("suggested learning rate {rate}; the curve is in {}", svg.display()))?;
    }
    Ok(Ending::Done)
}

fn steps(found: &LrSearch) -> String {
    count(found.points.len(), "step")
}

/// How the search ended: "the loss exploded at a learning rate of 0.23, after 812 steps".
fn ended(found: &LrSearch) -> String {
    let steps = steps(found);
    match (found.ending, found.points.last()) {
        (LrSearchEnding::Exploded, Some(last)) => {
            let rate = figure::short_number(last.learning_rate.into());
            format!("the loss exploded at a learning rate of {rate}, after {steps}")
        }
        (_, Some(last)) if found.is_still_falling() => {
            let rate = figure::short_number(last.learning_rate.into());
            format!(
                "tried all learning rates, in {steps}; the loss was still falling at the highest, {rate}: try higher ones \
                 with --find-lr=LOW:HIGH"
            )
        }
        _ => format!("tried all learning rates, in {steps}"),
    }
}

/// The folder of the figure. It is created before the search, so that an unwritable path is reported early.
struct Folder {
    path: PathBuf,
    is_new: bool,
}

impl Folder {
    fn open(args: &OutputArgs, slug: &str) -> Result<Self, Failure> {
        let (path, is_new) = match &args.run_dir {
            Some(path) => (path.clone(), RunDirectory::create_folder(path).map_err(unusable)?),
            None => {
                let stem = format!("lr-{slug}");
                (RunDirectory::create_timestamped_folder(Path::new(RUNS), &stem).map_err(unusable)?, true)
            }
        };
        Ok(Self { path, is_new })
    }

    fn write(mut self, figure: &Figure) -> Result<[PathBuf; 2], Failure> {
        let written = figure.write(&self.path, STEM);
        self.is_new &= written.is_err();
        written.map_err(Failure::work)
    }
}

/// Removes a new folder that has stayed empty.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_new {
            RunDirectory::remove_empty_folder(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_two_rates_the_lower_first() {
        assert_eq!(range("1e-5:0.5"), Ok(LrRange { low: 1e-5, high: 0.5 }));
        for typed in ["", "1e-3", ":", "1:", ":1", "1:1", "1:1e-3", "0:1", "-1:1", "1e-3:inf", "1:2:3", "a:b"]
        {
            let error = range(typed).unwrap_err();
            assert!(error.starts_with("must be LOW:HIGH"), "{typed:?}: {error}");
        }
    }
}
