//! The end of a run: saves what is not saved yet, and reports the result.

use std::path::Path;
use std::time::Instant;

use super::beginning::Begun;
use super::saver::{Files, Saved};
use super::target::Target;
use super::{OutputArgs, advice, followers};
use crate::cli::failure::one_line;
use crate::cli::hints::HintedError;
use crate::cli::report::{self, RunEnd};
use crate::cli::resume_command::resume_command;
use crate::cli::{Ending, Failure, Output, job, notice};
use crate::engine::{Engine, EngineError};
use crate::files::stop_replacing;
use crate::model::SelectionSplit;
use crate::train::{FinishedFiles, RunDirectory, RunOutcome, RunSummary, StopReason, Stopping, TrainError};
use crate::wording::count;

/// How training has ended, before everything is saved.
pub struct Trained {
    pub summary: Result<RunSummary, TrainError>,
    /// The weights after the last step, unless they are saved.
    pub weights: Result<Option<Vec<f32>>, EngineError>,
}

impl Trained {
    /// Whether the device has failed.
    pub fn is_failure_of_device(&self) -> bool {
        matches!(self.summary, Err(TrainError::Engine(EngineError::Device(_))))
            || matches!(self.weights, Err(EngineError::Device(_)))
    }

    /// Whether the other ranks of the run know how it has ended.
    pub fn is_known_to_other_ranks(&self) -> bool {
        self.summary.as_ref().err().is_none_or(followers::is_known) && self.weights.is_ok()
    }

    /// Saves the rest of a run whose training has succeeded or failed, and returns how it ended.
    pub fn save(self, saved: &mut Saved) -> Result<RunSummary, Failure> {
        if let Some(tensorboard) = &mut saved.tensorboard {
            tensorboard.finish(&self.summary);
        }
        let summary = self.summary.map_err(|error| failed(saved, error))?;
        save_rest(saved, &summary, self.weights.map_err(Failure::work)?)?;
        Ok(summary)
    }
}

/// Ends a run: saves the rest, warns of results that mean little, writes the report, and prints how it ended.
pub fn end(
    begun: Begun,
    engine: &mut dyn Engine,
    trained: Trained,
    mut saved: Saved,
    args: &OutputArgs,
    started: Instant,
    output: &mut Output,
) -> Result<Ending, Failure> {
    let Begun { data, training, parameters, is_at_start, .. } = begun;
    let error_is_numeric = trained.summary.as_ref().err().map(TrainError::is_numeric);
    let summary = trained.save(&mut saved).inspect_err(|_| {
        if let Some(is_numeric) = error_is_numeric {
            note_checkpoint(&saved.files.directory, is_numeric);
        }
    })?;
    if summary.outcome != RunOutcome::Interrupted {
        let images = summary.steps.saturating_mul(training.batch_size as u64);
        advice::result(&summary, &data, images, training.class_weights.is_some());
    }
    let files = &saved.files;
    if !args.no_report {
        let end = RunEnd {
            run: files.directory.stored(&files.config, &summary.outcome),
            info: files.info(),
            initial: is_at_start.then_some(parameters),
            engine,
            test: &data.test,
        };
        report::write_at_the_end(end, args.quiet);
    }
    conclude(&summary, &training.stopping, started, files, args.json, output)
}

/// Saves what is missing after a run that finished or was interrupted, and reads all files back.
/// `weights` are those after the last step, unless they are saved.
fn save_rest(saved: &mut Saved, summary: &RunSummary, weights: Option<Vec<f32>>) -> Result<(), Failure> {
    let Saved { files, .. } = saved;
    let interrupted = summary.outcome == RunOutcome::Interrupted;
    let mut is_finite = true;
    if let Some(parameters) = weights {
        is_finite = parameters.iter().all(|parameter| parameter.is_finite());
        if is_finite {
            let model = files.model(parameters);
            files.directory.set_model(&model);
        }
    }
    let FinishedFiles { restored, failures } = files.directory.finish();
    if failures.is_empty() {
        for change in &restored {
            notice::warning(format_args!("{}; it was written again", one_line(change)));
        }
    }
    let problems: Vec<String> = failures.iter().map(|failure| one_line(failure)).collect();
    let checkpoint = files.directory.checkpoint_step();
    let steps = summary.steps;
    let ended = format!("{} after step {steps}", if interrupted { "interrupted" } else { "the run ended" });
    let lower_rate = Some("try a lower --lr".to_owned());
    if !is_finite {
        let rest = problems.iter().map(|problem| format!("; {problem}")).collect::<String>();
        let message = format!("{ended}; the weights are not finite and were not saved{rest}");
        return Err(Failure::work(HintedError { message, hint: lower_rate }));
    }
    if problems.is_empty() {
        if steps == 0 || checkpoint == Some(steps) {
            return Ok(());
        }
        let last =
            checkpoint.map_or("there is none".to_owned(), |step| format!("the last is of step {step}"));
        let message = format!("{ended}; the optimizer's state is not finite and has no checkpoint; {last}");
        return Err(Failure::work(HintedError { message, hint: lower_rate }));
    }
    let hint = checkpoint.map(|step| {
        let command = resume_command(files.directory.path());
        format!("once they can be written, `{command}` repeats what comes after step {step}")
    });
    let message = format!("{ended}, but its files are not all saved: {}", problems.join("; "));
    Err(Failure::work(HintedError { message, hint }))
}

/// What a run that a second signal ends leaves behind. Waits for the file that it is writing.
pub fn stopped(run: &Path) -> String {
    // In a job of several processes the run goes on until they have agreed on its end.
    if job::ranks().size() == 1 {
        stop_replacing();
    }
    let checkpoint = RunDirectory::checkpoint_path(run);
    if checkpoint.exists() {
        format!("the last checkpoint is {}; to continue: {}", checkpoint.display(), resume_command(run))
    } else {
        format!("{} has no checkpoint yet", run.display())
    }
}

/// The failure of a run. Saves what is known.
fn failed(saved: &mut Saved, error: TrainError) -> Failure {
    let directory = &mut saved.files.directory;
    directory.set_failure(&one_line(&error));
    let FinishedFiles { failures, .. } = directory.finish();
    for failure in &failures {
        notice::warning(one_line(failure));
    }
    Failure::work(error)
}

/// Notes which checkpoint a failed run can be continued from.
fn note_checkpoint(directory: &RunDirectory, error_is_numeric: bool) {
    let Some(step) = directory.checkpoint_step() else { return };
    let run = directory.path();
    let how = if error_is_numeric {
        let checkpoint = RunDirectory::checkpoint_path(run);
        format!("--init-from {} starts a new run from it", checkpoint.display())
    } else {
        format!("to continue from it: {}", resume_command(run))
    };
    notice::note(format_args!("the last checkpoint is of step {step}; {how}"));
}

/// Prints how a run ended and where its model is.
fn conclude(
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
        RunOutcome::Interrupted => {
            notice::note(format_args!(
                "interrupted after step {}; the model so far is in {model}; to continue: {}",
                summary.steps,
                resume_command(directory.path())
            ));
            return Ok(Ending::Interrupted);
        }
        // Reported as the target below.
        RunOutcome::Stopped(StopReason::TestAccuracy(_)) | RunOutcome::Finished => {}
        RunOutcome::Stopped(stop) => {
            notice::note(format_args!("stopped after {}: {stop}", count(summary.steps, "step")));
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
        let weights = if directory.has_best(best.epoch) {
            directory.best_path().display().to_string()
        } else {
            "its weights are lost".to_owned()
        };
        notice::note(format_args!(
            "the best epoch was {}, with an accuracy of {:.2} % on the {} images{selected}: {weights}",
            best.epoch,
            100.0 * best.accuracy,
            best.split,
        ));
    }
    let line = match &summary.last {
        Some(record) => {
            format!("test accuracy {:.2} %; the model is in {model}", 100.0 * record.test_accuracy)
        }
        None => format!("no training steps; the initial weights are in {model}"),
    };
    if !json {
        output.line(&line)?;
    }
    Ok(Ending::Done)
}
