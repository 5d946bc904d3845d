//! The option for TensorBoard's event files. A file that cannot be written does not end a run: there is a warning.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::one_line;
use crate::cli::{Failure, notice};
use crate::data::ImageSet;
use crate::files::operations::create_folders;
use crate::tensorboard::{Ending, EventFileError, RunEvents, StepLosses, has_event_files};
use crate::train::{EpochRecord, RunConfig, RunOutcome, RunState, RunSummary, TrainError};

#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct TensorBoardArgs {
    /// Write event files for TensorBoard into the run's folder, or into DIR/RUN: metrics, the filters of conv1, options, and
    /// histograms of weights and gradients (of one batch, the first stored training images, at most 256, after each epoch)
    /// [default: off; a resumed run continues the files in its folder]
    #[arg(long, value_name = "DIR", num_args = 0..=1)]
    tensorboard: Option<Option<PathBuf>>,
}

impl TensorBoardArgs {
    /// Creates the folder of the option before a run begins, so that a wrong one is reported early. `name` is that of the
    /// new run, if it is known.
    pub fn prepare(&self, name: Option<&Path>) -> Result<(), Failure> {
        let Some(Some(folder)) = &self.tensorboard else { return Ok(()) };
        let option = format!("--tensorboard {}", folder.display());
        create_folders(folder).map_err(|source| {
            Failure::unreadable(
                format!("{option}: cannot create the folder"),
                "--tensorboard takes a folder; without one, the event files are written into the folder of the run",
                source,
            )
        })?;
        match name.map(|run| folder.join(name_of(run))).filter(|events| has_event_files(events)) {
            Some(events) => Err(Failure::usage(
                format!("{option}: {} has event files of another run", events.display()),
                "choose another --tensorboard or --run-dir",
            )),
            None => Ok(()),
        }
    }

    /// The folder of the event files of the run in `run`; `None` if it has none.
    fn folder(&self, run: &Path, is_resumed: bool) -> Option<PathBuf> {
        match &self.tensorboard {
            Some(Some(folder)) => Some(folder.join(name_of(run))),
            Some(None) => Some(run.to_owned()),
            None if is_resumed && has_event_files(run) => Some(run.to_owned()),
            None => None,
        }
    }

    /// Creates the event file of the run in `run`, which starts from `state`; `None` if the run has none. Also returns the
    /// listener for the losses within epochs. `train` are the training images.
    pub fn start(
        &self,
        run: &Path,
        is_resumed: bool,
        config: &RunConfig,
        state: &RunState,
        train: &ImageSet,
    ) -> Option<(TensorBoard, StepLosses)> {
        let folder = self.folder(run, is_resumed)?;
        match RunEvents::start(&folder, config, state, train) {
            Ok((events, losses)) => Some((TensorBoard { events, has_failed: false }, losses)),
            Err(error) => {
                notice::warning(format_args!("{}; the run has no files for TensorBoard", one_line(&error)));
                None
            }
        }
    }
}

/// The name of the folder of a run.
fn name_of(run: &Path) -> PathBuf {
    let name = |path: &Path| path.file_name().map(PathBuf::from);
    // A path such as `.` has none.
    name(run).or_else(|| name(&run.canonicalize().ok()?)).unwrap_or_else(|| PathBuf::from("run"))
}

/// The event file of a run.
#[derive(Debug)]
pub struct TensorBoard {
    events: RunEvents,
    /// Whether the last attempt to write failed, which has been reported.
    has_failed: bool,
}

impl TensorBoard {
    /// Writes an epoch. `parameters` is the parameter arena.
    pub fn epoch(&mut self, record: &EpochRecord, parameters: &[f32]) {
        let written = self.events.epoch(record, parameters);
        self.warn(written, "it will be tried again after the next epoch");
    }

    /// Writes the rest, and how the run has ended.
    pub fn finish(&mut self, trained: &Result<RunSummary, TrainError>) {
        let ending = match trained {
            Ok(RunSummary { outcome: RunOutcome::Interrupted, .. }) => Ending::Resumable,
            Ok(_) => Ending::Complete,
            Err(error) if error.is_numeric() => Ending::Failed,
            Err(_) => Ending::Resumable,
        };
        let written = self.events.end(ending);
        self.has_failed = false;
        self.warn(written, "TensorBoard does not show the end of the run");
    }

    fn warn(&mut self, written: Result<(), EventFileError>, consequence: &str) {
        let failed_before = std::mem::replace(&mut self.has_failed, written.is_err());
        if let Err(error) = written
            && !failed_before
        {
            notice::warning(format_args!("{}; {consequence}", one_line(&error)));
        }
    }
}
