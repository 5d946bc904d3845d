//! The listener of a run: saves its files, shows its progress, and ends it if the user interrupts it.

use std::ops::ControlFlow;
use std::time::Instant;

use serde::Serialize;

use super::advice;
use super::progress::Progress;
use super::saver::Saver;
use super::target::Target;
use crate::cli::interrupt::Interrupt;
use crate::cli::{Output, StdoutError};
use crate::train::{Divergence, EpochProgress, EpochRecord, Listener, RunError, Snapshot, Stopping};

pub struct Session<'a> {
    /// When the program started.
    pub started: Instant,
    pub stopping: Stopping,
    pub saver: Saver,
    pub progress: Progress,
    pub interrupt: Interrupt,
    /// Where `--json` prints each epoch's object.
    pub json: Option<&'a mut Output>,
}

/// The object that `--json` prints for an epoch.
#[derive(Serialize)]
struct JsonLine<'a> {
    #[serde(flatten)]
    record: &'a EpochRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl Session<'_> {
    fn flow(&self) -> ControlFlow<()> {
        if self.interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Listener for Session<'_> {
    fn progress(&mut self, progress: &EpochProgress) -> ControlFlow<()> {
        self.progress.update(progress);
        self.flow()
    }

    fn epoch(&mut self, record: &EpochRecord, snapshot: &Snapshot) -> Result<ControlFlow<()>, RunError> {
        self.saver.save(Some(record), snapshot);
        self.progress.epoch(record);
        if let Some(output) = &mut self.json {
            let seconds = snapshot.state.seconds;
            let target = Target::after(record, &self.stopping, seconds, self.started);
            let line =
                serde_json::to_string(&JsonLine { record, target }).expect("a record can be written as JSON");
            output.json(&line).map_err(|StdoutError(source)| RunError::Write {
                path: "the standard output".into(),
                source,
            })?;
        }
        Ok(self.flow())
    }

    fn diverged(&mut self, divergence: &Divergence) {
        advice::divergence(divergence);
    }

    fn checkpoint(&mut self, snapshot: &Snapshot) {
        self.saver.save(None, snapshot);
    }
}
