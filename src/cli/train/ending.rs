//! The end of a run: what is not on the disk yet is brought there, and the user is told where all of it is.

use std::time::Instant;

use crate::engine::Engine;
use crate::model::SelectionSplit;
use crate::train::{self, RunDirectory, RunSummary, StopReason, Stopping, TrainError};
use anyhow::{Context, anyhow};

use super::keeper::{Files, Kept};
use super::resume;
use super::target::Target;
use crate::cli::{Ending, Failure, Output, notice};

/// After a run that ended by itself or was interrupted.
pub fn save_the_rest(kept: &mut Kept, report: &RunSummary, engine: &mut dyn Engine) -> Result<(), Failure> {
    let Kept { files, checkpoint, model, .. } = kept;
    let interrupted = report.outcome == train::RunOutcome::Interrupted;
    // Else the last epoch has saved it.
    if interrupted || !*model {
        let parameters = engine.parameters().map_err(Failure::work)?;
        if !parameters.iter().all(|parameter| parameter.is_finite()) {
            return Err(Failure::Work(anyhow!(
                "interrupted after step {}, and the weights are not all finite: they were not saved; a lower \
                 --lr usually helps",
                report.steps
            )));
        }
        files.directory.save_model(&files.model(parameters)).map_err(Failure::work)?;
    }
    files.directory.flush().map_err(Failure::work)?;
    if interrupted && *checkpoint != Some(report.steps) {
        let last = checkpoint.map_or(String::new(), |step| format!(", the last one is of step {step}"));
        return Err(Failure::Work(anyhow!(
            "interrupted after step {}, of which there is no checkpoint{last}; the model is in {}",
            report.steps,
            files.directory.model_path().display()
        )));
    }
    Ok(())
}

/// After a run that failed.
pub fn failed(kept: &Kept, error: TrainError) -> Failure {
    if let Some(step) = kept.checkpoint {
        let run = kept.files.directory.path();
        let how = if error.is_numeric() {
            let checkpoint = RunDirectory::checkpoint_path(run);
            format!("--init-from {} starts a new run from there", checkpoint.display())
        } else {
            format!("to go on from there: {}", resume::command(run))
        };
        notice::note(format_args!("the last checkpoint is of step {step}; {how}"));
    }
    Failure::work(error)
}

/// The last lines: what the run came to, and where the model is.
pub fn conclude(
    report: &RunSummary,
    stopping: &Stopping,
    started: Instant,
    files: &Files,
    json: bool,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let directory = &files.directory;
    let model = directory.model_path();
    let model = model.display();
    match report.outcome {
        train::RunOutcome::Interrupted => {
            notice::note(format_args!(
                "interrupted after step {}; the model so far is in {model}; to go on: {}",
                report.steps,
                resume::command(directory.path())
            ));
            return Ok(Ending::Interrupted);
        }
        // Which is told below.
        train::RunOutcome::Stopped(StopReason::TestAccuracy(_)) | train::RunOutcome::Finished => {}
        train::RunOutcome::Stopped(stop) => {
            notice::note(format_args!("stopped after {} steps: {stop}", report.steps));
        }
    }
    let target =
        report.last.as_ref().and_then(|record| Target::after(record, stopping, report.seconds, started));
    if let Some(target) = target {
        notice::note(target);
    }
    if let Some(best) =
        report.best.filter(|best| report.last.as_ref().is_some_and(|last| last.epoch > best.epoch))
    {
        let selected = if best.part == SelectionSplit::Test { " (selected on test)" } else { "" };
        notice::note(format_args!(
            "the best epoch was {}, with {:.2} % of the {} images{selected}: {}",
            best.epoch,
            100.0 * best.accuracy,
            best.part,
            directory.best_path().display()
        ));
    }
    let line = match &report.last {
        Some(record) => {
            format!("test accuracy {:.2} %; the model is in {model}", 100.0 * record.test_accuracy)
        }
        None => format!("no step was asked for; the initial weights are in {model}"),
    };
    if !json {
        output.line(&line).context("cannot write to the standard output").map_err(Failure::Work)?;
    }
    Ok(Ending::Done)
}
