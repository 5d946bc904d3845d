//! The end of a run: saves what is not saved yet, and reports the result.

use std::time::Instant;

use anyhow::{Context, anyhow};

use super::saver::{Files, Saved};
use super::target::Target;
use crate::cli::hints::HintedError;
use crate::cli::resume_command::resume_command;
use crate::cli::{Ending, Failure, Output, notice};
use crate::engine::Engine;
use crate::model::SelectionSplit;
use crate::train::{self, RunDirectory, RunSummary, StopReason, Stopping, TrainError};

/// Saves what is missing after a run that finished or was interrupted.
pub fn save_rest(saved: &mut Saved, summary: &RunSummary, engine: &mut dyn Engine) -> Result<(), Failure> {
    let Saved { files, checkpoint, model, .. } = saved;
    let interrupted = summary.outcome == train::RunOutcome::Interrupted;
    // Otherwise the last epoch has saved the model.
    if interrupted || !*model {
        let parameters = engine.parameters().map_err(Failure::work)?;
        if !parameters.iter().all(|parameter| parameter.is_finite()) {
            return Err(Failure::work(HintedError {
                message: format!(
                    "interrupted after step {}; the weights are not finite and were not saved",
                    summary.steps
                ),
                hint: Some("try a lower --lr".to_owned()),
            }));
        }
        files.directory.save_model(&files.model(parameters)).map_err(Failure::work)?;
    }
    files.directory.flush().map_err(Failure::work)?;
    if interrupted && *checkpoint != Some(summary.steps) {
        let last = checkpoint.map_or(String::new(), |step| format!(" (the last is of step {step})"));
        return Err(Failure::Work(anyhow!(
            "interrupted after step {}; its checkpoint could not be saved{last}; the model is in {}",
            summary.steps,
            files.directory.model_path().display()
        )));
    }
    Ok(())
}

/// The failure of a run. Notes which checkpoint it can be continued from.
pub fn failed(saved: &Saved, error: TrainError) -> Failure {
    if let Some(step) = saved.checkpoint {
        let run = saved.files.directory.path();
        let how = if error.is_numeric() {
            let checkpoint = RunDirectory::checkpoint_path(run);
            format!("--init-from {} starts a new run from it", checkpoint.display())
        } else {
            format!("to continue from it: {}", resume_command(run))
        };
        notice::note(format_args!("the last checkpoint is of step {step}; {how}"));
    }
    Failure::work(error)
}

/// Prints how a run ended and where its model is.
pub fn conclude(
    summary: &RunSummary,
    stopping: &Stopping,
    started: Instant,
    files: &Files,
    json: bool,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let directory = &files.directory;
    let model = directory.model_path();
    let model = model.display();
    match summary.outcome {
        train::RunOutcome::Interrupted => {
            notice::note(format_args!(
                "interrupted after step {}; the model so far is in {model}; to continue: {}",
                summary.steps,
                resume_command(directory.path())
            ));
            return Ok(Ending::Interrupted);
        }
        // Reported as the target below.
        train::RunOutcome::Stopped(StopReason::TestAccuracy(_)) | train::RunOutcome::Finished => {}
        train::RunOutcome::Stopped(stop) => {
            notice::note(format_args!("stopped after {} steps: {stop}", summary.steps));
        }
    }
    let target =
        summary.last.as_ref().and_then(|record| Target::after(record, stopping, summary.seconds, started));
    if let Some(target) = target {
        notice::note(target);
    }
    if let Some(best) =
        summary.best.filter(|best| summary.last.as_ref().is_some_and(|last| last.epoch > best.epoch))
    {
        let selected = if best.split == SelectionSplit::Test {
            " (biased upwards: it was selected on them)"
        } else {
            ""
        };
        notice::note(format_args!(
            "the best epoch was {}, with an accuracy of {:.2} % on the {} images{selected}: {}",
            best.epoch,
            100.0 * best.accuracy,
            best.split,
            directory.best_path().display()
        ));
    }
    let line = match &summary.last {
        Some(record) => {
            format!("test accuracy {:.2} %; the model is in {model}", 100.0 * record.test_accuracy)
        }
        None => format!("no training steps; the initial weights are in {model}"),
    };
    if !json {
        output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    }
    Ok(Ending::Done)
}
